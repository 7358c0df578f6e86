package postgres

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/jackc/pgx/v5"
)

// reasons are why an object is listed, by the query's word.
var reasons = map[string]string{
	"":             "a move does not carry it",
	"superuser":    "only a superuser can create it on the target",
	"no right":     "the role we log in with may not read it, and is no superuser",
	"by hand":      "somebody made it a member of the extension, and CREATE EXTENSION does not make it: alter extension … drop table …, and it is carried",
	"not valid":    "a build of it failed; build it again or drop it",
	"column order": "columns of its parents stand behind its own, and a table made anew has them in front",
	"few sessions": "its connection limit is less than the sessions a move opens, and binds a role that is no superuser",
	"locked":       "nobody but a superuser may connect to it and create in it, and so nobody on the target: grant connect and create to its owner",
	"prepared":     "it can commit at any time, fence or not: commit it or roll it back",
	"before 14":    "PostgreSQL 14 and newer cannot create it",
	"detaching":    "it is being detached from its parent: finish that with alter table … detach partition … finalize",
	"stale":        "rows hold other values than its expression gives now, and a copy computes them anew: update those rows (set any column to itself), or put the old function back",
	"row security": "row level security hides rows from the role we log in with, which is no superuser",
}

// retyped are the functions that take other pseudo-types since PostgreSQL 14.
const retyped = `'{"array_append(anyarray,anyelement)","array_cat(anyarray,anyarray)","array_prepend(anyelement,anyarray)","array_remove(anyarray,anyelement)",
	"array_replace(anyarray,anyelement,anyelement)","array_position(anyarray,anyelement)","array_position(anyarray,anyelement,integer)",
	"array_positions(anyarray,anyelement)","width_bucket(anyelement,anyarray)"}'::text[]`

// byHand lists the tables that ALTER EXTENSION … ADD made members, in another
// transaction than made the table: the rows of pg_depend for its schema and for
// its extension tell. Moving a whole extension to another schema changes the
// first and the extension's own. What somebody did at once cannot be told from
// an extension's script; leftTables names it.
const byHand = `select 'table ' || c.oid::regclass || ' of extension ' || quote_ident(e.extname), 'by hand'
	from ` + memberTables + ` join pg_depend n on n.classid = 'pg_class'::regclass and n.objid = c.oid and n.refclassid = 'pg_namespace'::regclass
	where ` + addedLater

const addedLater = `n.xmin <> d.xmin and not exists (select from pg_depend x where x.classid = 'pg_extension'::regclass and x.objid = e.oid and x.refclassid = 'pg_namespace'::regclass and x.xmin = n.xmin)`

// memberTables are the tables c of extensions e that are not of their
// configuration, whose rows a move carries.
const memberTables = `pg_class c join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
	join pg_extension e on e.oid = d.refobjid and c.relkind in ('r', 'p', 'm') and not coalesce(c.oid = any(e.extconfig), false)`

