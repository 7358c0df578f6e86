package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What a server says under these codes and contexts holds a value of a row, or
// cannot.
func TestNoValueOfARowIsQuoted(t *testing.T) {
	t.Parallel()
	const function = "PL/pgSQL function short(text) line 2 at "
	written := func(text string) bool { return text == "select one()" }
	for name, c := range map[string]struct {
		pg          pgconn.PgError
		rows, index bool   // whether it is shown of rows, and of an index
		holds       string // what else it says
	}{
		"a text that is no number":         {pgconn.PgError{Code: "22P02", Where: `COPY t, line 1, column a: "canary"`}, false, false, "invalid text representation"},
		"a check":                          {pgconn.PgError{Code: "23514", Where: "COPY t, line 1: canary"}, true, true, ""},
		"raised":                           {pgconn.PgError{Code: "P0001", Where: function + "RAISE\nCOPY t, line 1"}, false, false, "raise exception in PL/pgSQL function short(text) line 2 at RAISE ("},
		"raised as a check":                {pgconn.PgError{Code: "23514", Where: function + "RAISE", ColumnName: "canary"}, false, false, "integrity constraint violation in"},
		"raised as a full disk":            {pgconn.PgError{Code: "53100", Where: function + "RAISE"}, false, false, ""},
		"a full disk":                      {pgconn.PgError{Code: "53100"}, true, true, ""},
		"damaged data":                     {pgconn.PgError{Code: "XX001"}, true, true, ""},
		"an extension's words":             {pgconn.PgError{Code: "XX000"}, false, false, "internal error"},
		"a text cast to regclass":          {pgconn.PgError{Code: "42P01"}, false, true, ""},
		"a statement's own text":           {pgconn.PgError{Code: "42P01", Position: 7}, true, true, ""},
		"no right":                         {pgconn.PgError{Code: "42501"}, true, true, ""},
		"a name in a function's source":    {pgconn.PgError{Code: "42883", InternalPosition: 8, InternalQuery: "SELECT select one()", Where: function + "RETURN"}, true, true, ""},
		"a name that dynamic SQL made":     {pgconn.PgError{Code: "42883", InternalPosition: 8, InternalQuery: "select canary()", Where: function + "EXECUTE"}, false, false, "undefined function in"},
		"a value that dynamic SQL put in":  {pgconn.PgError{Code: "42703", InternalPosition: 8, InternalQuery: "SELECT select one()", Where: function + "EXECUTE\nCOPY t, line 1"}, false, false, "undefined column in"},
		"a context in no known form":       {pgconn.PgError{Code: "38000", Where: "canary in Python"}, false, false, "external routine exception ("},
		"a code that nobody knows":         {pgconn.PgError{Code: "F0000"}, false, false, "error ("},
		"a context that ends with a value": {pgconn.PgError{Code: "P0001", Where: "PL/pgSQL function f(text) line 1 at canary\ncanary"}, false, false, ""},
	} {
		c.pg.Message, c.pg.Hint, c.pg.Detail = "canary", "canary", "canary"
		for about, shown := range map[subject]bool{aboutSchema: true, aboutBoth: c.index, aboutRows: c.rows} {
			err := classify(targetSide, fmt.Errorf("make it: %w", discreet(&c.pg, about, written)))
			if got := strings.Contains(strings.ReplaceAll(err.Error(), "at canary", ""), "canary"); got != shown {
				t.Errorf("%s, subject %d: shown %t: %v", name, about, got, err)
			}
			if !shown && !strings.Contains(err.Error(), c.holds) {
				t.Errorf("%s: %v does not say %q", name, err, c.holds)
			}
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != c.pg.Code || !shown && pg.ColumnName+pg.Where+pg.InternalQuery+pg.Detail != "" {
				t.Errorf("%s: %+v is left", name, pg)
			}
		}
	}
}

// atOneServer has functions that lean on a path, and rows whose values are not to
// be seen.
const atOneServer = `create schema app; set search_path = app;
	create function calm(text) returns text language sql immutable as 'select $1'; create function lean(text) returns text language plpgsql immutable as 'begin return calm($1); end';
	create function dynamic(text) returns text language plpgsql immutable as 'declare r text; begin execute ''select '' || $1 || ''($1)'' into r using $1; return r; end';
	create function raised(text) returns text language plpgsql immutable as 'begin raise exception ''no %'', $1 using hint = $1; end';
	create table t (id int primary key, w text, a int, unique nulls not distinct (a)); insert into t values (1, 'canary', null);
	create table later (n int); create function how_many() returns bigint language sql stable as 'select count(*) from later'; create materialized view counted as select how_many() with no data`

