package postgres

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// relationsQuery counts the relations that are locked at a time: pg_dump locks
// every table and reads every view's definition, which locks the view and what it
// reads from; the proof reads every sequence and then every table.
var relationsQuery = `select count(*)::int from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind in ('r', 'p', 'v', 'm', 'S') and ` + userSchemas

// hiddenQuery lists the tables whose rows the admin role of a managed target
// could not read, although it becomes a member of every role: the first kind
// because of row level security, the second because no role may.
var hiddenQuery = `select c.oid::regclass::text, c.relrowsecurity and c.relforcerowsecurity
	from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind in ('r', 'p') and ` + userSchemas + ` and ` + notOfExtension("pg_class", "c.oid") + ` and (c.relrowsecurity and c.relforcerowsecurity
		or not exists (select from aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) a
			where a.privilege_type = 'SELECT' and (a.grantee = 0 or pg_get_userbyid(a.grantee) !~ '^pg_')))
	order by 1`

// holdings reads what of a database decides whether it can be copied at all, and
// come back.
func holdings(ctx context.Context, conn *pgx.Conn, info *mover.DatabaseInfo) error {
	if err := conn.QueryRow(ctx, relationsQuery).Scan(&info.Relations); err != nil {
		return fmt.Errorf("count relations: %w", err)
	}
	rows, err := conn.Query(ctx, hiddenQuery)
	if err != nil {
		return fmt.Errorf("look for rows that could not be read later: %w", err)
	}
	var table string
	var forced bool
	if _, err := pgx.ForEachRow(rows, []any{&table, &forced}, func() error {
		if forced {
			info.ForcedRows = append(info.ForcedRows, table)
		} else {
			info.ClosedRows = append(info.ClosedRows, table)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("look for rows that could not be read later: %w", err)
	}
	return extensionRows(ctx, conn, info)
}

// extensionRows finds the configuration tables of extensions that hold rows a
// copy would have to write.
func extensionRows(ctx context.Context, conn *pgx.Conn, info *mover.DatabaseInfo) error {
	rows, err := conn.Query(ctx, `select e.extname::text, format('%I.%I', n.nspname, c.relname), coalesce(x.condition, '')
		from pg_extension e cross join unnest(e.extconfig, e.extcondition) x(oid, condition) join pg_class c on c.oid = x.oid and c.relkind = 'r'
		join pg_namespace n on n.oid = c.relnamespace where has_table_privilege(c.oid, 'select') order by 1, 2`)
	if err != nil {
		return fmt.Errorf("list configuration tables: %w", err)
	}
	type config struct{ extension, table, condition string }
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c config, err error) {
		return c, row.Scan(&c.extension, &c.table, &c.condition)
	})
	if err != nil {
		return fmt.Errorf("list configuration tables: %w", err)
	}
	for _, c := range all {
		var holds bool
		if err := conn.QueryRow(ctx, "select exists (select from "+c.table+" "+c.condition+")").Scan(&holds); err != nil {
			return fmt.Errorf("look into configuration table %s: %w", c.table, discreet(err, aboutRows, nil))
		}
		if holds {
			if info.ExtensionRows == nil {
				info.ExtensionRows = map[string][]string{}
			}
			info.ExtensionRows[c.extension] = append(info.ExtensionRows[c.extension], c.table)
		}
	}
	return nil
}
