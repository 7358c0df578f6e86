package postgres

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// joinedLater is true of a child that has everything it inherits of its own too.
const joinedLater = `not exists (select from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and not a.attislocal)
	and not exists (select from pg_constraint o where o.conrelid = c.oid and o.contype = 'c' and not o.conislocal)`

// joined is a table that became a child of others by ALTER TABLE … INHERIT.
type joined struct {
	parents   []string
	notNull   []string // columns, quoted as the server quotes them
	generated []string
	as        []string // what the generated ones are computed from
}

// clause is what pg_dump says of the parents.
func (j *joined) clause() string { return "\nINHERITS (" + strings.Join(j.parents, ", ") + ")" }

// sql makes the table without its parents and joins it to them. What the columns
// would have from them pg_dump leaves out, and a table may only join with it: that
// they are not null, and from what they are computed.
func (j *joined) sql(dumped, table string) string {
	sql := strings.Replace(dumped, j.clause(), "", 1)
	for i, column := range j.generated {
		sql = generate(sql, column, j.as[i])
	}
	for _, column := range j.notNull {
		sql += fmt.Sprintf("\nalter table only %s alter column %s set not null;", table, column)
	}
	for _, parent := range j.parents {
		sql += fmt.Sprintf("\nalter table only %s inherit %s;", table, parent)
	}
	return sql
}

// generate gives a column of a CREATE TABLE that pg_dump wrote, one column a
// line, what it is computed from, unless it stands there.
func generate(sql, column, as string) string {
	start := strings.Index(sql, "\n    "+column+" ")
	if start < 0 {
		return sql
	}
	length := strings.Index(sql[start+1:], "\n")
	if length < 0 || strings.Contains(sql[start:start+1+length], " GENERATED ALWAYS AS ") {
		return sql
	}
	line, more := strings.CutSuffix(sql[start:start+1+length], ",")
	line += " GENERATED ALWAYS AS (" + as + ") STORED"
	if more {
		line += ","
	}
	return sql[:start] + line + sql[start+1+length:]
}

// joinedChildren lists the tables that became children of others by ALTER TABLE …
// INHERIT.
var joinedChildren = func() string {
	const columns = "from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
	return `select c.oid, array_agg(format('%I.%I', pn.nspname, p.relname) order by i.inhseqno),
			array(select quote_ident(a.attname) ` + columns + ` and a.attnotnull order by a.attnum),
			array(select quote_ident(a.attname) ` + columns + ` and a.attgenerated = 's' order by a.attnum),
			array(select pg_get_expr(d.adbin, d.adrelid) ` + columns + ` and a.attgenerated = 's' order by a.attnum)
		from ` + relation("'r'") + ` join pg_inherits i on i.inhrelid = c.oid join pg_class p on p.oid = i.inhparent
		join pg_namespace pn on pn.oid = p.relnamespace
		where not c.relispartition and ` + joinedLater + ` group by c.oid`
}()

func (r *recordedDatabase) readJoined(rows pgx.Rows) error {
	r.joined = map[uint32]*joined{}
	var oid uint32
	var j joined
	_, err := pgx.ForEachRow(rows, []any{&oid, &j.parents, &j.notNull, &j.generated, &j.as}, func() error {
		child := j
		r.joined[oid] = &child
		j = joined{} // the next one's lists must not be written over these
		return nil
	})
	return err
}

// keepColumnOrder marks the tables that became children of others later. pg_dump
// writes them with INHERITS, which puts the parents' columns first; made without
// and joined later, they keep their order.
func keepColumnOrder(entries []entry, children map[uint32]*joined) {
	for i, e := range entries {
		if child := children[e.oid]; child != nil && e.desc == "TABLE" && strings.Contains(e.sql, child.clause()) {
			entries[i].joined = child
		}
	}
}

// plainSequences takes a word out of the sequences of identity columns that
// servers before 15 do not know: a newer pg_dump writes it where the table is
// unlogged, since those servers log the sequence all the same.
func plainSequences(entries []entry, target int) {
	if target >= 150000 {
		return
	}
	for i, e := range entries {
		if e.desc == "SEQUENCE" {
			entries[i].sql = strings.Replace(e.sql, "\n    LOGGED\n    START WITH ", "\n    START WITH ", 1)
		}
	}
}
