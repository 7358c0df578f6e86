package postgres

import (
	"context"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// extensionsQuery lists installable extensions, whether only a superuser may
// install them, and whether the server does it for one who is none: then what
// they make belongs to the server's own superuser (PostgreSQL manual, extension
// control files, trusted). Up to PostgreSQL 12 none is trusted. Managed services
// let their own administrators install what they offer, and fill it, by a hook
// that no catalog shows; those roles are known by name.
const extensionsQuery = `
select v.name::text, v.version, n.needs and not t.yes, n.needs and t.yes
from pg_available_extension_versions v, lateral (select coalesce((to_jsonb(v) ->> 'trusted')::boolean, false) as yes) t,
	lateral (select v.superuser and not exists (select from pg_roles m where m.rolname in ('rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin', 'alloydbsuperuser')
		and pg_has_role(current_user, m.oid, 'member')) as needs) n order by 1, 2`

func inspectExtensions(ctx context.Context, conn *pgx.Conn, db *mover.Database) error {
	rows, err := conn.Query(ctx, extensionsQuery)
	if err != nil {
		return err
	}
	db.Restricted, db.ByServer = map[string][]string{}, map[string][]string{}
	var name, version string
	var restricted, byServer bool
	_, err = pgx.ForEachRow(rows, []any{&name, &version, &restricted, &byServer}, func() error {
		db.Extensions[name] = append(db.Extensions[name], version)
		if restricted && !db.Role.Superuser {
			db.Restricted[name] = append(db.Restricted[name], version)
		}
		if byServer && !db.Role.Superuser {
			db.ByServer[name] = append(db.ByServer[name], version)
		}
		return nil
	})
	return err
}
