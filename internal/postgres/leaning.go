package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// A check, a domain or a generated column may call a function that looks at
// another table, which has to be there first. No catalog says which: pg_dump
// loads tables by name and fails where that is the wrong order. Such tables come
// last, and again after the others while that helps.

// leaning is how a table leans on others.
type leaning int

const (
	leansToJudge leaning = iota + 1
	leansToCompute
)

// leaningTables are the tables whose rows a user's function judges or computes, by
// itself or behind an operator.
const leaningTables = `
with called(classid, objid, objsubid) as (
	select classid, objid, objsubid from pg_depend where refclassid in ('pg_proc'::regclass, 'pg_operator'::regclass) and refobjid >= 16384
), made(attrelid, attnum, def) as ( -- up to PostgreSQL 14 the column depends, then its expression
	select a.attrelid, a.attnum, f.oid from pg_attribute a join pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum where a.attgenerated <> ''
)
select o.conrelid, false from pg_constraint o join called c on c.classid = 'pg_constraint'::regclass and c.objid = o.oid where o.contype = 'c' and o.conrelid <> 0
union select a.attrelid, false from pg_constraint o join called c on c.classid = 'pg_constraint'::regclass and c.objid = o.oid join pg_attribute a on a.atttypid = o.contypid where o.contypid <> 0
union select m.attrelid, true from made m join called c on c.classid = 'pg_attrdef'::regclass and c.objid = m.def or c.classid = 'pg_class'::regclass and c.objid = m.attrelid and c.objsubid = m.attnum
order by 2`

// readLeaning reads the tables that lean on others.
func (r *recordedDatabase) readLeaning(rows pgx.Rows) error {
	r.leaning = map[uint32]leaning{}
	var oid uint32
	var computed bool
	_, err := pgx.ForEachRow(rows, []any{&oid, &computed}, func() error {
		r.leaning[oid] = leansToJudge
		if computed {
			r.leaning[oid] = leansToCompute
		}
		return nil
	})
	return err
}

// byLeaning gives the tables that lean on no other, those whose rows a function
// judges, and those whose rows one computes.
func (d *databaseCopy) byLeaning() (plain, judged, computed []table) {
	for _, t := range d.record.tables {
		switch d.record.leaning[t.oid] {
		case leansToJudge:
			judged = append(judged, t)
		case leansToCompute:
			computed = append(computed, t)
		default:
			plain = append(plain, t)
		}
	}
	return plain, judged, computed
}

// again puts a table on the list of those whose turn has to come again.
func (d *databaseCopy) again(t table) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.retry = append(d.retry, t)
}

// copyRows copies all tables: what leans on nothing first, then what is judged,
// again while that helps, and what is computed last and one by one, because a
// value that was computed too early is wrong without an error.
func (d *databaseCopy) copyRows(ctx context.Context, streams int, indexes chan<- entry) error {
	plain, judged, computed := d.byLeaning()
	for _, tables := range [][]table{plain, judged} {
		if err := d.readAll(ctx, tables, streams, indexes); err != nil {
			return err
		}
	}
	for _, tables := range [][]table{d.retry, computed} {
		if err := d.mustDo(ctx, d.copyTasks(tables, indexes)); err != nil {
			return err
		}
	}
	return nil
}

// copyTasks are the tasks that copy tables, each in sessions of its own: one that
// failed leaves its sessions in the middle of a statement.
func (d *databaseCopy) copyTasks(tables []table, indexes chan<- entry) []task {
	var tasks []task
	for _, t := range tables {
		if t.config {
			continue // copyConfig did
		}
		tasks = append(tasks, task{what: "copy table " + t.shown(), table: &t, do: func(ctx context.Context) error {
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
	return tasks
}
