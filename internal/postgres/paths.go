package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Functions that an index, a constraint or a view calls may lean on the search
// path that the application has. Ours is empty, so that every name means one
// thing.

// appPath is the search path that sessions of a database begin with.
func (a adapted) appPath(database string) string {
	path := "public"
	for _, s := range a.settings {
		switch {
		case s.name != "search_path" || s.role != "":
		case s.database == database:
			return listValue(s.value)
		case s.database == "":
			path = listValue(s.value)
		}
	}
	return path
}

// execLeaning runs a statement, and again with the application's search path
// when a name was missing. One that means something else then is found by the
// proof.
func execLeaning(ctx context.Context, conn *pgx.Conn, path, sql string) error {
	_, err := conn.Exec(ctx, sql)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "42P01", "42883", "42704": // no such table, function, type
		if _, again := conn.Exec(ctx, "set search_path = "+path+"; "+sql+"; set search_path = pg_catalog"); again == nil {
			return nil
		}
	}
	return err
}
