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
	if nameMissing(err) {
		if _, again := conn.Exec(ctx, "set search_path = "+path+"; "+sql+"; set search_path = pg_catalog"); again == nil {
			return nil
		}
	}
	return err
}

// nameMissing tells an error about a table, a function or a type that is not on
// the path.
func nameMissing(err error) bool {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return false
	}
	switch pg.Code {
	case "42P01", "42883", "42704":
		return true
	}
	return false
}
