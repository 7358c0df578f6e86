package postgres

import (
	"fmt"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/jackc/pgx/v5"
)

// made are statements of every kind, and what superuserKinds lists of each:
// nothing where the owner of the database may make it.
var made = []struct {
	since  int
	before string // what the object needs, and anybody may make
	sql    string
	lists  []string
}{
	{before: "create function fires() returns event_trigger language plpgsql as 'begin end'", sql: "create event trigger watcher on ddl_command_end execute function fires()", lists: []string{"event trigger watcher"}},
	{sql: "create publication whole for all tables", lists: []string{"publication whole for all tables"}},
	{since: 15, sql: "create publication part for tables in schema public", lists: []string{"publication part for tables in a schema"}},
	{before: "create table t (id int)", sql: "create publication one for table t"},
	{sql: "create foreign data wrapper files", lists: []string{"foreign data wrapper files"}},
	{sql: "create language tongue handler plpgsql_call_handler", lists: []string{"language tongue"}},
	{sql: "create trusted language tongue handler plpgsql_call_handler", lists: []string{"language tongue"}},
	{sql: "create function low(text) returns text language internal strict as 'lower'", lists: []string{"function public.low(text) in language internal"}},
	{sql: "create function sure(int) returns int language sql leakproof as 'select 1'", lists: []string{"leakproof function public.sure(integer)"}},
	{sql: "create function supported(int) returns int language sql support generate_series_int4_support as 'select 1'",
		lists: []string{"function public.supported(integer) with support function generate_series_int4_support"}},
	{sql: "create aggregate collect (anynonarray) (sfunc = array_agg_transfn, stype = internal, finalfunc = array_agg_finalfn, finalfunc_extra)",
		lists: []string{"aggregate public.collect(anynonarray) with an internal state"}},
	{sql: `create aggregate mean (numeric) (sfunc = numeric_add, stype = numeric, msfunc = numeric_accum, mstype = internal, minvfunc = numeric_accum_inv, mfinalfunc = numeric_avg)`,
		lists: []string{"aggregate public.mean(numeric) with an internal state"}},
	{sql: "create aggregate added (numeric) (sfunc = numeric_add, stype = numeric)"},
	{sql: "create type shell", lists: []string{"shell type public.shell"}},
	{sql: `create type base; create function base_in(cstring) returns base language internal strict immutable as 'int4in'; create function base_out(base) returns cstring language internal strict immutable as 'int4out';
		create type base (input = base_in, output = base_out, like = int4)`,
		lists: []string{"base type public.base", "function public.base_in(cstring) in language internal", "function public.base_out(public.base) in language internal"}},
	{sql: "create type mood as enum ('sad'); create type pair as (a int, b text); create type span as range (subtype = timetz); create domain few as int"},
	{sql: "create cast (int as date) without function", lists: []string{"cast (integer as date)"}},
	{before: "create function truth(int) returns inet language sql as 'select ''::1''::inet'", sql: "create cast (int as inet) with function truth(int)", lists: []string{"cast (integer as inet)"}},
	{sql: "create cast (text[] as jsonb) with inout", lists: []string{"cast (text[] as jsonb)"}},
	{before: "create type mood as enum ('sad')", sql: "create cast (text as mood) with inout as assignment"},
	{before: "create type mood as enum ('sad')", sql: "create cast (mood[] as text) with inout"},
	{sql: "create operator family fam using btree", lists: []string{"operator family public.fam"}},
	{sql: "create operator class cls for type int using hash as operator 1 =, function 1 hashint4(int)", lists: []string{"operator class public.cls", "operator family public.cls"}},
	{sql: "create access method way type index handler bthandler", lists: []string{"access method way"}},
	{sql: "create text search parser words (start = prsd_start, gettoken = prsd_nexttoken, end = prsd_end, lextypes = prsd_lextype)", lists: []string{"text search parser public.words"}},
	{sql: "create text search template plain (init = dsimple_init, lexize = dsimple_lexize)", lists: []string{"text search template public.plain"}},
	{sql: "create text search dictionary lower (template = simple); create text search configuration mine (copy = simple)"},
	{sql: "create transform for int language sql (from sql with function prsd_lextype(internal))", lists: []string{"transform for integer language sql"}},
	{sql: "create conversion latin for 'UTF8' to 'LATIN1' from utf8_to_iso8859_1; create collation mine (locale = 'C'); create schema own; create table t (a int, b int); create statistics s on a, b from t"},
	{before: "create function same(int, int) returns boolean language sql as 'select $1 = $2'", sql: "create operator ~~~~ (leftarg = int, rightarg = int, function = same, restrict = eqsel, join = eqjoinsel)"},
	{sql: "create function fires() returns event_trigger language plpgsql as 'begin end'; create procedure p() language sql as 'select 1'"},
}

// TestOnlyASuperuserMayMake compares the table of kinds with what servers of
// every version say: what it lists, the owner of the database is refused, and
// what it does not list, the owner may make.
func TestOnlyASuperuserMayMake(t *testing.T) {
	t.Parallel()
	for _, major := range []int{12, 14, 15, 16, 18} {
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Parallel()
			s := pgtest.New(t, major)
			s.Exec(t, "postgres", "create role owner login createdb createrole password '"+pgtest.Password+"'")
			s.Exec(t, "postgres", "create database main owner owner")
			s.Exec(t, "main", "alter schema public owner to owner")
			for _, m := range made {
				if major < m.since {
					continue
				}
				if refused := attempt(t, s, pgtest.Superuser, m.before, m.sql, m.lists); refused != nil {
					t.Errorf("a superuser: %s: %v", m.sql, refused)
				}
				if refused := attempt(t, s, "owner", m.before, m.sql, m.lists); (refused != nil) != (len(m.lists) > 0) {
					t.Errorf("the owner: %s: got %v, but %q is what only a superuser may make", m.sql, refused, m.lists)
				}
			}
		})
	}
}

// attempt makes an object as a role, looks what is listed, and undoes all of it.
func attempt(t *testing.T, s *pgtest.Server, role, before, sql string, want []string) (refused error) {
	t.Helper()
	conn, err := s.ConnectAs(t.Context(), role, "main")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	if _, err := conn.Exec(t.Context(), "begin; "+before); err != nil {
		t.Fatalf("%s: %v", before, err)
	}
	if _, err = conn.Exec(t.Context(), sql); err != nil {
		return err
	}
	if _, err := conn.Exec(t.Context(), "set search_path = pg_catalog"); err != nil {
		t.Fatal(err)
	}
	rows, err := conn.Query(t.Context(), "select object from ("+superuserQuery(s.Major*10000)+") x(object, managed) order by 1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%s: lists %q, want %q (%v)", sql, got, want, err)
	}
	return nil
}
