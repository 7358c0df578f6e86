package postgres

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// A move carries what pg_dump carries of a database. What lies beside it is
// named, object by object, with the application up.

// identified spells an object as the server does, with its kind.
const identified = "cross join lateral pg_identify_object(x.classid, x.objid, 0) o"

// leftInSystem are objects that somebody made in the server's own schemas. Types
// of tables, arrays and what belongs to an extension come with something else.
const leftInSystem = `select 'left-in-system-schema', o.type || ' ' || o.identity from (
		select 'pg_class'::regclass::oid as classid, oid as objid from pg_class where relnamespace = any(@sys) and relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c')
		union all select 'pg_proc'::regclass, oid from pg_proc where pronamespace = any(@sys)
		union all select 'pg_type'::regclass, oid from pg_type where typnamespace = any(@sys) and typrelid = 0
		union all select 'pg_operator'::regclass, oid from pg_operator where oprnamespace = any(@sys)
		union all select 'pg_opclass'::regclass, oid from pg_opclass where opcnamespace = any(@sys)
		union all select 'pg_opfamily'::regclass, oid from pg_opfamily where opfnamespace = any(@sys)
		union all select 'pg_collation'::regclass, oid from pg_collation where collnamespace = any(@sys)
		union all select 'pg_conversion'::regclass, oid from pg_conversion where connamespace = any(@sys)
		union all select 'pg_ts_config'::regclass, oid from pg_ts_config where cfgnamespace = any(@sys)
		union all select 'pg_ts_dict'::regclass, oid from pg_ts_dict where dictnamespace = any(@sys)
		union all select 'pg_ts_parser'::regclass, oid from pg_ts_parser where prsnamespace = any(@sys)
		union all select 'pg_ts_template'::regclass, oid from pg_ts_template where tmplnamespace = any(@sys)) x ` + identified + `
	where x.objid >= 16384 and o.type is not null and not exists (select from pg_depend d where d.classid = x.classid and d.objid = x.objid and d.deptype in ('e', 'i'))
		and not (x.classid = 'pg_collation'::regclass and exists (select from pg_collation y where y.oid = x.objid and y.collowner = 10))`

// Collations that pg_import_system_collations makes later, after an update of
// the system's libraries, belong to the role that initdb made; a move that needs
// one finds out by the columns that have it.

// leftChanged are objects of initdb's whose rows were written after initdb had
// made template0, which is the last but one thing it does. A list of privileges
// is compared itself. Old dumps set the comment on plpgsql.
const leftChanged = `select distinct 'left-system-change', o.type || ' ' || o.identity from (
		select 'pg_proc'::regclass::oid as classid, oid as objid, xmin as x from pg_proc where proacl is null
		union all select 'pg_operator'::regclass, oid, xmin from pg_operator
		union all select 'pg_ts_dict'::regclass, oid, xmin from pg_ts_dict
		union all select 'pg_ts_config'::regclass, oid, xmin from pg_ts_config
		union all select 'pg_ts_config'::regclass, mapcfg, xmin from pg_ts_config_map
		union all select classoid, objoid, xmin from pg_description where classoid not in ('pg_namespace'::regclass, 'pg_extension'::regclass)) x ` + identified + `
	where x.objid < 16384 and age(x.x) < (select age(d.xmin) from pg_database d where d.datname = 'template0')`

// leftOnMembers are what somebody put on a table of an extension. Whatever a
// script makes, it makes in a transaction that makes a member too, or the
// extension's own row; so the rows of pg_depend tell.
const leftOnMembers = `select 'left-on-extension', o.type || ' ' || o.identity || ' of extension ' || quote_ident(x.extname) from (
		select 'pg_class'::regclass::oid as classid, i.indexrelid as objid, i.indrelid as relid, e.ext, e.extname from pg_index i join member e on e.oid = i.indrelid
			where not exists (select from pg_constraint c where c.conindid = i.indexrelid and c.conrelid = i.indrelid)
		union all select 'pg_trigger'::regclass, t.oid, t.tgrelid, e.ext, e.extname from pg_trigger t join member e on e.oid = t.tgrelid where not t.tgisinternal
		union all select 'pg_rewrite'::regclass, r.oid, r.ev_class, e.ext, e.extname from pg_rewrite r join member e on e.oid = r.ev_class where r.rulename <> '_RETURN'
		union all select 'pg_policy'::regclass, p.oid, p.polrelid, e.ext, e.extname from pg_policy p join member e on e.oid = p.polrelid
		union all select 'pg_constraint'::regclass, c.oid, c.conrelid, e.ext, e.extname from pg_constraint c join member e on e.oid = c.conrelid where c.contype not in ('t', 'n')) x ` + identified + `
	where not exists (select from pg_depend d where d.classid = x.classid and d.objid = x.objid and (d.deptype = 'e' or d.xmin::text in (select made.x from made where made.ext = x.ext)))
	union all select 'left-on-extension', 'column ' || a.attname || ' of table ' || a.attrelid::regclass || ' of extension ' || quote_ident(e.extname)
		from pg_attribute a join member e on e.oid = a.attrelid and e.relkind in ('r', 'p', 'f')
		where a.attnum > 0 and not a.attisdropped and a.attacl is null and a.xmin::text not in (select made.x from made where made.ext = e.ext)
	union all select 'left-on-extension', 'row security of table ' || c.oid::regclass || ' of extension ' || quote_ident(e.extname) from pg_class c join member e on e.oid = c.oid
		where c.relrowsecurity`

