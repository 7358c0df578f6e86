package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// readLeftTables says in words which tables of extensions a move does not
// carry. The proof does not look at them either.
func readLeftTables(ctx context.Context, conn *pgx.Conn, name string) ([]string, error) {
	rows, err := conn.Query(ctx, leftTables)
	if err != nil {
		return nil, fmt.Errorf("read tables of extensions in database %q: %w", name, err)
	}
	return pgx.CollectRows(rows, scanLeft(name))
}

const leftTables = "select c.oid::regclass::text, e.extname::text from " + memberTables + " order by 1"

func scanLeft(name string) pgx.RowToFunc[string] {
	return func(row pgx.CollectableRow) (string, error) {
		var table, extension string
		err := row.Scan(&table, &extension)
		return fmt.Sprintf("table %s of database %s is a member of extension %s and not of its configuration: it is not carried, the target has what CREATE EXTENSION makes", table, name, extension), err
	}
}
