package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A dress rehearsal is a rehearsal with the rows: the whole copy, with the
// application up. All of a database is read as one exported snapshot shows it,
// catalogs too, so that it can be compared although the application writes on. One
// session holds the snapshot and no lock of a table; the others read a table each
// in a transaction of its own. Only what no snapshot shows is left out: where
// sequences stand.

// dress is what a rehearsal with rows keeps.
type dress struct {
	*rehearsal
	// digests are those of the rows that were read, by database, kind and object.
	digests map[[3]string]digest
	// comparing is how long comparing took.
	comparing time.Duration

	// partly are the databases that were not compared, because rows kept something
	// from being made.
	partly []string

	mu     sync.Mutex
	breaks []breach
}

// perform carries one database, compares it, and lets its snapshot go.
func (p *dress) perform(ctx context.Context, d *databaseCopy) error {
	p.breaks = nil
	if err := d.rehearse(ctx); err != nil {
		var known *mover.Error
		if errors.As(err, &known) && known.Side == targetSide {
			return err
		}
		return d.unlessChanged(ctx, err)
	}
	p.proof.within[d.database.name] = true
	if len(p.breaks) > 0 {
		p.partly = append(p.partly, "database "+d.database.name+" was not compared, because not everything in it could be made")
		return d.unlessChanged(ctx, p.nameBreaches(ctx, d))
	}
	d.analyze()
	began := time.Now()
	defer func() { p.comparing += time.Since(began) }()
	var err error
	if p.facts.target, err = p.target.facts(ctx); err != nil {
		return err
	}
	known := p.proof.Named()
	if err := p.proof.compareInside(ctx, d.database, d.snapshot); err != nil {
		return d.unlessChanged(ctx, fmt.Errorf("compare database %q: %w", d.database.name, err))
	}
	if p.proof.Named() > known {
		return d.unlessChanged(ctx, nil)
	}
	return nil
}

// dressSteps are those of a copy but for sequences.
func (d *databaseCopy) dressSteps() []func(context.Context) error {
	return []func(context.Context) error{d.makeSchema, func(context.Context) error { d.sortEarly(); return nil }, d.copyTables, d.copyObjects, d.restorePost, d.restoreComments, d.syncPrivileges, d.restoreEventTriggers}
}

// changedError says that what a snapshot shows of the schema is not there any
// more, so that what was found rests on nothing.
type changedError struct{ what string }

func (e *changedError) Error() string { return e.what + " while it was rehearsed" }

// unlessChanged gives an error, unless the source's schema is another than the
// snapshot shows: what is spelled out by the server, or locked, is as it is now.
func (d *databaseCopy) unlessChanged(ctx context.Context, cause error) error {
	if ctx.Err() != nil || errors.As(cause, new(*changedError)) {
		return cause
	}
	var then, now string
	if err := d.source.QueryRow(ctx, catalogPrint).Scan(&then); err != nil {
		return errors.Join(cause, classify(sourceSide, fmt.Errorf("look whether the schema was changed: %w", err)))
	}
	err := d.job.source.with(ctx, d.database.name, func(conn *pgx.Conn) error { return conn.QueryRow(ctx, catalogPrint).Scan(&now) })
	switch {
	case err != nil:
		return errors.Join(cause, fmt.Errorf("look whether the schema was changed: %w", err))
	case then != now:
		return &changedError{what: fmt.Sprintf("the schema of database %s was changed", d.database.name)}
	}
	return cause
}

// leave ends a worker's transaction on a table. TRUNCATE, and an ALTER TABLE that
// writes the table anew, show an older snapshot an empty one, without an error; by
// the file that it is in now they are known. What was read is nothing then.
func (w *wire) leave(ctx context.Context, t table) error {
	results, err := w.pg.Exec(ctx, fmt.Sprintf(`select from pg_class c where (c.oid = %d or c.oid in (select relid from pg_partition_tree(%d)))
		and c.relfilenode <> 0 and pg_relation_filenode(c.oid) is distinct from c.relfilenode; commit`, t.oid, t.oid)).ReadAll()
	switch {
	case err != nil:
		return classify(sourceSide, fmt.Errorf("look whether table %s is still the one of the snapshot: %w", t.shown(), err))
	case len(results[0].Rows) > 0:
		return &changedError{what: fmt.Sprintf("table %s was emptied or written anew", t.shown())}
	}
	return nil
}

// tellData adds to the report what the move's copy and proof will have to do,
// and how long it took. Of a rehearsal that found something it would say too little.
func (p *dress) tellData(copying time.Duration) {
	if p.proof.Named() > 0 {
		return
	}
	c := p.result
	p.report.Data = &mover.RehearsedData{Tables: c.Tables, Rows: c.Rows, Bytes: c.Bytes, Objects: c.Objects, Copy: copying, Compare: p.comparing}
}

// diskFull is the SQLSTATE of a server without room.
const diskFull = "53100"

// fullError makes an error of the target the limit that was met where its disk is
// full: there is no use in going on.
func fullError(err error) error {
	var pg *pgconn.PgError
	var known *mover.Error
	if !errors.As(err, &pg) || pg.Code != diskFull || !errors.As(err, &known) || known.Side != targetSide {
		return err
	}
	return &limitError{limit: mover.LimitTargetDisk, what: "there is no room left: " + err.Error(), fix: biggerDisk}
}
