package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"golang.org/x/sync/errgroup"
)

// copyRun is one copy under way.
type copyRun struct {
	*job
	hold                     *holder
	sourceRelay, targetRelay *relay
	documentCount, byteCount atomic.Int64
	result                   mover.CopyResult
	// record is the source as the copy began with it.
	record recorded

	mu     sync.Mutex
	passed map[[2]string]*passed // by database and collection
}

// readFacts reads both sides at once.
func (m *job) readFacts(ctx context.Context) (source recorded, target sideFacts, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { source, err = m.recordedSource(gctx); return err })
	g.Go(func() (err error) { target, err = m.target.facts(gctx); return err })
	return source, target, g.Wait()
}

// copy carries the whole source to the target. A copy that was cut off left
// databases on record as ours; they are dropped and made anew.
func (m *job) copy(ctx context.Context) (mover.CopyResult, error) {
	began := time.Now()
	c := &copyRun{job: m, result: mover.CopyResult{Fence: m.req.Fence}, passed: map[[2]string]*passed{}}
	source, _, err := m.prepareCopy(ctx)
	if err != nil {
		return c.result, err
	}
	c.result.Adapted = source.adapted()
	held, hold, err := m.hold(ctx)
	if err != nil {
		return c.result, err
	}
	c.hold = hold
	defer hold.release(ctx)
	if err := c.underHold(held, source); err != nil {
		if cause := context.Cause(held); cause != nil && !errors.Is(err, cause) {
			err = cause
		}
		return c.result, hold.orTakenOver(ctx, err)
	}
	c.result.Rows, c.result.Bytes = c.documentCount.Load(), c.byteCount.Load()
	c.result.Duration = time.Since(began)
	c.result.PeakRSS = process.PeakMemory()
	return c.result, nil
}

func (c *copyRun) underHold(ctx context.Context, source recorded) (err error) {
	// An older mover may have written until it lost the target to us.
	target, err := c.target.facts(ctx)
	if err != nil {
		return err
	}
	if err := c.mayOverwrite(source.sideFacts, target); err != nil {
		return err
	}
	if c.sourceRelay, err = c.source.newRelay(ctx); err != nil {
		return fail(sourceSide, mover.CodeFailed, err)
	}
	defer func() { err = errors.Join(err, c.sourceRelay.close()) }()
	if c.targetRelay, err = c.target.newRelay(ctx); err != nil {
		return fail(targetSide, mover.CodeFailed, err)
	}
	defer func() { err = errors.Join(err, c.targetRelay.close()) }()
	return c.carry(ctx, source, target)
}

// carry does the copy under the hold.
func (c *copyRun) carry(ctx context.Context, source recorded, target sideFacts) error {
	c.progress.Enter("prepare", "", 0)
	if c.replaceable(source.sideFacts, target) {
		if err := c.target.dropAll(ctx, c.hold, names(target.databases)); err != nil {
			return err
		}
	}
	if err := c.target.dropMade(ctx, c.hold, target.lineage); err != nil {
		return err
	}
	l := lineage{Installation: c.req.Installation, Epoch: c.req.Epoch, State: stateCopying, Move: c.req.Move, Fence: c.req.Fence, Made: names(source.databases)}
	if err := c.target.writeLineage(ctx, l); err != nil {
		return err
	}
	if err := c.begin(ctx, source); err != nil {
		return err
	}
	all, views, total := plan(source.databases)
	c.progress.Enter("documents", "", total)
	if err := c.each(ctx, all, c.copyCollection); err != nil {
		return err
	}
	c.progress.Enter("views", "", 0)
	if err := c.each(ctx, views, c.create); err != nil {
		return err
	}
	if err := c.hold.guard(ctx); err != nil {
		return err
	}
	if err := c.keepRecord(ctx); err != nil {
		return err
	}
	// This write waits for the disks of a majority, and so for all before it.
	l.State = stateCopied
	return c.target.writeLineage(ctx, l)
}

// begin keeps the source as it is before its first document is read, with the
// write counters under the fence, so that the proof can tell whether the
// digests taken on the way still hold.
func (c *copyRun) begin(ctx context.Context, source recorded) (err error) {
	c.record = source
	if source.fence.stands() {
		if c.record.counters, err = c.source.readCounters(ctx, names(source.databases)); err != nil {
			return err
		}
	}
	return c.target.forgetRecord(ctx)
}