// leftPlaces are what lies elsewhere than the server's default.
const leftPlaces = `select 'left-tablespace', 'tablespace ' || quote_ident(t.spcname) || ' of ' || case when c.relkind in ('i', 'I') then 'index ' else 'table ' end || c.oid::regclass
		from pg_class c join pg_namespace n on n.oid = c.relnamespace and ` + userSchemas + ` join pg_tablespace t on t.oid = c.reltablespace
	union all select 'left-tablespace', 'tablespace ' || quote_ident(t.spcname) || ' of the database itself' from pg_database d join pg_tablespace t on t.oid = d.dattablespace
		where d.datname = current_database() and t.spcname <> 'pg_default'`

// inspectBeside looks for what a database has that a copy leaves behind, or
// makes anew of something else.
func (s *server) inspectBeside(ctx context.Context, name, path string) (stale []mover.UnsupportedObject, left []mover.Uncarried, err error) {
	var generated bool
	err = s.with(ctx, name, func(conn *pgx.Conn) (err error) {
		if left, err = s.leftHere(ctx, conn, name); err != nil {
			return err
		}
		if err := conn.QueryRow(ctx, "select exists (select from pg_attribute where attgenerated <> '')").Scan(&generated); err != nil {
			return fmt.Errorf("look for stored generated columns: %w", err)
		}
		return nil
	})
	if err != nil || !generated {
		return nil, left, err
	}
	felt, err := s.asApplication(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	err = felt.with(ctx, name, func(conn *pgx.Conn) error {
		found, unsure, err := staleColumns(ctx, conn, name, path)
		stale, left = found, append(left, unsure...)
		return err
	})
	return stale, left, err
}

// leftHere lists what of the database conn is on stays behind.
func (s *server) leftHere(ctx context.Context, conn *pgx.Conn, database string) ([]mover.Uncarried, error) {
	queries := leftOnMembers + " union all " + leftPlaces
	if s.superuser { // a managed service makes things in its server's schemas itself
		queries += " union all " + leftInSystem + " union all " + leftChanged
	}
	list, err := leftBy(ctx, conn, database, queries)
	if err != nil {
		return nil, err
	}
	privileges, err := s.leftPrivileges(ctx, conn, database)
	return append(list, privileges...), err
}

func leftBy(ctx context.Context, conn *pgx.Conn, database, queries string) ([]mover.Uncarried, error) {
	// What was made a member by hand is named as a whole, see byHand.
	const members = `with member as (select c.oid, c.relkind, e.oid as ext, e.extname from pg_class c join pg_depend d on d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e'
			join pg_extension e on e.oid = d.refobjid
			where not exists (select from pg_depend n where n.classid = 'pg_class'::regclass and n.objid = c.oid and n.refclassid = 'pg_namespace'::regclass and ` + addedLater + `)),
		made as (select refobjid as ext, xmin::text as x from pg_depend where refclassid = 'pg_extension'::regclass and deptype = 'e' union select oid, xmin::text from pg_extension) `
	rows, err := conn.Query(ctx, members+"select * from ("+systemSchemas.Replace(queries)+") q order by 1, 2")
	if err != nil {
		return nil, fmt.Errorf("look for what is left behind: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l mover.Uncarried, err error) {
		l.Database = database
		return l, row.Scan(&l.Kind, &l.Object)
	})
	if err != nil {
		return nil, fmt.Errorf("look for what is left behind: %w", err)
	}
	return list, nil
}
