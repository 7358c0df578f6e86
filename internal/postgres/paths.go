package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

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
func execLeaning(ctx context.Context, conn *pgx.Conn, path, sql string, about subject) error {
	_, err := conn.Exec(ctx, sql)
	if nameMissing(err) {
		if _, again := conn.Exec(ctx, "set search_path = "+path+"; "+sql+"; set search_path = pg_catalog"); again == nil {
			return nil
		}
	}
	said := discreet(err, about, writtenIn(ctx, conn))
	if nameMissing(err) {
		return sayWherePathIsFixed(conn, path, err, said)
	}
	return said
}

// sayWherePathIsFixed adds, as the server's hint, what to do to an error of a
// function's body; said is of it what may be printed. From PostgreSQL 17 on a
// server that makes an index or fills a materialized view looks for names in
// pg_catalog only, whatever path the session has (release notes of 17, "safe
// search_path during maintenance operations").
func sayWherePathIsFixed(conn *pgx.Conn, path string, err, said error) error {
	var raw, pg *pgconn.PgError
	var major int
	if _, scan := fmt.Sscanf(conn.PgConn().ParameterStatus("server_version"), "%d", &major); scan != nil || major < 17 ||
		!errors.As(err, &raw) || !strings.Contains(raw.Where, "function") || !errors.As(said, &pg) {
		return said
	}
	advised := *pg
	advised.Hint = "PostgreSQL 17 and newer run functions of indexes and materialized views with a search path of pg_catalog only: give the function its own, such as alter function … set search_path = " + path
	return &advised
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
