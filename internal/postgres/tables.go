package postgres

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// table is something whose rows are copied and digested: a table, a leaf
// partition, or the part of an extension's configuration table that pg_dump
// would save too.
type table struct {
	oid     uint32
	schema  string
	name    string
	bytes   int64
	columns []string
	// stored are the generated columns that are kept, which no COPY writes.
	stored []string
	// whole has them read too, for the proof.
	whole bool
	// binary tells that COPY's binary format gives the same bytes on both
	// sides for every column.
	binary bool
	// forcedRLS hides rows even from the owner; only the target's proof
	// meets it, as policies arrive after the rows.
	forcedRLS bool
	// readable is false where even the owner has no right to read.
	readable bool
	// root marks a partitioned table that is read as a whole.
	root bool
	// config marks an extension's configuration table, condition the rows
	// of it that belong to the user.
	config    bool
	condition string
	// depth orders configuration tables by their foreign keys, which are
	// there before the rows are.
	depth int
}

// object is the table's name as proofs and records spell it.
func (t table) object() string { return ident(t.schema, t.name) }

// shown is the table's name for people: quoted only where it has to be.
func (t table) shown() string { return shownName(t.schema) + "." + shownName(t.name) }

var plainName = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

func shownName(name string) string {
	if plainName.MatchString(name) {
		return name
	}
	return ident(name)
}

func (t table) columnList() string {
	if len(t.columns) == 0 {
		return ""
	}
	quoted := make([]string, len(t.columns))
	for i, c := range t.columns {
		quoted[i] = ident(c)
	}
	return "(" + strings.Join(quoted, ", ") + ")"
}

func (t table) format() string {
	if t.binary {
		return "binary"
	}
	return "text"
}

// planned tells that the rows are read by a query. To plan one a server looks at
// the table's indexes, whose functions may lean on the application's path.
func (t table) planned() bool { return t.root || t.whole || t.config && t.condition != "" }

// copyOut is the statement that reads the rows. COPY of a table reads only
// that table, as ONLY does.
func (t table) copyOut() string {
	from := t.object() + " " + t.columnList()
	if t.planned() {
		only := ""
		if t.whole && !t.root {
			only = "only "
		}
		list := strings.TrimSuffix(strings.TrimPrefix(t.columnList(), "("), ")")
		from = fmt.Sprintf("(select %s from %s%s %s)", list, only, t.object(), t.condition)
	}
	return fmt.Sprintf("copy %s to stdout (format %s)", from, t.format())
}

// withStored is the table with its stored generated columns, to be read only. Of
// their types nobody asked whether a binary form is the same everywhere.
func (t table) withStored() table {
	t.columns, t.binary, t.whole = slices.Concat(t.columns, t.stored), false, true
	return t
}

// copyIn is the statement that writes them. FREEZE spares the target a
// second write of every page, and is allowed because the same transaction
// truncated the table.
func (t table) copyIn() string {
	freeze := ", freeze"
	if t.config || t.root {
		freeze = ""
	}
	return fmt.Sprintf("copy %s %s from stdin (format %s%s)", t.object(), t.columnList(), t.format(), freeze)
}

// binarySafe are the built-in types whose binary form holds nothing but the
// value: no OID of a user's type, no name that depends on search_path.
// Arrays and enums of these are safe too; everything else travels as text.
const binarySafe = `{bool,bytea,char,name,int8,int2,int4,text,oid,json,point,lseg,path,box,polygon,line,
float4,float8,circle,money,macaddr,macaddr8,inet,cidr,bpchar,varchar,date,time,timestamp,timestamptz,interval,timetz,
bit,varbit,numeric,uuid,pg_lsn,jsonb,int4range,numrange,tsrange,tstzrange,daterange,int8range}`

// userSchemas is the condition on pg_namespace n that leaves out the server's
// own schemas.
const userSchemas = `n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`

