package postgres

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

const hiddenBase = `create table k (a int, b text, c bigint, primary key (a, c), unique (c));
	create table h (id int primary key, a int, b text, c text collate "C", d bigint, constraint later check (id > 0));
	create index h_b on h (b, a) include (id);
	alter table h add constraint h_key foreign key (a, d) references k on update cascade, add constraint h_unique unique (a) deferrable;
	create function f(a int, inout b text) language sql as 'select b';
	create procedure p(inout a int) language sql as 'select a';
	create table lists (b text) partition by list (b);
	create table spans (a int, b date) partition by range (a, b);
	create table span partition of spans for values from (1, '2020-01-01') to (2, maxvalue);
	create statistics h_stats (dependencies) on a, b from h;
	create extension pg_trgm;
	create function near(a text, b text) returns boolean language sql as 'select true';
	alter function near(text, text) depends on extension pg_trgm;
	create transform for int language sql (from sql with function prsd_lextype(internal), to sql with function int4recv(internal));
	create function turned(int) returns int language sql transform for type int as 'select 1';
	create extension postgres_fdw;
	create foreign data wrapper files options (one '1', two '2');
	create server archive foreign data wrapper postgres_fdw options (host '192.0.2.7', port '5432', dbname 'archive', fetch_size '50');
	create server other foreign data wrapper files options (password 'not-to-be-seen', host 'a', token 'nor-this');
	create foreign table old (id int options (column_name 'build id')) server archive options (table_name 'builds', schema_name 'public');`

// hidden are changes on the target that no printed text shows, or that two
// servers show otherwise.
var hidden = []struct {
	name, sql, undo string
	want            []string
}{
	{"operator class", "drop index h_b; create index h_b on h (b text_pattern_ops, a) include (id)", "drop index h_b; create index h_b on h (b, a) include (id)", []string{"main: index public.h_b: order of column 1 differs"}},
	{"collation and order", `drop index h_b; create index h_b on h (b collate "C" desc, a nulls first) include (id)`, "drop index h_b; create index h_b on h (b, a) include (id)",
		[]string{"main: index public.h_b: order of column 1 differs", "main: index public.h_b: order of column 2 differs"}},
	{"columns", "drop index h_b; create index h_b on h (b) include (id)", "drop index h_b; create index h_b on h (b, a) include (id)",
		[]string{"main: index public.h_b: column 2 differs", "main: index public.h_b: column 3 is missing on the target", "main: index public.h_b: order of column 2 is missing on the target"}},
	{"unique", "drop index h_b; create unique index h_b on h (b, a) include (id)", "drop index h_b; create index h_b on h (b, a) include (id)", []string{"main: index public.h_b: unique differs"}},
	{"parameters", "alter index h_b set (fillfactor = 50)", "alter index h_b reset (fillfactor)", []string{"main: index public.h_b: options differs"}},
	{"action of a key", "alter table h drop constraint h_key, add constraint h_key foreign key (a, d) references k on update set null", "alter table h drop constraint h_key, add constraint h_key foreign key (a, d) references k on update cascade",
		[]string{"main: constraint h_key on public.h: definition differs"}},
	{"deferrable", "alter table h drop constraint h_unique, add constraint h_unique unique (a) deferrable initially deferred", "alter table h drop constraint h_unique, add constraint h_unique unique (a) deferrable",
		[]string{"main: constraint h_unique on public.h: deferrable differs", "main: constraint h_unique on public.h: definition differs"}},
	{"no inherit", "alter table h drop constraint later, add constraint later check (id > 0) no inherit", "alter table h drop constraint later, add constraint later check (id > 0)",
		[]string{"main: constraint later on public.h: inherited differs"}},
	{"argument's mode", "drop function f; create function f(a int, b text) returns text language sql as 'select b'", "drop function f; create function f(a int, inout b text) language sql as 'select b'",
		[]string{"main: routine public.f(integer,pg_catalog.text): arguments differs"}},
	{"result", "drop function f; create function f(a int, inout b text) returns setof text language sql as 'select b'", "drop function f; create function f(a int, inout b text) language sql as 'select b'",
		[]string{"main: routine public.f(integer,pg_catalog.text): result differs", "main: routine public.f(integer,pg_catalog.text): rows differs"}},
	{"partition key's class", "drop table lists; create table lists (b text) partition by list (b text_pattern_ops)", "drop table lists; create table lists (b text) partition by list (b)",
		[]string{"main: table public.lists: partition key differs", "main: table public.lists: partitioned by differs"}},
	{"partition bound", "drop table span; create table span partition of spans for values from (1, '2020-01-01') to (3, maxvalue)", "drop table span; create table span partition of spans for values from (1, '2020-01-01') to (2, maxvalue)",
		[]string{"main: table public.span: partition bound differs"}},
	{"kinds of statistics", "drop statistics h_stats; create statistics h_stats (ndistinct) on a, b from h", "drop statistics h_stats; create statistics h_stats (dependencies) on a, b from h",
		[]string{"main: statistics object public.h_stats: kinds differs"}},
	{"transform", "create or replace function turned(int) returns int language sql as 'select 1'; create or replace transform for int language sql (from sql with function prsd_lextype(internal))",
		`create or replace function turned(int) returns int language sql transform for type int as 'select 1';
		create or replace transform for int language sql (from sql with function prsd_lextype(internal), to sql with function int4recv(internal))`,
		[]string{"main: routine public.turned(integer): transforms differs", "main: transform for integer language sql: to differs"}},
	{"extension dependence", "drop function near; create function near(a text, b text) returns boolean language sql as 'select true'", "alter function near(text, text) depends on extension pg_trgm",
		[]string{"main: extension dependence function public.near(pg_catalog.text,pg_catalog.text): is missing on the target"}},
	{"order of options", "alter server archive options (drop host); alter server archive options (add host '192.0.2.7'); alter foreign data wrapper files options (drop one); alter foreign data wrapper files options (add one '1')", "select 1", nil},
	{"option", "alter server archive options (set fetch_size '51', drop port)", "alter server archive options (set fetch_size '50', add port '5432')",
		[]string{"main: foreign server archive: option fetch_size differs", "main: foreign server archive: option port is missing on the target"}},
	{"secret option", "alter server other options (set password 'another-secret', drop token, add key 'extra-secret')", "alter server other options (set password 'not-to-be-seen', add token 'nor-this', drop key)",
		[]string{"main: foreign server other: option key is on the target only", "main: foreign server other: option password differs", "main: foreign server other: option token is missing on the target"}},
	{"wrapper's option", "alter foreign data wrapper files options (set two '3')", "alter foreign data wrapper files options (set two '2')", []string{"main: foreign data wrapper files: option two differs"}},
	{"foreign table's", "alter foreign table old options (set table_name 'jobs'); alter foreign table old alter id options (drop column_name)", "alter foreign table old options (set table_name 'builds'); alter foreign table old alter id options (add column_name 'build id')",
		[]string{"main: column public.old.id: option column_name is missing on the target", "main: table public.old: option table_name differs"}},
	{"server of a foreign table", "drop foreign table old; create foreign table old (id int options (column_name 'build id')) server other options (table_name 'builds', schema_name 'public')",
		"drop foreign table old; create foreign table old (id int options (column_name 'build id')) server archive options (table_name 'builds', schema_name 'public')", []string{"main: table public.old: foreign server differs"}},
	{"text that cannot be read in", "alter table h drop constraint later, add constraint later check (id::text > ''); alter table h rename id to number", "alter table h rename number to id; alter table h drop constraint later, add constraint later check (id > 0)",
		[]string{"main: column public.h.id: is missing on the target", "main: column public.h.number: is on the target only",
			"main: constraint h_pkey on public.h: columns differs", "main: constraint h_pkey on public.h: definition differs",
			`main: constraint later on public.h: check differs, and the target cannot read the source's: column "id" does not exist`,
			"main: index public.h_b: column 3 differs", "main: index public.h_pkey: column 1 differs",
			"main: table public.h: rows cannot be compared: column \"id\" of relation \"h\" does not exist"}},
}

