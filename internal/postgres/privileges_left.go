package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// leftPrivileges counts, by extension, the members whose access list is no
// longer what CREATE EXTENSION made it, and, under "", the server's own objects
// whose list is no longer what initdb made it. Both belong to others on the
// target, so that a move leaves them as they are there.
const leftPrivileges = `
with listed(classid, objid, extension, acl, was) as (
	select x.classid, x.objid, e.extname::text, x.acl, coalesce(i.initprivs, acldefault(x.kind, x.owner))
	from (
		select 'pg_class'::regclass::oid as classid, oid as objid, relacl as acl, relowner as owner, case relkind when 'S' then 's' else 'r' end::"char" as kind, relnamespace as schema from pg_class
		union all select 'pg_proc'::regclass, oid, proacl, proowner, 'f', pronamespace from pg_proc
		union all select 'pg_type'::regclass, oid, typacl, typowner, 'T', typnamespace from pg_type
		union all select 'pg_namespace'::regclass, oid, nspacl, nspowner, 'n', oid from pg_namespace where nspname <> 'public'
		union all select 'pg_language'::regclass, oid, lanacl, lanowner, 'l', 'pg_catalog'::regnamespace from pg_language
		union all select 'pg_foreign_data_wrapper'::regclass, oid, fdwacl, fdwowner, 'F', 'pg_catalog'::regnamespace from pg_foreign_data_wrapper
	) x
	left join pg_depend d on d.classid = x.classid and d.objid = x.objid and d.deptype = 'e'
	left join pg_extension e on e.oid = d.refobjid
	left join pg_init_privs i on i.classoid = x.classid and i.objoid = x.objid and i.objsubid = 0
	where x.acl is not null and (e.oid is not null or x.schema = 'pg_catalog'::regnamespace)
), changed as (
	select l.extension, l.classid, l.objid, a.item from listed l cross join lateral (
		(select unnest(l.acl) except select unnest(l.was)) union all (select unnest(l.was) except select unnest(l.acl))) a(item)
)
select coalesce(c.extension, ''), count(distinct (c.classid, c.objid))::int,
	string_agg(distinct case y.grantee when 0 then 'public' else pg_get_userbyid(y.grantee)::text end, ', ')
from changed c cross join lateral aclexplode(array[c.item]) y group by 1 order by 1`

func counted(objects int) string {
	if objects == 1 {
		return "1 object"
	}
	return fmt.Sprintf("%d objects", objects)
}

// readLeftTables says in words which tables of extensions a move does not
// carry. The proof does not look at them either.
func readLeftTables(ctx context.Context, conn *pgx.Conn, name string) ([]string, error) {
	rows, err := conn.Query(ctx, "select c.oid::regclass::text, e.extname::text from "+memberTables+" order by 1")
	if err != nil {
		return nil, fmt.Errorf("read tables of extensions in database %q: %w", name, err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var table, extension string
		err := row.Scan(&table, &extension)
		return fmt.Sprintf("table %s of database %s is a member of extension %s and not of its configuration: it is not carried, the target has what CREATE EXTENSION makes", table, name, extension), err
	})
}

// readLeftPrivileges says in words which privileges of a database a move does
// not carry. A managed service changes those of its own objects itself.
func (s *server) readLeftPrivileges(ctx context.Context, conn *pgx.Conn, name string) ([]string, error) {
	rows, err := conn.Query(ctx, leftPrivileges)
	if err != nil {
		return nil, fmt.Errorf("read privileges of extensions in database %q: %w", name, err)
	}
	var lines []string
	var extension, roles string
	var objects int
	_, err = pgx.ForEachRow(rows, []any{&extension, &objects, &roles}, func() error {
		of := "extension " + extension
		if extension == "" {
			of = "the server itself"
		}
		if extension != "" || s.superuser {
			lines = append(lines, fmt.Sprintf("privileges on %s of %s in database %s are not carried; they name %s", counted(objects), of, name, roles))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read privileges of extensions in database %q: %w", name, err)
	}
	return lines, nil
}
