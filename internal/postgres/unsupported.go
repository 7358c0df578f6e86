package postgres

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/jackc/pgx/v5"
)

// superuserOnly marks the reason of an object that stops a move only where
// the target's admin is no superuser.
const superuserOnly = "only a superuser can create it on the target"

// unsupportedQuery lists objects no move carries, or only a superuser can
// make. It reports facts; blocked judges them against a target.
const unsupportedQuery = `
select 'event trigger ' || quote_ident(evtname), true from pg_event_trigger o where not exists (select from pg_depend x where x.classid = 'pg_event_trigger'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'publication ' || quote_ident(pubname) || ' for all tables', true from pg_publication where puballtables
union all select 'subscription ' || quote_ident(subname), false from pg_stat_subscription where subname is not null
union all select 'foreign data wrapper ' || quote_ident(fdwname), true from pg_foreign_data_wrapper o where not exists (select from pg_depend x where x.classid = 'pg_foreign_data_wrapper'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'user mapping for server ' || quote_ident(srvname), false from pg_user_mappings
union all select 'security label on ' || o.identity, false from pg_seclabel l cross join lateral pg_identify_object(l.classoid, l.objoid, l.objsubid) o
union all select 'language ' || quote_ident(lanname), true from pg_language o where not lanpltrusted and oid >= 16384 and not exists (select from pg_depend x where x.classid = 'pg_language'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'function ' || o.oid::regprocedure || ' in language ' || l.lanname, true from pg_proc o join pg_language l on l.oid = o.prolang and not l.lanpltrusted
	where o.oid >= 16384 and o.prokind <> 'a' and not exists (select from pg_depend x where x.classid = 'pg_proc'::regclass and x.objid = o.oid and x.deptype in ('e', 'i'))
union all select 'leakproof function ' || o.oid::regprocedure, true from pg_proc o join pg_language l on l.oid = o.prolang and l.lanpltrusted
	where o.oid >= 16384 and o.proleakproof and not exists (select from pg_depend x where x.classid = 'pg_proc'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'base type ' || format_type(o.oid, null), true from pg_type o where o.oid >= 16384 and o.typtype = 'b' and not exists (select from pg_type y where y.typarray = o.oid)
	and not exists (select from pg_depend x where x.classid = 'pg_type'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'operator class ' || quote_ident(opcname), true from pg_opclass o where o.oid >= 16384 and not exists (select from pg_depend x where x.classid = 'pg_opclass'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'operator family ' || quote_ident(opfname), true from pg_opfamily o where o.oid >= 16384 and not exists (select from pg_depend x where x.classid = 'pg_opfamily'::regclass and x.objid = o.oid and x.deptype = 'e')
union all select 'disabled foreign key triggers of ' || t.tgconstraint::text || ' on ' || t.tgrelid::regclass, false from pg_trigger t join pg_constraint c on c.oid = t.tgconstraint and c.contype = 'f' where t.tgisinternal and t.tgenabled <> 'O'
order by 1`

// unsupportedIn lists what of one database may not be carried.
func unsupportedIn(ctx context.Context, conn *pgx.Conn, name string) ([]reconcile.UnsupportedObject, error) {
	rows, err := conn.Query(ctx, unsupportedQuery)
	if err != nil {
		return nil, fmt.Errorf("look for objects that cannot be carried: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (o reconcile.UnsupportedObject, err error) {
		var superuser bool
		o.Database, o.Reason = name, "a move does not carry it"
		err = row.Scan(&o.Object, &superuser)
		if superuser {
			o.Reason = superuserOnly
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
		if o.Reason != superuserOnly || !target.Role.Superuser {
			list = append(list, o)
		}
	}
	return list
}
