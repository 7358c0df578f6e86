package postgres

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// smallDatabase is up to what size making more sessions takes longer than they
// would save.
const smallDatabase = 4 << 20

// copyTables copies rows, several tables at a time and the biggest first, and
// builds each table's indexes as soon as its rows are there.
func (d *databaseCopy) copyTables(ctx context.Context) error {
	var total int64
	jobs := 0
	for _, t := range d.record.tables {
		total += t.bytes
		jobs += len(d.early[t.oid])
	}
	d.progress.Enter("rows", d.database.name, total)
	if err := d.copyConfig(ctx); err != nil {
		return err
	}
	indexes := make(chan entry, jobs)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		defer close(indexes)
		streams := min(d.req.Streams, max(len(d.record.tables), 1))
		if total <= smallDatabase {
			streams = 1
		}
		return d.copyRows(gctx, streams, indexes)
	})
	if jobs > 0 { // our own session has nothing else to do meanwhile
		g.Go(func() error { return buildIndexes(gctx, d.target, indexes, d) })
	}
	if jobs > 0 && total > smallDatabase {
		for range indexJobs - 1 {
			g.Go(func() error {
				return d.job.target.with(gctx, d.there(), func(conn *pgx.Conn) error { return buildIndexes(gctx, conn, indexes, d) })
			})
		}
	}
	return g.Wait()
}

// copyConfig copies the configuration rows of extensions, one table after
// another: their foreign keys and triggers came with CREATE EXTENSION.
func (d *databaseCopy) copyConfig(ctx context.Context) error {
	var tables []table
	for _, t := range d.record.tables {
		if t.config {
			tables = append(tables, t)
		}
	}
	if len(tables) == 0 {
		return nil
	}
	slices.SortStableFunc(tables, func(a, b table) int { return a.depth - b.depth })
	var w wires
	defer func() { w.close(ctx) }()
	for _, t := range tables {
		if err := w.open(ctx, d); err != nil {
			return err
		}
		err := d.copyTable(ctx, w.src, w.dst, t)
		switch {
		case d.broken(task{what: "copy configuration table " + t.shown(), table: &t, err: err}):
			w.close(ctx) // it is in the middle of a statement
		case err != nil:
			return fmt.Errorf("copy configuration table %s: %w", t.shown(), err)
		}
	}
	return nil
}

// readAll copies tables, several at a time.
func (d *databaseCopy) readAll(ctx context.Context, tables []table, streams int, indexes chan<- entry) error {
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range min(streams, len(tables)) {
		g.Go(func() error { return d.stream(gctx, tables, &next, indexes) })
	}
	return g.Wait()
}

// stream copies one table after another in its own pair of sessions.
func (d *databaseCopy) stream(ctx context.Context, tables []table, next *atomic.Int64, indexes chan<- entry) error {
	var w wires
	defer func() { w.close(ctx) }()
	for {
		i := int(next.Add(1)) - 1
		if i >= len(tables) {
			return nil
		}
		t := tables[i]
		if t.config {
			continue // copyConfig did
		}
		if err := w.open(ctx, d); err != nil {
			return err
		}
		err := d.copyTable(ctx, w.src, w.dst, t)
		switch {
		case err != nil && d.record.leaning[t.oid] == leansToJudge && aboutObject(err) != nil:
			w.close(ctx)
			d.again(t)
			continue
		case d.broken(task{what: "copy table " + t.shown(), table: &t, err: err}):
			w.close(ctx) // it is in the middle of a statement
			continue
		case err != nil:
			return fmt.Errorf("copy table %s: %w", t.shown(), err)
		}
		for _, e := range d.early[t.oid] {
			indexes <- e
		}
	}
}

// wires are a pair of sessions for rows.
type wires struct{ src, dst *wire }

func (w *wires) open(ctx context.Context, d *databaseCopy) (err error) {
	if w.src == nil {
		if w.src, err = d.sourceWire(ctx); err != nil {
			return err
		}
	}
	if w.dst == nil {
		w.dst, err = d.targetWire(ctx)
	}
	return err
}

func (w *wires) close(ctx context.Context) {
	for _, one := range []**wire{&w.src, &w.dst} {
		if *one != nil {
			(*one).close(ctx)
			*one = nil
		}
	}
}

