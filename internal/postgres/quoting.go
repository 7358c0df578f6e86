package postgres

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A server quotes what it stumbles over: a text that is no number, what a function
// raises, a name that dynamic SQL put together. While it reads or writes rows, that
// may be a value of one, and no row may reach a log. So of what it says then only
// that goes on which cannot hold a value.

// subject is what a statement is about, which tells what an error of it may quote.
type subject int

const (
	// aboutSchema is a statement that sees no row.
	aboutSchema subject = iota
	// aboutBoth makes an object out of rows: an index, a constraint.
	aboutBoth
	// aboutRows reads or writes rows only, by names that are known to be there.
	aboutRows
)

// withoutValues are classes of SQLSTATE, besides aboutServer, whose messages name
// objects and limits only, unless a function raises one.
var withoutValues = map[string]bool{"0A": true, "23": true, "54": true, "55": true}

// conditions are names of SQLSTATEs and of their classes (PostgreSQL's
// documentation, appendix A).
var conditions = map[string]string{
	"22": "data exception", "22003": "numeric value out of range", "22P02": "invalid text representation", "22P03": "invalid binary representation",
	"23": "integrity constraint violation", "38": "external routine exception", "39": "external routine invocation exception",
	"42": "syntax error or access rule violation", "42703": "undefined column", "42704": "undefined object", "42883": "undefined function", "42P01": "undefined table",
	"HV": "foreign data wrapper error", "P0": "PL/pgSQL error", "P0001": "raise exception", "XX": "internal error",
}

// discreet makes a server's error one that may be printed; written tells whether a
// text stands in the source of a function, and may be nil where nobody can be asked.
func discreet(err error, about subject, written func(text string) bool) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	if said := withoutRows(pg, about, written); said != pg {
		return said // what wraps it has its words
	}
	return err
}

// withoutRows is what a server said, or where that may hold a value, its code in
// words. None of the other fields is kept then: a function may set them.
func withoutRows(pg *pgconn.PgError, about subject, written func(text string) bool) *pgconn.PgError {
	if about == aboutSchema || len(pg.Code) < 2 || namesOnly(pg, about) || ofSource(pg, written) {
		return pg
	}
	name := conditions[pg.Code]
	if name == "" {
		name = conditions[pg.Code[:2]]
	}
	if name == "" {
		name = "error"
	}
	if in := functionLine.FindString(pg.Where); in != "" {
		name += " in " + in
	}
	return &pgconn.PgError{Severity: pg.Severity, Code: pg.Code, Message: name + " (the server's message may quote a row and is left out)"}
}

// namesOnly tells a message that the server made itself of names of objects.
func namesOnly(pg *pgconn.PgError, about subject) bool {
	if pg.Where != "" && !strings.HasPrefix(pg.Where, "COPY ") && !strings.HasPrefix(pg.Where, "parallel worker") {
		return false // a function, which may say anything under any code
	}
	switch class := pg.Code[:2]; class {
	case "42": // a text that is cast to regclass is called an undefined table
		return about == aboutBoth || pg.Position > 0 || pg.Code == "42501" || pg.Code == "42703"
	case "XX": // an extension's own words; of damaged data the server says the file and the page
		return pg.Code == "XX001" || pg.Code == "XX002"
	default:
		return withoutValues[class] || aboutServer[class] != ""
	}
}

// ofSource tells a message about a name that is written in a function: it was
// refused before a value came into it.
func ofSource(pg *pgconn.PgError, written func(string) bool) bool {
	return pg.Code[:2] == "42" && pg.InternalPosition > 0 && !putTogether.MatchString(pg.Where) && written != nil && written(strings.TrimPrefix(pg.InternalQuery, "SELECT "))
}

// putTogether is a context whose first line runs a statement that a function put
// together, perhaps out of values.
var putTogether = regexp.MustCompile(`^[^\n]*(EXECUTE|EXECUTE statement|RETURN QUERY|OPEN)(\n|$)`)

// functionLine is the first line of a context as PL/pgSQL and functions in SQL
// give it: a name, types of arguments, and a line.
var functionLine = regexp.MustCompile(`^(PL/pgSQL function [^\n(]+\([^\n()]*\) line \d+ at [\w ]+|SQL function "[^"\n]+" (statement \d+|during \w+))`)

// writtenIn looks for a text in the source of the functions of a database. What
// cannot be found out is not written there.
func writtenIn(ctx context.Context, conn *pgx.Conn) func(string) bool {
	return func(text string) (found bool) {
		err := conn.QueryRow(ctx, "select exists (select from pg_proc where position($1 in prosrc) > 0)", text).Scan(&found)
		return err == nil && found && strings.TrimSpace(text) != ""
	}
}