// TestWordsOfANewServer: from PostgreSQL 17 on functions of indexes and views have a
// path of their own. Advice and names from the source come through, values do not.
func TestWordsOfANewServer(t *testing.T) {
	t.Parallel()
	srv := pgtest.New(t, 18)
	srv.Exec(t, "postgres", atOneServer)
	srv.Exec(t, "postgres", "create role watcher login password '"+pgtest.Password+"'; grant pg_read_all_stats to watcher with inherit false")
	srv.Exec(t, "postgres", "create database closed")
	srv.Exec(t, "postgres", "revoke connect on database closed from public")
	s, err := newServer(targetSide, endpoint(srv, pgtest.Superuser), "circleci-dr/test")
	if err != nil {
		t.Fatal(err)
	}
	const advice = "give the function its own, such as alter function … set search_path = app"
	err = s.with(t.Context(), "postgres", func(conn *pgx.Conn) error {
		for _, c := range []struct {
			sql, says string
			advised   bool
		}{
			{"create index on app.t (app.lean(w))", "function calm(text) does not exist (SQLSTATE 42883)", true},
			{"refresh materialized view app.counted", `relation "later" does not exist (SQLSTATE 42P01)`, true},
			{"create index on app.t (app.dynamic(w))", "undefined function in PL/pgSQL function app.dynamic(text) line 1 at EXECUTE (", true},
			{"create index on app.t (app.raised(w))", "raise exception in PL/pgSQL function app.raised(text) line 1 at RAISE (", false},
			{"create index on app.t ((w::int))", "invalid text representation (", false},
			{"create index on app.nowhere (w)", `relation "app.nowhere" does not exist`, false},
		} {
			about := aboutBoth
			if strings.HasPrefix(c.sql, "refresh") {
				about = aboutRows
			}
			err := task{what: "make it", err: execLeaning(t.Context(), conn, "app", c.sql, about)}.failure()
			if err == nil || !strings.HasPrefix(err.Error(), "make it: ERROR: ") || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "canary") {
				t.Errorf("%s: %v", c.sql, err)
			}
			if n := strings.Count(fmt.Sprint(err), advice); n > 1 || (n == 1) != c.advised {
				t.Errorf("%s: advised %d times: %v", c.sql, n, err)
			}
			if said := (breach{pg: aboutObject(err)}).said(); c.advised != strings.HasSuffix(said, "(hint: PostgreSQL 17 and newer run functions of indexes and materialized views with a search path of pg_catalog only: "+advice+")") {
				t.Errorf("%s: the finding says %s", c.sql, said)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	nullsThatAreEqual(t, srv, s)
	sizesOfAMember(t, srv)
}

// nullsThatAreEqual: a key may call NULLs equal.
func nullsThatAreEqual(t *testing.T, srv *pgtest.Server, s *server) {
	t.Helper()
	srv.Exec(t, "postgres", "update pg_index set indisready = false where indexrelid = 'app.t_a_key'::regclass")
	srv.Exec(t, "postgres", "insert into app.t (id, a) values (2, null), (3, 1)")
	err := s.with(t.Context(), "postgres", func(conn *pgx.Conn) error {
		d := &databaseCopy{copyRun: &copyRun{job: &job{source: s, target: s}}, source: conn, database: database{name: "postgres"}}
		e := entry{}
		if err := conn.QueryRow(t.Context(), "select 'pg_constraint'::regclass::oid, oid from pg_constraint where conname = 't_a_key'").Scan(&e.catalog, &e.oid); err != nil {
			return err
		}
		k, err := d.keptBy(t.Context(), breach{task: task{entry: &e}, pg: &pgconn.PgError{Code: "23505"}})
		if err != nil {
			return err
		}
		rows, err := d.rowsOf(t.Context(), k)
		if rows != "2 rows, with id 1, 2" {
			t.Errorf("named %q", rows)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// sizesOfAMember: what a role is only a member of gives it no right.
func sizesOfAMember(t *testing.T, srv *pgtest.Server) {
	t.Helper()
	conn, err := srv.ConnectAs(t.Context(), "watcher", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(context.Background(), conn)
	if used, err := usedDisk(t.Context(), conn); err != nil || used == 0 {
		t.Errorf("%d bytes are used, %v", used, err)
	}
}

// Tables that cannot be read are no fault of the target, and advice is given once.
func TestUnmadeNamesTheSide(t *testing.T) {
	t.Parallel()
	failing := func(what, side string) task {
		pg := &pgconn.PgError{Severity: "ERROR", Code: "42501", Message: "no", Hint: "ask " + what}
		if side == "" {
			return task{what: what, err: pg} // as a statement on the target fails
		}
		return task{what: what, err: classify(side, pg)}
	}
	for want, left := range map[string][]task{
		"source: a: ERROR: no (SQLSTATE 42501) (hint: ask a)":                                                                                                   {failing("a", sourceSide)},
		"target: a: ERROR: no (SQLSTATE 42501) (hint: ask a)":                                                                                                   {failing("a", "")},
		"source: 2 objects could not be made: a: ERROR: no (SQLSTATE 42501) (hint: ask a)\nb: ERROR: no (SQLSTATE 42501) (hint: ask b)":                         {failing("a", sourceSide), failing("b", sourceSide)},
		"target: 2 objects could not be made: a: ERROR: no (SQLSTATE 42501) (hint: ask a)\nb: ERROR: no (SQLSTATE 42501) (hint: ask b)":                         {failing("a", targetSide), failing("b", "")},
		": 2 objects could not be made: on the source: a: ERROR: no (SQLSTATE 42501) (hint: ask a)\non the target: b: ERROR: no (SQLSTATE 42501) (hint: ask b)": {failing("a", sourceSide), failing("b", "")},
	} {
		var known *mover.Error
		if err := unmade(left); !errors.As(err, &known) || known.Code != mover.CodePrivilege || known.Side+": "+err.Error() != want {
			t.Errorf("got %+v, want %s", known, want)
		}
	}
}
