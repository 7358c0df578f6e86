package postgres

import (
	"context"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
)

// indexJobs is how many indexes are built at a time, beside the rows.
const indexJobs = 2

// databaseCopy is the copy of one database under way.
type databaseCopy struct {
	*copyRun
	database database
	snapshot string
	source   *pgx.Conn // holds the snapshot
	target   *pgx.Conn
	record   *recordedDatabase
	entries  []entry
	// early are the indexes and constraints of each table that can be made
	// as soon as its rows are there.
	early map[uint32][]entry
	made  map[[2]uint32]bool // what is made before its turn, by entry.key
	left  []task             // what could not be made before the rows
	retry []table            // those whose turn has to come again, see leaning
	mu    sync.Mutex         // guards the holder's session and result
}

// there is the database's name on the target.
func (d *databaseCopy) there() string { return d.adapted.there(d.database.name) }

// copyDatabase copies one database under one snapshot.
func (c *copyRun) copyDatabase(ctx context.Context, d database) error {
	if err := c.createDatabase(ctx, d); err != nil {
		return err
	}
	return c.source.with(ctx, d.name, func(source *pgx.Conn) error {
		return c.target.with(ctx, c.adapted.there(d.name), func(target *pgx.Conn) error {
			dc := &databaseCopy{copyRun: c, database: d, source: source, target: target, made: map[[2]uint32]bool{}}
			switch {
			case c.dress != nil:
				return c.dress.perform(ctx, dc)
			case c.adapted.rehearses():
				return dc.rehearse(ctx)
			}
			return dc.run(ctx)
		})
	})
}

func (d *databaseCopy) run(ctx context.Context) error {
	if err := d.makeSchema(ctx); err != nil {
		return err
	}
	d.sortEarly()
	for _, step := range []func(context.Context) error{
		d.copyTables, d.copyObjects, d.copySequences, d.restorePost, d.restoreComments, d.syncPrivileges, d.restoreEventTriggers,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	d.analyze()
	return nil
}

// makeSchema makes what has to be there before the rows.
func (d *databaseCopy) makeSchema(ctx context.Context) error {
	if _, err := d.target.Exec(ctx, "set synchronous_commit = off; set client_min_messages = warning"); err != nil {
		return classify(targetSide, err)
	}
	if err := d.prepare(ctx); err != nil {
		return err
	}
	d.progress.Enter("schema", d.database.name, 0)
	var err error
	if d.entries, err = dumpSchema(ctx, d.job.source, d.dump, d.database, exported{d.snapshot, addressOf(d.source)}); err != nil {
		return fail(sourceSide, codeOfError(err), err)
	}
	plainSequences(d.entries, d.job.target.version)
	keepColumnOrder(d.entries, d.record.joined)
	if err := d.setPublic(ctx); err != nil {
		return err
	}
	d.left, err = d.restorePre(ctx)
	return err
}

// prepare opens the snapshot that everything of this database is read from, and
// records what is to be known of it.
func (d *databaseCopy) prepare(ctx context.Context) error {
	if _, err := d.source.Exec(ctx, "begin isolation level repeatable read read only"); err != nil {
		return classify(sourceSide, fmt.Errorf("begin snapshot: %w", err))
	}
	if err := d.source.QueryRow(ctx, "select pg_export_snapshot()").Scan(&d.snapshot); err != nil {
		return classify(sourceSide, fmt.Errorf("export snapshot: %w", err))
	}
	var err error
	d.record, err = d.from().record(ctx, d.sourceSide(d.source), d.database)
	return classify(sourceSide, err)
}

// sortEarly finds, by OID, which entries are indexes and unique constraints of
// the tables we copy.
func (d *databaseCopy) sortEarly() {
	copied := map[uint32]bool{}
	for _, t := range d.record.tables {
		copied[t.oid] = !t.config
	}
	d.early = map[uint32][]entry{}
	for _, e := range d.entries {
		rel := d.record.indexes[e.key()]
		if (e.desc == "INDEX" || e.desc == "CONSTRAINT") && copied[rel] && !d.made[e.key()] {
			d.early[rel] = append(d.early[rel], e)
			d.made[e.key()] = true
		}
	}
}

// indexTables lists the tables of indexes and unique constraints. An index whose
// expression calls a user's function may read other tables, and is not among them.
const indexTables = `select 'pg_class'::regclass::oid, indexrelid, indrelid from pg_index i
	where not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = i.indexrelid
		and d.refclassid = 'pg_proc'::regclass and d.refobjid >= 16384)
	union all select 'pg_constraint'::regclass::oid, oid, conrelid from pg_constraint o where contype in ('p', 'u') or contype = 'x'
		and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = o.conindid
		and d.refclassid = 'pg_proc'::regclass and d.refobjid >= 16384)`

func (r *recordedDatabase) readIndexes(rows pgx.Rows) error {
	r.indexes = map[[2]uint32]uint32{}
	var catalog, oid, rel uint32
	_, err := pgx.ForEachRow(rows, []any{&catalog, &oid, &rel}, func() error {
		r.indexes[[2]uint32{catalog, oid}] = rel
		return nil
	})
	return err
}

func (d *databaseCopy) guard(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.hold.guard(ctx)
}