// plan puts the largest collections first, so that none of them is the last
// to begin, and views apart: what they show must be there.
func plan(all []database) (collections, views []collection, total int64) {
	for _, d := range all {
		for _, c := range d.collections {
			if c.kind == kindView {
				views = append(views, c)
				continue
			}
			collections = append(collections, c)
			total += c.bytes
		}
	}
	slices.SortStableFunc(collections, func(a, b collection) int { return int(min(max(b.bytes-a.bytes, -1), 1)) })
	return collections, views, total
}

// each works on a few collections at a time. No mover begins one when a newer
// mover has taken over.
func (c *copyRun) each(ctx context.Context, all []collection, work func(context.Context, collection) error) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(c.req.Streams)
	for _, what := range all {
		g.Go(func() error {
			if err := c.hold.guard(gctx); err != nil {
				return err
			}
			if err := work(gctx, what); err != nil {
				return err
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.result.Tables++
			return nil
		})
	}
	return g.Wait()
}

func (c *copyRun) create(ctx context.Context, what collection) error {
	command, err := what.createCommand()
	if err != nil {
		return fail(sourceSide, mover.CodeFailed, err)
	}
	if err := c.target.command(ctx, what.database, command, nil); err != nil {
		return fmt.Errorf("create %s %s: %w", what.kind, what, err)
	}
	return nil
}

// copyCollection makes one collection, carries its documents, and then builds
// its indexes.
func (c *copyRun) copyCollection(ctx context.Context, what collection) error {
	if err := c.create(ctx, what); err != nil {
		return err
	}
	c.progress.At(what.String())
	n, err := c.documents(ctx, what)
	if err != nil {
		return err
	}
	c.documentCount.Add(n.documents)
	c.byteCount.Add(n.bytes)
	c.mu.Lock()
	c.passed[[2]string{what.database, what.name}] = n.passed
	c.mu.Unlock()
	command, err := what.indexCommand()
	if err != nil {
		return fail(sourceSide, mover.CodeFailed, err)
	}
	if command == nil {
		return nil
	}
	if err := c.hold.guard(ctx); err != nil {
		return err
	}
	// Said on its own: a replica set that cannot agree builds for ever.
	c.progress.At("indexes of " + what.String())
	if c.target.hello.SetName != "" {
		// The server's own rule waits for every member with data, also for one that
		// is down.
		command = append(command, bson.E{Key: "commitQuorum", Value: "majority"})
	}
	if err := c.target.commandWithin(ctx, c.target.limits.of(what.bytes*int64(len(what.indexes))), what.database, command, nil); err != nil {
		return fmt.Errorf("build the indexes of %s: %w", what, err)
	}
	return nil
}

// blocked lists what the source holds and this target cannot take.
func (m *job) blocked(all []database) []mover.UnsupportedObject {
	var found []mover.UnsupportedObject
	version := m.target.build.number()
	for _, d := range all {
		for _, c := range d.collections {
			if why := blockedBy(c, version); why != "" {
				found = append(found, mover.UnsupportedObject{Database: d.name, Object: c.name, Reason: why})
			}
		}
	}
	return found
}

func blockedBy(c collection, version int) string {
	if c.kind == kindTimeseries && version < 50000 {
		return "a time series needs MongoDB 5.0 or newer on the target"
	}
	if c.option("clusteredIndex").Type != 0 && version < 50300 {
		return "a clustered collection needs MongoDB 5.3 or newer on the target"
	}
	for _, index := range c.indexes {
		if haystack(index) && version >= 40900 {
			return "index " + indexName(index) + " is a geoHaystack index, which MongoDB 5.0 and newer no longer have"
		}
	}
	return ""
}

func haystack(index bson.Raw) bool {
	key, _ := index.Lookup("key").DocumentOK()
	values, err := key.Values()
	return err == nil && slices.ContainsFunc(values, func(v bson.RawValue) bool {
		kind, ok := v.StringValueOK()
		return ok && kind == "geoHaystack"
	})
}