// sourceWire opens a session that sees our snapshot.
func (d *databaseCopy) sourceWire(ctx context.Context) (*wire, error) {
	pg, err := d.job.source.connectRaw(ctx, d.database.name)
	if err != nil {
		return nil, err
	}
	w := &wire{pg: pg}
	if d.dress != nil { // each table has a transaction of its own
		return w, nil
	}
	if err := w.begin(ctx, d.snapshot); err != nil {
		w.close(ctx)
		return nil, classify(sourceSide, err)
	}
	return w, nil
}

func (d *databaseCopy) targetWire(ctx context.Context) (*wire, error) {
	pg, err := d.job.target.connectRaw(ctx, d.there())
	if err != nil {
		return nil, err
	}
	w := &wire{pg: pg}
	if err := w.exec(ctx, "set synchronous_commit = off; set search_path = pg_catalog, "+d.adapted.appPath(d.there())); err != nil {
		w.close(ctx)
		return nil, classify(targetSide, err)
	}
	return w, nil
}

// copyTable copies one table in one transaction on the target, which asks
// before and after whether we still hold the target.
func (d *databaseCopy) copyTable(ctx context.Context, src, dst *wire, t table) error {
	if err := d.guard(ctx); err != nil {
		return err
	}
	empty := "truncate only " + t.object()
	switch {
	case t.config:
		empty = "delete from " + t.object() + " " + t.condition
	case t.root:
		empty = "truncate " + t.object()
	}
	if err := dst.exec(ctx, "begin; "+empty); err != nil {
		return classify(targetSide, discreet(err, aboutRows, nil))
	}
	if d.dress != nil {
		if err := src.begin(ctx, d.snapshot); err != nil {
			return classify(sourceSide, err)
		}
	}
	if t.planned() {
		if err := src.exec(ctx, "set local search_path = "+d.adapted.appPath(d.there())); err != nil {
			return classify(sourceSide, err)
		}
	}
	done := 0
	sum, bytes, err := relayTable(ctx, src, dst, t.copyOut(), t.copyIn(), t.binary, func(n int) { done += n; d.progress.Add(t.shown(), n) })
	if err != nil {
		d.progress.Add(t.shown(), -done)
		return err
	}
	if err := d.readOut(ctx, src, t); err != nil {
		return err
	}
	if err := d.guard(ctx); err != nil {
		return err
	}
	if err := dst.exec(ctx, "commit"); err != nil { // a deferred trigger has its say
		return classify(targetSide, discreet(err, aboutRows, nil))
	}
	d.count(sum.rows, bytes)
	return d.recordDigest(ctx, tableDigest, t.object(), sum)
}

// readOut leaves a session of the source ready for its next table.
func (d *databaseCopy) readOut(ctx context.Context, src *wire, t table) error {
	switch {
	case d.dress != nil:
		return src.leave(ctx, t)
	case t.planned(): // the transaction goes on
		return classify(sourceSide, src.exec(ctx, "set local search_path = "+ownPath))
	}
	return nil
}

// recordDigest keeps the digest of what was read from the source.
func (d *databaseCopy) recordDigest(ctx context.Context, kind, object string, sum digest) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dress != nil { // the record is of copies
		d.dress.digests[[3]string{d.database.name, kind, object}] = sum
		return nil
	}
	_, err := d.hold.conn.Exec(ctx, "insert into dr.digest (database, kind, object, row_count, sum, fence) values ($1, $2, $3, $4, $5, $6)",
		d.database.name, kind, object, sum.rows, sum.String(), d.req.Fence)
	if err != nil {
		return classify(targetSide, fmt.Errorf("record digest of %s: %w", object, err))
	}
	return nil
}

func (d *databaseCopy) count(rows, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.result.Tables++
	d.result.Rows += rows
	d.result.Bytes += bytes
}

// buildIndexes builds indexes as they become possible.
func buildIndexes(ctx context.Context, conn *pgx.Conn, indexes <-chan entry, d *databaseCopy) error {
	if _, err := conn.Exec(ctx, "set synchronous_commit = off; set maintenance_work_mem = '256MB'"); err != nil {
		return classify(targetSide, err)
	}
	for e := range indexes {
		if err := e.restore(ctx, conn, d.adapted); err != nil { // neither kind has an owner of its own
			t := task{what: "create " + e.title(), entry: &e, err: err}
			if !d.broken(t) {
				return t.failure()
			}
		}
	}
	return nil
}