// unsupportedQuery lists objects no move carries, only a superuser can make, or
// we cannot read whole. It reports facts; blocked judges them against a target.
var unsupportedQuery = `
select 'event trigger ' || quote_ident(evtname), 'superuser' from pg_event_trigger o where not exists (select from pg_depend x where x.classid = 'pg_event_trigger'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'publication ' || quote_ident(pubname) || ' for all tables', 'superuser' from pg_publication where puballtables
union all select 'subscription ' || quote_ident(subname), '' from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())
union all select 'foreign data wrapper ' || quote_ident(fdwname), 'superuser' from pg_foreign_data_wrapper o where not exists (select from pg_depend x where x.classid = 'pg_foreign_data_wrapper'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'user mapping for server ' || quote_ident(srvname), '' from pg_user_mappings
union all select 'security label ' || l.provider || ' on ' || o.identity, '' from pg_seclabel l cross join lateral pg_identify_object(l.classoid, l.objoid, l.objsubid) o
union all select 'language ' || quote_ident(lanname), 'superuser' from pg_language o where not lanpltrusted and oid >= 16384 and not exists (select from pg_depend x where x.classid = 'pg_language'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'function ' || o.oid::regprocedure || ' in language ' || l.lanname, 'superuser' from pg_proc o join pg_language l on l.oid = o.prolang and not l.lanpltrusted
	where o.oid >= 16384 and o.prokind <> 'a' and not exists (select from pg_depend x where x.classid = 'pg_proc'::regclass and x.objid = o.oid and x.deptype in ('e', 'i'))
union all select 'leakproof function ' || o.oid::regprocedure, 'superuser' from pg_proc o join pg_language l on l.oid = o.prolang and l.lanpltrusted
	where o.oid >= 16384 and o.proleakproof and not exists (select from pg_depend x where x.classid = 'pg_proc'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'function ' || o.oid::regprocedure || ' with a setting of ' || split_part(c.item, '=', 1), 'superuser'
	from pg_proc o cross join unnest(o.proconfig) c(item) left join pg_settings g on lower(g.name) = lower(split_part(c.item, '=', 1))
	where o.oid >= 16384 and (g.name is null or g.context in ('superuser', 'superuser-backend'))
	and not exists (select from pg_depend x where x.classid = 'pg_proc'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'base type ' || format_type(o.oid, null), 'superuser' from pg_type o where o.oid >= 16384 and o.typtype = 'b' and not exists (select from pg_type y where y.typarray = o.oid)
	and not exists (select from pg_depend x where x.classid = 'pg_type'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'postfix operator ' || o.oid::regoperator, 'before 14' from pg_operator o where o.oid >= 16384 and o.oprkind = 'r' and not exists (select from pg_depend x where x.classid = 'pg_operator'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'operator ' || o.oid::regoperator, 'before 14' from pg_operator o where o.oid >= 16384 and o.oprcode::regprocedure::text = any(` + retyped + `) and o.oprleft in ('anyarray'::regtype, 'anyelement'::regtype)
union all select 'aggregate ' || a.aggfnoid::regprocedure, 'before 14' from pg_aggregate a where a.aggfnoid::oid >= 16384 and a.aggtranstype in ('anyarray'::regtype, 'anyelement'::regtype)
	and (a.aggtransfn::regprocedure::text = any(` + retyped + `) or a.aggfinalfn::regprocedure::text = any(` + retyped + `))
union all select 'operator class ' || quote_ident(opcname), 'superuser' from pg_opclass o where o.oid >= 16384 and not exists (select from pg_depend x where x.classid = 'pg_opclass'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'operator family ' || quote_ident(opfname), 'superuser' from pg_opfamily o where o.oid >= 16384 and not exists (select from pg_depend x where x.classid = 'pg_opfamily'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select distinct 'disabled foreign key triggers of ' || quote_ident(c.conname) || ' on ' || t.tgrelid::regclass, '' from pg_trigger t join pg_constraint c on c.oid = t.tgconstraint and c.contype = 'f' where t.tgisinternal and t.tgenabled <> 'O'
union all ` + byHand + `
union all select 'database ' || quote_ident(datname), 'few sessions' from pg_database where datname = current_database() and datconnlimit between 0 and 5
union all select 'database ' || quote_ident(datname), 'locked' from pg_database d where datname = current_database() and exists (
	select from unnest(array['CONNECT', 'CREATE']) p where not exists ( -- the target's admin role becomes a member of every role but the server's own
		select from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a where a.privilege_type = p and (a.grantee = 0 or pg_get_userbyid(a.grantee) !~ '^pg_')))
union all select 'prepared transaction ' || quote_literal(gid), 'prepared' from pg_prepared_xacts where database = current_database() and prepared < now() - interval '1 minute'
union all select 'index ' || i.indexrelid::regclass, 'not valid' from pg_index i join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace
	where ` + userSchemas + ` and not (i.indisready and (i.indisvalid or c.relkind = 'p')) -- pg_dump leaves the same ones out
union all select 'table ' || c.oid::regclass, 'column order' from pg_class c
	where c.relkind in ('r', 'f') and not c.relispartition and exists (select from pg_inherits i where i.inhrelid = c.oid) and not (` + joinedLater + `)
	and (select array_agg(a.attname order by a.attnum) from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
		<> (select array_agg(a.attname order by f.inhseqno, f.attnum, a.attnum) from pg_attribute a
			left join lateral (select i.inhseqno, b.attnum from pg_inherits i join pg_attribute b on b.attrelid = i.inhparent and b.attname = a.attname
				where i.inhrelid = c.oid order by 1 limit 1) f on true
			where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped)
union all select 'table ' || c.oid::regclass, case when has_table_privilege(c.oid, 'select') then 'row security' else 'no right' end
	from pg_class c join pg_roles me on me.rolname = current_user
	where c.relkind in ('r', 'p') and c.oid >= 16384 and not me.rolsuper
	and not exists (select from pg_depend x join pg_extension e on e.oid = x.refobjid where x.classid = 'pg_class'::regclass and x.objid = c.oid
		and x.deptype = 'e' and not coalesce(c.oid = any(e.extconfig), false)) -- an extension's own rows are not carried
	and (not has_table_privilege(c.oid, 'select')
	or not me.rolbypassrls and c.relrowsecurity and (c.relforcerowsecurity or not pg_has_role(c.relowner, 'usage')))
`

// schemasPublished are publications of whole schemas, from PostgreSQL 15 on.
const schemasPublished = `union all select distinct 'publication ' || quote_ident(p.pubname) || ' for tables in a schema', 'superuser'
	from pg_publication_namespace s join pg_publication p on p.oid = s.pnpubid
`

// unsupportedIn lists what of one database may not be carried.
func (s *server) unsupportedIn(ctx context.Context, conn *pgx.Conn, name string) ([]reconcile.UnsupportedObject, error) {
	query := unsupportedQuery
	if s.version >= 150000 {
		query += schemasPublished
	}
	if s.version >= 140000 {
		query += "union all select 'partition ' || inhrelid::regclass, 'detaching' from pg_inherits where inhdetachpending\n"
	}
	rows, err := conn.Query(ctx, query+"order by 1")
	if err != nil {
		return nil, fmt.Errorf("look for objects that cannot be carried: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o reconcile.UnsupportedObject, err error) {
		var why string
		err = row.Scan(&o.Object, &why)
		o.Database, o.Reason, o.Superuser = name, reasons[why], why == "superuser" || why == "few sessions" || why == "locked"
		if why == "before 14" {
			o.Before = 140000
		}
		return o, err
	})
}

// blocked judges what the source holds against what the target can take.
// Extensions, locales and the admin's rights are facts of their own in an
// inspection; the plan judges them.
func blocked(source, target *reconcile.Database) []reconcile.UnsupportedObject {
	var list []reconcile.UnsupportedObject
	for _, o := range source.Unsupported {
		if !o.Fits(target.VersionNum, target.Role.Superuser) {
			list = append(list, o)
		}
	}
	return list
}
