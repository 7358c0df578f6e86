package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// quiet gives the statements by which a transaction that is to be rolled back
// keeps the application's event triggers from hearing of what it does: they may
// refuse it, or take numbers from a sequence, which no rollback gives back. Only a
// superuser may say so; of a target where we are none the application's DDL meets
// the same triggers. Those that fire on a replica, or always, are switched off for
// the transaction; others do not see it, nor wait for it.
func (s *server) quiet(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	if !s.superuser {
		return nil, nil
	}
	statements := []string{"set local session_replication_role = replica"}
	rows, err := conn.Query(ctx, "select format('alter event trigger %I disable', evtname) from pg_event_trigger where evtenabled in ('A', 'R') order by evtname")
	if err != nil {
		return nil, fmt.Errorf("list event triggers: %w", err)
	}
	off, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list event triggers: %w", err)
	}
	return append(statements, off...), nil
}