// TestProofNamesWhatTextsHide compares what is no text, or stands in none.
func TestProofNamesWhatTextsHide(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.New(t, 12), target: pgtest.New(t, 15), admin: pgtest.Superuser}
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", hiddenBase)
	p.copied(t)
	for _, m := range hidden {
		t.Run(m.name, func(t *testing.T) {
			p.target.Exec(t, "main", m.sql)
			proof := do[mover.Proof](t, p, mover.OpProve)
			got := differences(proof)
			if slices.Sort(got); !slices.Equal(got, m.want) {
				t.Errorf("differences\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(m.want, "\n"))
			}
			raw, err := json.Marshal(proof)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range []string{"not-to-be-seen", "nor-this", "another-secret", "extra-secret"} {
				if strings.Contains(string(raw), secret) {
					t.Errorf("the proof shows %q", secret)
				}
			}
			p.target.Exec(t, "main", m.undo)
		})
	}
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal at the end: %q", differences(proof))
	}
}

// TestProofWaitsForNobody proves while somebody writes to every table of the
// target in a transaction that stays open: what it would wait for, writers would
// wait for.
func TestProofWaitsForNobody(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	loadTexts(t, p)
	p.copied(t)
	conn, err := p.target.Connect(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	for _, sql := range []string{"begin",
		`do $$ declare r record; begin
			for r in select c.oid::regclass as name from pg_class c where c.relkind in ('r', 'p') and c.oid >= 16384 and c.relnamespace::regnamespace::text in ('public', 'odd') loop
				execute 'lock table ' || r.name || ' in row exclusive mode'; end loop; end $$`} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() || proof.Compared["texts read in by the target"] < 10 {
		t.Errorf("not equal: %q, compared %v", differences(proof), proof.Compared)
	}
}