// notOfExtension leaves out members of extensions, which CREATE EXTENSION
// makes, and functions and casts that CREATE TYPE makes for a range. It takes
// the catalog and the expression of the object's OID.
func notOfExtension(catalog, oid string) string {
	kinds := "'e'"
	if catalog == "pg_proc" || catalog == "pg_cast" {
		kinds = "'e', 'i'"
	}
	return fmt.Sprintf(`not exists (select from pg_depend x where x.classid = '%s'::regclass and x.objid = %s and x.deptype in (%s))`,
		catalog, oid, kinds)
}

// tablesQuery lists what listTables returns.
//
// An enum's hash is made from OIDs that differ between servers, so a row of a
// table hash-partitioned by an enum belongs to another partition there; such
// a table is read and written through its root. So is one partitioned by an
// expression or by any other type of a user's, which may hold an enum.
// pg_partition_tree is not asked: it locks partitions until the transaction ends.
var tablesQuery = `
with recursive config as (
	select unnest(extconfig) as oid, unnest(extcondition) as condition from pg_extension
), fk as (
	select distinct conrelid, confrelid from pg_constraint where contype = 'f' and conrelid <> confrelid
), depth(oid, n) as (
	select oid, 0 from config union select fk.conrelid, n + 1 from depth join fk on fk.confrelid = depth.oid where n < 50
), unstable as (
	select p.partrelid as oid from pg_partitioned_table p where p.partstrat = 'h' and exists (
		select from unnest(p.partattrs::int2[]) k left join pg_attribute a on a.attrelid = p.partrelid and a.attnum = k
		where k = 0 or a.atttypid >= 16384)
), under(oid) as (
	select inhrelid from pg_inherits where inhparent in (select oid from unstable)
	union select i.inhrelid from under join pg_inherits i on i.inhparent = under.oid
)
select c.oid, n.nspname, c.relname,
	case c.relkind when 'p' then (with recursive part(oid) as (select c.oid union select i.inhrelid from part join pg_inherits i on i.inhparent = part.oid)
		select coalesce(sum(pg_table_size(oid)), 0)::bigint from part) else pg_table_size(c.oid) end as bytes,
	c.relforcerowsecurity and c.relrowsecurity, has_table_privilege(c.oid, 'select'), c.relkind = 'p',
	g.oid is not null, coalesce(g.condition, ''), coalesce((select max(n) from depth where depth.oid = c.oid), 0),
	coalesce(a.names, '{}'), coalesce(a.stored, '{}'), coalesce(a.safe, false)
from pg_class c
join pg_namespace n on n.oid = c.relnamespace
left join config g on g.oid = c.oid
left join lateral (
	select array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = '') as names, bool_and(b.safe) filter (where a.attgenerated = '') as safe,
		array_agg(a.attname::text order by a.attnum) filter (where a.attgenerated = 's') as stored
	from pg_attribute a
	left join lateral (
		with recursive d(t) as (
			select a.atttypid union all select y.typbasetype from d join pg_type y on y.oid = d.t where y.typtype = 'd')
		select y.typtype = 'e'
			or y.oid < 10000 and y.typname = any($1::name[])
			or exists (select from pg_type e where e.oid = y.typelem and y.typcategory = 'A' and e.oid < 10000 and e.typname = any($1::name[])) as safe
		from d join pg_type y on y.oid = d.t where y.typtype <> 'd' limit 1
	) b on true
	where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
) a on true
where (c.relkind = 'r' or c.oid in (select oid from unstable)) and c.oid not in (select oid from under)
	and ` + userSchemas + ` and (g.oid is not null or ` + notOfExtension("pg_class", "c.oid") + `)
order by bytes desc, n.nspname collate "C", c.relname collate "C"`

// listTables reads the tables of the database conn is on, biggest first.
func listTables(ctx context.Context, conn *pgx.Conn) ([]table, error) {
	rows, err := conn.Query(ctx, tablesQuery, binarySafe)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	tables, err := pgx.CollectRows(rows, scanTable)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return tables, nil
}

func scanTable(row pgx.CollectableRow) (t table, err error) {
	err = row.Scan(&t.oid, &t.schema, &t.name, &t.bytes, &t.forcedRLS, &t.readable, &t.root, &t.config, &t.condition, &t.depth,
		&t.columns, &t.stored, &t.binary)
	return t, err
}
