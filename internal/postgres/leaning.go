package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// A check, a domain or a generated column may call a function that looks at
// another table, which has to be there first. No catalog says which: pg_dump
// loads tables by name and fails where that is the wrong order. Such tables come
// last, and again after the others while that helps.

// leaningTables are the tables whose rows a user's function judges or computes,
// by itself or behind an operator.
const leaningTables = `
with called(classid, objid) as (
	select classid, objid from pg_depend where refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass) and refobjid >= 16384
)
select o.conrelid from pg_constraint o join called c on c.classid = 'pg_constraint'::regclass and c.objid = o.oid where o.contype = 'c' and o.conrelid <> 0
union select a.attrelid from pg_constraint o join called c on c.classid = 'pg_constraint'::regclass and c.objid = o.oid join pg_attribute a on a.atttypid = o.contypid where o.contypid <> 0
union select f.adrelid from pg_attrdef f join called c on c.classid = 'pg_attrdef'::regclass and c.objid = f.oid
	join pg_attribute a on a.attrelid = f.adrelid and a.attnum = f.adnum and a.attgenerated <> ''`

// sortLeaning finds the tables that lean on others and puts them behind these.
func (d *databaseCopy) sortLeaning(ctx context.Context) error {
	rows, err := d.source.Query(ctx, leaningTables)
	if err != nil {
		return fmt.Errorf("look for tables that lean on others: %w", err)
	}
	d.leaning = map[uint32]bool{}
	var oid uint32
	if _, err := pgx.ForEachRow(rows, []any{&oid}, func() error { d.leaning[oid] = true; return nil }); err != nil {
		return fmt.Errorf("look for tables that lean on others: %w", err)
	}
	slices.SortStableFunc(d.tables, func(a, b table) int {
		switch {
		case d.leaning[a.oid] == d.leaning[b.oid]:
			return 0
		case d.leaning[b.oid]:
			return -1
		}
		return 1
	})
	return nil
}

// again puts a table on the list of those whose turn has to come again.
func (d *databaseCopy) again(t table) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.retry = append(d.retry, t)
}

// copyLeaning copies the tables whose turn came too early.
func (d *databaseCopy) copyLeaning(ctx context.Context, indexes chan<- entry) error {
	var tasks []task
	for _, t := range d.retry {
		tasks = append(tasks, task{what: "copy table " + t.shown(), do: func(ctx context.Context) error {
			var w wires
			defer func() { w.close(ctx) }()
			if err := w.open(ctx, d); err != nil {
				return err
			}
			if err := d.copyTable(ctx, w.src, w.dst, t); err != nil {
				return err
			}
			for _, e := range d.early[t.oid] {
				indexes <- e
			}
			return nil
		}})
	}
	return d.mustDo(ctx, tasks)
}
