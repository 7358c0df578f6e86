package postgres

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// serverSettings reads what a session has from the server that asks for
// nothing. Ours ask for much, in their start-up packet, so it takes another one.
// What an application's own settings are called only the server's files tell,
// which only a superuser may see.
//
// Whether anybody has set a setting is told by its default, and not by where
// it comes from: initdb writes what it found into the server's file.
func (s *server) serverSettings(ctx context.Context) (map[string]mover.ServerSetting, error) {
	cfg, err := s.config(maintenance)
	if err != nil {
		return nil, fail(s.side, mover.CodeFailed, err)
	}
	cfg.RuntimeParams = map[string]string{"application_name": s.label}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, classify(s.side, fmt.Errorf("connect to database %q: %w", maintenance, err))
	}
	defer closeConn(ctx, conn)
	query := `select name, coalesce(setting, ''), coalesce(boot_val, ''), source in ('database', 'user', 'database user') from pg_catalog.pg_settings
		where context <> 'internal' and name not in ('application_name', 'transaction_deferrable', 'transaction_isolation', 'transaction_read_only')`
	if s.superuser {
		query += ` union select name, setting, '', false from pg_catalog.pg_file_settings f
			where applied and name like '%.%' and not exists (select from pg_catalog.pg_settings g where pg_catalog.lower(g.name) = pg_catalog.lower(f.name))`
	}
	rows, err := conn.Query(ctx, query, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, classify(s.side, fmt.Errorf("read settings of the server: %w", err))
	}
	settings := map[string]mover.ServerSetting{}
	var name string
	var v mover.ServerSetting
	_, err = pgx.ForEachRow(rows, []any{&name, &v.Value, &v.Default, &v.Hidden}, func() error {
		settings[name] = v
		return nil
	})
	if err != nil {
		return nil, classify(s.side, fmt.Errorf("read settings of the server: %w", err))
	}
	return settings, nil
}
