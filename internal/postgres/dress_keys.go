package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Two rows break a key when the server that keeps it calls them equal: by the
// operators and the collation of the key, not by those that our path or a column
// would give. Words of citext are equal in any case, and NULLs are where a key
// says so.

// collatedAs is the SQL for a collation, nothing for none.
func collatedAs(oid string) string {
	return "coalesce((select format(' collate %I.%I', ln.nspname, l.collname) from pg_collation l join pg_namespace ln on ln.oid = l.collnamespace where l.oid = " + oid + "), '')"
}

// foreignKeys reads what checks a foreign key when it is made: columns are equal by
// its operators, under the collation of the key that they point to.
var foreignKeys = `select o.conrelid, o.confrelid, format('%I', o.conname), format('%I.%I', n.nspname, c.relname), case c.relkind when 'p' then '' else 'only ' end,
	format('%I.%I', pn.nspname, p.relname), case p.relkind when 'p' then '' else 'only ' end,
	(select string_agg(format('f.%I is not null', a.attname), case o.confmatchtype when 'f' then ' or ' else ' and ' end order by u.n)
		from unnest(o.conkey) with ordinality u(k, n) join pg_attribute a on a.attrelid = o.conrelid and a.attnum = u.k),
	(select string_agg(format('p.%I%s operator(%I.%s) f.%I', pa.attname, case when pa.attcollation <> a.attcollation then ` + collatedAs("pa.attcollation") + ` end, qn.nspname, q.oprname, a.attname), ' and ' order by u.n)
		from unnest(o.conkey, o.confkey, o.conpfeqop) with ordinality u(k, pk, op, n) join pg_attribute a on a.attrelid = o.conrelid and a.attnum = u.k
		join pg_attribute pa on pa.attrelid = o.confrelid and pa.attnum = u.pk join pg_operator q on q.oid = u.op join pg_namespace qn on qn.oid = q.oprnamespace)
	from pg_constraint o join pg_class c on c.oid = o.conrelid join pg_namespace n on n.oid = c.relnamespace
	join pg_class p on p.oid = o.confrelid join pg_namespace pn on pn.oid = p.relnamespace where o.contype = 'f' and `

// orphans says which rows have no row that they point to; where tells which
// foreign key.
func (d *databaseCopy) orphans(ctx context.Context, k *keeper, where string, args ...any) error {
	var name, table, only, other, otherOnly, set, same string
	err := d.source.QueryRow(ctx, foreignKeys+where, args...).Scan(&k.tables[0], &k.tables[1], &name, &table, &only, &other, &otherOnly, &set, &same)
	if errors.Is(err, pgx.ErrNoRows) { // only the target has it: nothing says what its rows are held to
		return nil
	}
	if err != nil {
		return fmt.Errorf("read foreign key: %w", err)
	}
	k.kind, k.object = "constraint", name+" on "+table
	k.from = fmt.Sprintf("%s%s f where (%s) and not exists (select from %s%s p where %s)", only, table, set, otherOnly, other, same)
	return nil
}

// uniqueKeys reads the columns of a unique index, and how it orders them: rows
// that it calls equal are peers in that order. undistinct tells whether NULLs are
// equal to it.
func uniqueKeys(undistinct string) string {
	return `select i.indrelid, format('%I', x.relname), format('%I.%I', n.nspname, c.relname), case c.relkind when 'p' then '' else 'only ' end,
	exists (select from pg_depend u where u.classid = 'pg_class'::regclass and u.objid = i.indexrelid and u.refclassid = 'pg_proc'::regclass and u.refobjid >= 16384),
	array(select '(' || pg_get_indexdef(i.indexrelid, g, false) || ')' from generate_series(1, i.indnkeyatts) g order by g),
	array(select ` + collatedAs("i.indcollation[g - 1]") + ` || (select format(' using operator(%I.%s)', qn.nspname, q.oprname) from pg_opclass m
			join pg_amop s on s.amopfamily = m.opcfamily and s.amoplefttype = m.opcintype and s.amoprighttype = m.opcintype and s.amopstrategy = 1
			join pg_operator q on q.oid = s.amopopr join pg_namespace qn on qn.oid = q.oprnamespace where m.oid = i.indclass[g - 1])
		from generate_series(1, i.indnkeyatts) g order by g),
	` + undistinct + `, coalesce(pg_get_expr(i.indpred, i.indrelid), 'true')
	from pg_index i join pg_class x on x.oid = i.indexrelid join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
	where i.indexrelid = $2::oid and $1::oid = 'pg_class'::regclass::oid
		or $1::oid = 'pg_constraint'::regclass::oid and i.indexrelid = (select conindid from pg_constraint where oid = $2::oid)`
}

// twins says which rows a unique index calls equal.
func (d *databaseCopy) twins(ctx context.Context, e entry, k *keeper) error {
	undistinct := "false"
	if d.job.source.version >= 150000 {
		undistinct = "i.indnullsnotdistinct"
	}
	var name, table, only, where string
	var keys, orders []string
	var calls, nulls bool
	err := d.source.QueryRow(ctx, uniqueKeys(undistinct), e.catalog, e.oid).Scan(&k.tables[0], &name, &table, &only, &calls, &keys, &orders, &nulls, &where)
	if err != nil {
		return fmt.Errorf("read unique index %s: %w", e.tag, err)
	}
	k.kind, k.object = "index", name+" on "+table
	if calls { // a user's function: see rowBroken
		return nil
	}
	by := make([]string, len(keys))
	where = "(" + where + ")"
	for i, key := range keys {
		by[i] = key + orders[i]
		if !nulls {
			where += " and " + key + " is not null"
		}
	}
	k.from = fmt.Sprintf("(select *, count(*) over (order by %s range between current row and current row) as circleci_dr_times from %s%s where %s) f where f.circleci_dr_times > 1",
		strings.Join(by, ", "), only, table, where)
	return nil
}
