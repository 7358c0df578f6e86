package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

var systemSchemas = strings.NewReplacer("@sys", "array['pg_catalog'::regnamespace, 'information_schema'::regnamespace]")

// leftOfServer is what belongs to no database: asked once, in the maintenance
// database.
const leftOfServer = `select 'left-server-object', 'replication slot ' || quote_ident(slot_name) || coalesce(' of database ' || quote_ident(database), '') from pg_replication_slots where not temporary
	union all select 'left-server-object', 'replication origin ' || quote_ident(roname) from pg_replication_origin
	union all select 'left-server-object', 'subscription ' || quote_ident(subname) || ' of database postgres' from pg_subscription s join pg_database d on d.oid = s.subdbid and d.datname = 'postgres'
	union all select 'left-server-object', 'security label ' || l.provider || ' on ' || o.identity from pg_shseclabel l cross join lateral pg_identify_object(l.classoid, l.objoid, 0) o
	union all select 'left-server-object', 'setting ' || split_part(c, '=', 1) || ' of database ' || quote_ident(d.datname) || coalesce(' for role ' || quote_ident(r.rolname), '')
		from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase and d.datname in ('postgres', 'template1', 'template0') left join pg_roles r on r.oid = s.setrole, unnest(s.setconfig) c`

// leftSince is what newer servers have besides.
func leftSince(version int) string {
	sql := ""
	if version >= 150000 {
		sql += " union all select 'left-server-object', 'privileges on parameter ' || parname from pg_parameter_acl"
	}
	if version >= 160000 { // the target's roles are made by one role, with what GRANT gives by itself
		sql += ` union all select 'left-server-object', 'membership of ' || m.member::regrole || ' in ' || m.roleid::regrole || ' with ' || concat_ws(', ', 'inherit ' || m.inherit_option::text, 'set ' || m.set_option::text,
				'by ' || m.grantor::regrole) from pg_auth_members m join pg_roles r on r.oid = m.member
			where m.member >= 16384 and (not m.set_option or m.inherit_option <> r.rolinherit or m.grantor <> 10)
			union all select 'left-server-object', 'collation rules of database ' || quote_ident(datname) from pg_database where daticurules is not null`
	}
	return sql
}

// inspectLeft looks at what lies beside the databases a move carries.
func (s *server) inspectLeft(ctx context.Context, db *mover.Database) error {
	err := s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		list, err := leftBy(ctx, conn, "", leftOfServer+leftSince(s.version))
		db.Uncarried = append(db.Uncarried, list...)
		return err
	})
	if err != nil {
		return err
	}
	if db.ServerSettings, err = s.serverSettings(ctx); err != nil {
		return err
	}
	return s.inspectTemplate(ctx, db)
}

// template1 is what CREATE DATABASE copies. A move makes databases from
// template0.
const template1 = "template1"

// leftInTemplate are the objects of template1, but those of the server and what
// belongs to another.
const leftInTemplate = `select 'left-template', o.type || ' ' || o.identity from (
		select 'pg_class'::regclass::oid as classid, c.oid as objid from pg_class c join pg_namespace n on n.oid = c.relnamespace where ` + userSchemas + ` and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
		union all select 'pg_proc'::regclass, c.oid from pg_proc c join pg_namespace n on n.oid = c.pronamespace where ` + userSchemas + `
		union all select 'pg_type'::regclass, c.oid from pg_type c join pg_namespace n on n.oid = c.typnamespace where ` + userSchemas + ` and c.typtype in ('b', 'd', 'e', 'r', 'c') and not exists (select from pg_type y where y.typarray = c.oid)
			and (c.typrelid = 0 or exists (select from pg_class y where y.oid = c.typrelid and y.relkind = 'c'))
		union all select 'pg_operator'::regclass, c.oid from pg_operator c join pg_namespace n on n.oid = c.oprnamespace where ` + userSchemas + `
		union all select 'pg_collation'::regclass, c.oid from pg_collation c join pg_namespace n on n.oid = c.collnamespace where ` + userSchemas + `
		union all select 'pg_ts_config'::regclass, c.oid from pg_ts_config c join pg_namespace n on n.oid = c.cfgnamespace where ` + userSchemas + `
		union all select 'pg_ts_dict'::regclass, c.oid from pg_ts_dict c join pg_namespace n on n.oid = c.dictnamespace where ` + userSchemas + `
		union all select 'pg_namespace'::regclass, n.oid from pg_namespace n where ` + userSchemas + ` and n.nspname <> 'public'
		union all select 'pg_extension'::regclass, oid from pg_extension where oid >= 16384
		union all select 'pg_foreign_data_wrapper'::regclass, oid from pg_foreign_data_wrapper where oid >= 16384
		union all select 'pg_foreign_server'::regclass, oid from pg_foreign_server
		union all select 'pg_event_trigger'::regclass, oid from pg_event_trigger
		union all select 'pg_publication'::regclass, oid from pg_publication
		union all select 'pg_default_acl'::regclass, oid from pg_default_acl
		union all select 'pg_cast'::regclass, oid from pg_cast where oid >= 16384
		union all select 'pg_language'::regclass, oid from pg_language where oid >= 16384) x ` + identified + `
	where not exists (select from pg_depend d where d.classid = x.classid and d.objid = x.objid and d.deptype in ('e', 'i'))
	union all select 'left-template', 'large object ' || oid from pg_largeobject_metadata
	union all select 'left-template', 'privileges of schema public' from pg_namespace n left join pg_init_privs i on i.classoid = 'pg_namespace'::regclass and i.objoid = n.oid
		where n.nspname = 'public' and n.nspacl is distinct from coalesce(i.initprivs, n.nspacl)`

// inspectTemplate looks into template1. That it cannot be looked into is not in
// the way of a move, which does not use it.
func (s *server) inspectTemplate(ctx context.Context, db *mover.Database) error {
	err := s.with(ctx, template1, func(conn *pgx.Conn) error {
		queries := leftInTemplate
		if s.superuser {
			queries += " union all " + strings.ReplaceAll(leftInSystem, "'left-in-system-schema'", "'left-template'") + " union all " + strings.ReplaceAll(leftChanged, "'left-system-change'", "'left-template'")
		}
		list, err := leftBy(ctx, conn, "", queries)
		db.Uncarried = append(db.Uncarried, list...)
		return err
	})
	var known *mover.Error
	if errors.As(err, &known) && ctx.Err() == nil {
		db.Uncarried = append(db.Uncarried, mover.Uncarried{Kind: mover.UncarriedUnread, Object: "database " + template1, Detail: fmt.Sprint(known)})
		return nil
	}
	return err
}
