package postgres

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// cause is why an object is listed, and what helps.
type cause struct{ why, fix string }

// causes are why objects are listed, by the query's word.
var causes = map[string]cause{
	"subscription": {"a move does not carry it: two servers would take in the same changes", "drop it on the source before the move, and subscribe again on the target after it"},
	"mapping": {"a move does not carry it: it holds a role's password for another server",
		"write it down and drop it on the source before the move; create user mapping on the target after it"},
	"label":        {"a move does not carry it: the module that gives labels is the server's own", "write it down and remove it with security label … is null; set it again after the move"},
	"fk disabled":  {"only a superuser can disable them, and a move does not carry it", "alter table … enable trigger all; if rows break the foreign key, drop it"},
	"superuser":    {"only a superuser can create it on the target", "log in on the target as a superuser, or drop it on the source"},
	"no right":     {"the role we log in with may not read it, and is no superuser", "grant select on it to the role"},
	"by hand":      {"somebody made it a member of the extension, and CREATE EXTENSION does not make it", "alter extension … drop table …, and it is carried"},
	"not valid":    {"a build of it failed", "reindex it, or drop it"},
	"column order": {"columns of its parents stand behind its own, and a table made anew has them in front", "make it anew with its parents' columns first, or take it out with alter table … no inherit"},
	"few sessions": {"its connection limit is less than the sessions a move opens, and binds a role that is no superuser", "alter database … connection limit 10 before the move"},
	"locked":       {"nobody but a superuser may connect to it and create in it, and so nobody on the target", "grant connect, create on it to its owner"},
	"prepared":     {"it can commit at any time, fence or not", "commit prepared or rollback prepared"},
	"before 14":    {"PostgreSQL 14 and newer cannot create it", "drop it, or make it anew for anycompatiblearray (14 and newer); or use a target older than 14"},
	"postfix":      {"PostgreSQL 14 and newer have no postfix operators", "drop it and call its function instead, or use a target older than 14"},
	"row security": {"row level security hides rows from the role we log in with, which is no superuser", "give the role BYPASSRLS, or let the table's owner say alter table … no force row level security"},
	"trigger name": {"it is a partition's part of a trigger of the partitioned table, which was renamed, and arrives with the new name", "give both the same name: alter trigger … rename"},
	"index order":  {"it was made from an index with another collation, order or operator class than its columns', which no dump tells", "drop the constraint; add it again without using index, or make a unique index in its place"},
	"closed":       {"it takes no connections", "alter database … allow_connections true, or drop it"},
	"template":     {"it is a template, and a move does not carry templates", "alter database … is_template false, and it is carried; or drop it"},
	"maintenance":  {"it holds objects, and a move does not carry the server's own maintenance database", "move them to a database of their own, or drop them"},
	"detaching":    {"it is being detached from its parent", "alter table … detach partition … finalize"},
	"stale":        {"rows hold other values than its expression gives now, and a copy computes them anew", "update those rows (set any column to itself), or put the old function back"},
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

// unsupportedQuery lists objects no move carries or we cannot read whole; what
// only a superuser can make is in superuserKinds. It reports facts; blocked judges them against a target.
var unsupportedQuery = `
select 'subscription ' || quote_ident(subname), 'subscription' from pg_subscription where subdbid = (select oid from pg_database where datname = current_database())
union all select 'user mapping of ' || coalesce(quote_ident(usename), 'public') || ' for server ' || quote_ident(srvname), 'mapping' from pg_user_mappings
union all select 'security label ' || l.provider || ' on ' || o.identity, 'label' from pg_seclabel l cross join lateral pg_identify_object(l.classoid, l.objoid, l.objsubid) o where l.classoid <> 'pg_subscription'::regclass
union all select 'postfix operator ' || o.oid::regoperator, 'postfix' from pg_operator o where o.oid >= 16384 and o.oprkind = 'r' and not exists (select from pg_depend x where x.classid = 'pg_operator'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'operator ' || o.oid::regoperator, 'before 14' from pg_operator o where o.oid >= 16384 and o.oprcode::regprocedure::text = any(` + retyped + `) and o.oprleft in ('anyarray'::regtype, 'anyelement'::regtype)
union all select 'aggregate ' || a.aggfnoid::regprocedure, 'before 14' from pg_aggregate a where a.aggfnoid::oid >= 16384 and a.aggtranstype in ('anyarray'::regtype, 'anyelement'::regtype)
	and (a.aggtransfn::regprocedure::text = any(` + retyped + `) or a.aggfinalfn::regprocedure::text = any(` + retyped + `))
union all select distinct 'disabled foreign key triggers of ' || quote_ident(c.conname) || ' on ' || t.tgrelid::regclass, 'fk disabled' from pg_trigger t join pg_constraint c on c.oid = t.tgconstraint and c.contype = 'f' where t.tgisinternal and t.tgenabled <> 'O'
union all ` + byHand + `
union all select 'database ' || quote_ident(datname), 'few sessions' from pg_database where datname = current_database() and datconnlimit between 0 and 5
union all select 'database ' || quote_ident(datname), 'locked' from pg_database d where datname = current_database() and exists (
	select from unnest(array['CONNECT', 'CREATE']) p where not exists ( -- the target's admin role becomes a member of every role but the server's own
		select from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a where a.privilege_type = p and (a.grantee = 0 or pg_get_userbyid(a.grantee) !~ '^pg_')))
union all select 'prepared transaction ' || quote_literal(gid), 'prepared' from pg_prepared_xacts where database = current_database() and prepared < now() - interval '1 minute'
union all select 'trigger ' || quote_ident(c.tgname) || ' on ' || c.tgrelid::regclass || ' of trigger ' || quote_ident(p.tgname) || ' on ' || p.tgrelid::regclass, 'trigger name'
	from pg_trigger c join pg_depend d on d.classid = 'pg_trigger'::regclass and d.objid = c.oid and d.refclassid = 'pg_trigger'::regclass
	join pg_trigger p on p.oid = d.refobjid and p.tgname <> c.tgname
	where not exists (select from pg_constraint x where x.oid = c.tgconstraint and x.contype <> 't')
union all select 'constraint ' || quote_ident(o.conname) || ' on ' || o.conrelid::regclass, 'index order'
	from pg_constraint o join pg_index i on i.indexrelid = o.conindid cross join generate_series(0, i.indnkeyatts - 1) k
	join pg_attribute a on a.attrelid = o.conrelid and a.attnum = i.indkey[k] join pg_opclass s on s.oid = i.indclass[k]
	where o.contype in ('p', 'u') and o.conparentid = 0 and (i.indoption[k] <> 0 or i.indcollation[k] <> a.attcollation or not s.opcdefault) group by o.oid, o.conname, o.conrelid
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

// unsupportedIn lists what of one database may not be carried.
func (s *server) unsupportedIn(ctx context.Context, conn *pgx.Conn, name string) ([]mover.UnsupportedObject, error) {
	query := unsupportedQuery
	if s.version >= 140000 {
		query += "union all select 'partition ' || inhrelid::regclass, 'detaching' from pg_inherits where inhdetachpending\n"
	}
	rows, err := conn.Query(ctx, "select object, why, '' from ("+query+") u(object, why) union all select object, 'superuser', managed from ("+
		superuserQuery(s.version)+") m(object, managed) order by 1")
	if err != nil {
		return nil, fmt.Errorf("look for objects that cannot be carried: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (mover.UnsupportedObject, error) {
		var object, why, managed string
		err := row.Scan(&object, &why, &managed)
		o := unsupported(name, object, why)
		o.Managed = managed
		return o, err
	})
}

// unsupported is an object of a database with the cause of its being listed.
func unsupported(database, object, why string) mover.UnsupportedObject {
	o := mover.UnsupportedObject{Database: database, Object: object, Reason: causes[why].why, Fix: causes[why].fix}
	switch why {
	case "superuser", "few sessions", "locked":
		o.Superuser = true
	case "before 14", "postfix":
		o.Before = 140000
	}
	return o
}

// blocked judges what the source holds against what the target can take.
// Extensions, locales and the admin's rights are facts of their own in an
// inspection; the plan judges them.
func blocked(source, target *mover.Database) []mover.UnsupportedObject {
	var list []mover.UnsupportedObject
	for _, o := range source.Unsupported {
		if !o.Fits(target.VersionNum, target.Role) {
			list = append(list, o)
		}
	}
	return list
}
