package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// copyRun is one copy under way.
type copyRun struct {
	*job
	hold    *holder
	dump    dumpTool
	adapted adapted
	admin   string
	result  mover.CopyResult
	// analyzers analyze the databases that are copied.
	analyzers *background
	// dress is what a rehearsal with rows keeps; nil in any other.
	dress *dress
}

// copy carries the whole source to the target. A copy that was cut off left
// databases on record as ours; they are dropped and made anew.
func (m *job) copy(ctx context.Context) (mover.CopyResult, error) {
	began := time.Now()
	c := &copyRun{job: m, result: mover.CopyResult{Fence: m.req.Fence}}
	facts, err := m.prepareCopy(ctx)
	if err != nil {
		return c.result, err
	}
	if c.dump, err = findDump(ctx, max(m.source.version, m.target.version)/10000); err != nil {
		return c.result, fail("", mover.CodeUnsupported, err)
	}
	m.progress.Say("schema by pg_dump %d for PostgreSQL %d to %d", c.dump.major, m.source.version/10000, m.target.version/10000)
	c.adapted, c.admin = facts.adapted, facts.target.admin.name
	c.result.Adapted = facts.adapted.lines

	if err := m.target.ensureOwn(ctx); err != nil {
		return c.result, err
	}
	ctx, c.hold, err = m.hold(ctx)
	if err != nil {
		return c.result, err
	}
	defer c.hold.release(ctx)
	// An older mover may have written until it lost the target to us.
	if facts.target, err = m.target.facts(ctx); err != nil {
		return c.result, m.orTakenOver(ctx, err)
	}
	if err := m.mayOverwrite(ctx, facts); err != nil {
		return c.result, m.orTakenOver(ctx, err)
	}
	if err := c.carry(ctx, facts); err != nil {
		return c.result, m.orTakenOver(ctx, err)
	}
	c.result.Duration = time.Since(began)
	c.result.PeakRSS = process.PeakMemory()
	return c.result, nil
}

// carry does the copy under the hold.
func (c *copyRun) carry(ctx context.Context, facts *copyFacts) error {
	mark := mover.LineageMark{Installation: c.req.Installation, Epoch: c.req.Epoch, State: stateCopying, Move: c.req.Move, Fence: c.req.Fence}
	if err := endRehearsals(ctx, c.hold.conn, c.label()); err != nil {
		return err
	}
	if err := clearRehearsals(ctx, c.target, c.hold.conn); err != nil { // what one that was cut off left
		return err
	}
	if err := c.dropOurs(ctx, facts); err != nil {
		return err
	}
	if err := writeLineage(ctx, c.hold.conn, mark); err != nil {
		return classify(targetSide, err)
	}
	if err := c.recordCounters(ctx, facts); err != nil {
		return err
	}
	if err := c.makeRoles(ctx, facts); err != nil {
		return err
	}
	felt, err := c.feeling(ctx, facts.source.databases)
	if err != nil {
		return err
	}
	c.job = felt
	c.analyzers = newBackground(ctx)
	defer c.analyzers.abandon()
	for _, d := range facts.source.databases {
		if err := c.copyDatabase(ctx, d); err != nil {
			return fmt.Errorf("copy database %q: %w", d.name, err)
		}
	}
	if err := c.analyzers.wait(); err != nil {
		return err
	}
	if err := c.applySettings(ctx); err != nil {
		return err
	}
	mark.State = stateCopied
	return c.finish(ctx, mark)
}

// finish makes the copy durable before it is called one. Rows were committed
// without waiting for the disk; a synchronous commit flushes all WAL up to
// itself, and so everything before it.
func (c *copyRun) finish(ctx context.Context, mark mover.LineageMark) error {
	if err := c.hold.guard(ctx); err != nil {
		return err
	}
	if _, err := c.hold.conn.Exec(ctx, "set synchronous_commit = on"); err != nil {
		return classify(targetSide, fmt.Errorf("make the copy durable: %w", err))
	}
	return classify(targetSide, writeLineage(ctx, c.hold.conn, mark))
}

// recordCounters keeps the write counters the copy begins with, so that the
// proof can tell whether the digests taken on the way still hold.
func (c *copyRun) recordCounters(ctx context.Context, facts *copyFacts) error {
	rests := facts.source.fence != nil && facts.source.fence.state.How == howSystem
	counters, err := c.source.readCounters(ctx, databaseNames(facts.source.databases), rests)
	if err != nil {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue("delete from dr.counter")
	batch.Queue("delete from dr.digest")
	for name, v := range counters {
		batch.Queue("insert into dr.counter values ($1, $2, $3, $4, $5)", name, v.Inserted, v.Updated, v.Deleted, v.LastWrite)
	}
	if err := c.hold.conn.SendBatch(ctx, batch).Close(); err != nil {
		return classify(targetSide, fmt.Errorf("record write counters: %w", err))
	}
	return nil
}
