package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// carried are databases that a copy stumbled over once.
var carried = []string{
	// A list that is empty is stored as a name that no statement takes.
	`create role lists; alter role lists set search_path = ''; alter role lists set local_preload_libraries = '';
	alter role lists in database db0 set search_path = '$user', "we ird", 'q"u', '', "a,b"`,
	// Where a row belongs depends on an enum that the key's type holds.
	`create type mood as enum ('sad', 'meh', 'happy'); create domain temper as mood;
	create table by_domain (m temper, n int) partition by hash (m);
	create table by_array (m mood[], n int) partition by hash (m);
	create table by_expression (m mood, n int) partition by hash ((greatest(m, 'meh')));
	do $$ declare t text; begin foreach t in array '{by_domain,by_array,by_expression}'::text[] loop
		for r in 0..4 loop execute format('create table %s_%s partition of %1$s for values with (modulus 5, remainder %2$s)', t, r); end loop;
	end loop; end $$;
	insert into by_domain select (enum_range(null::mood))[1 + g % 3], g from generate_series(1, 90) g;
	insert into by_array select array[(enum_range(null::mood))[1 + g % 3], 'sad'], g from generate_series(1, 90) g;
	insert into by_expression select (enum_range(null::mood))[1 + g % 3], g from generate_series(1, 90) g`,
	// A view's definition locks the table it is of.
	`create table forced (id int); insert into forced values (1); alter table forced enable row level security, force row level security;
	create view seen as select * from forced; create policy own on forced using (id in (select id from forced))`,
	`comment on schema public is 'ours'`,
	`comment on schema public is null`,
	// Functions that lean on the application's search path.
	`create table rates (r bigint); insert into rates values (3); create function top() returns bigint language sql stable as 'select max(r) from rates';
	create function plus(int) returns int language sql immutable as 'select $1 + 1'; create function small(int) returns bool language sql immutable as 'select plus($1) < 10';
	create function low(text) returns text language plpgsql immutable as 'begin return lower(same($1)); end'; create function same(text) returns text language sql immutable as 'select $1';
	create domain few as int check (small(value)); create table t (a int check (small(a)), b few, c text, d int generated always as (plus(a)) stored);
	insert into t values (1, 2, 'X'); create index on t (low(c)); create materialized view best as select top() as r`,
	`create schema app; create schema other; alter database db6 set search_path = 'app', 'other';
	set search_path = app; create function one() returns int language sql immutable as 'select 1'; create function two() returns int language sql immutable as 'select one() + 1';
	create materialized view mv as select two() as n; create table t (a int check (a < two())); insert into t values (1);
	create type mood as enum ('calm', 'odd'); create function once(text) returns text language sql immutable as 'select $1'; create function twice(text) returns text language sql immutable as 'select $1 || once($1)';
	create table moods (m mood, n text, of regclass) partition by hash (m); create table moods_all partition of moods for values with (modulus 1, remainder 0);
	insert into moods values ('calm', 'x', 't'), ('odd', 'y', 't'); create index on moods_all (twice(n));
	create materialized view doubled as select n from moods; create index on doubled (twice(n))`,
	// The composite types of a trusted extension belong to the server's own role.
	`create extension tablefunc`,
	// A domain's default is stored as it was typed.
	`create function one() returns int language sql as 'select 1'; create domain counted as int default one()`,
	// A database without an encoding keeps bytes that are no UTF-8.
	`create table bytes (a text, b varchar, d text[]); insert into bytes values (convert_from('\xe9ff41', 'SQL_ASCII'), E'\xe9', array[E'\xe9', 'é']);
	create index on bytes (a); comment on table bytes is E'caf\xe9'; create function f() returns text language sql as E'select ''\xe9''::text';
	create type mood as enum (E'\xe9')`,
}

func TestCarried(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	for i, sql := range carried {
		name := fmt.Sprintf("db%d", i)
		encoding := "UTF8"
		if strings.Contains(sql, sqlASCII) {
			encoding = sqlASCII
		}
		p.source.Exec(t, "postgres", "create database "+name+" template template0 lc_collate 'C' lc_ctype 'C' encoding "+encoding)
		p.source.Exec(t, name, sql)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
	do[mover.ReadResult](t, p, mover.OpRead)
	do[struct{}](t, p, mover.OpCommit)
	do[struct{}](t, p, mover.OpWithdraw) // which reads everything once more
}

// TestForeignPartitionIsNotAsked copies a table of which a part is on another
// server, which nobody has to reach for it.
func TestForeignPartitionIsNotAsked(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.New(t, 12), target: pgtest.New(t, 14), admin: pgtest.Superuser}
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", `create extension postgres_fdw; create server far foreign data wrapper postgres_fdw options (host 'far.invalid');
		create table parts (id int) partition by range (id); create table near partition of parts for values from (1) to (2);
		create foreign table away partition of parts for values from (0) to (1) server far; insert into near values (1)`)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

// TestPrivilegesLeftAreNamed: extensions and the server own their objects on
// the target too, where an admin role that is no superuser may give nothing away.
func TestPrivilegesLeftAreNamed(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database main; ")
	p.source.Exec(t, "main", `create role app; create extension pgcrypto; grant execute on all functions in schema public to app;
		revoke execute on function pg_sleep(double precision) from public`)
	named := map[string]bool{}
	for _, l := range do[mover.InspectResult](t, p, mover.OpInspect).Source.Database.Uncarried {
		if l.Kind == mover.UncarriedPrivilege && l.Superuser && l.Database == "main" {
			named[l.Object+": "+l.Detail] = true
		}
	}
	for _, want := range []string{"routine public.armor(bytea) (extension pgcrypto): granted EXECUTE to app", "routine pg_sleep(double precision) (the server's own): revoked EXECUTE from public"} {
		if !named[want] || len(named) != 37 {
			t.Errorf("%q is not among %d: %v", want, len(named), named)
		}
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

// TestADatabaseNobodyMayConnectTo: a copy of it would lock the target's admin
// role out as soon as it has the source's privileges. One that some role may
// connect to is moved: the admin role becomes a member of that.
func TestADatabaseNobodyMayConnectTo(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create role app login; create role reader login")
	p.source.Exec(t, "postgres", "create database main owner app")
	p.source.Exec(t, "main", "create table t (id int); alter table t owner to app")
	blocked := func() []mover.UnsupportedObject {
		return do[mover.InspectResult](t, p, mover.OpInspect).Blocked
	}
	want := []mover.UnsupportedObject{unsupported("main", "database main", "locked")}
	for _, revoked := range []string{"connect", "create"} {
		p.source.Exec(t, "postgres", "revoke "+revoked+" on database main from public, app")
		if got := blocked(); !slices.Equal(got, want) {
			t.Errorf("without %s: blocked by %+v, want %+v", revoked, got, want)
		}
		p.source.Exec(t, "postgres", "grant "+revoked+" on database main to reader")
	}
	if got := blocked(); len(got) > 0 {
		t.Errorf("blocked by %+v", got)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

// TestATableOfAnExtensionIsNamed: what CREATE EXTENSION does not make is
// nowhere on the target, and no proof would miss it.
func TestATableOfAnExtensionIsNamed(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", "create extension hstore; create extension citext; create extension pg_stat_statements; create schema moved")
	p.source.Exec(t, "main", "create table by_hand (id serial, at text)")
	p.source.Exec(t, "main", "alter extension hstore add table by_hand; alter extension pg_stat_statements set schema moved")
	p.source.Exec(t, "main", "create table at_once (id int); alter extension citext add table at_once; alter extension citext set schema moved")
	line := func(table, extension string) string {
		return "table " + table + " of database main is a member of extension " + extension + " and not of its configuration: it is not carried, the target has what CREATE EXTENSION makes"
	}
	inspected := do[mover.InspectResult](t, p, mover.OpInspect)
	for _, want := range []string{line("moved.at_once", "citext"), line("public.by_hand", "hstore")} {
		if !slices.Contains(inspected.Adapted, want) {
			t.Errorf("%q is not in %q", want, inspected.Adapted)
		}
	}
	want := []mover.UnsupportedObject{unsupported("main", "table public.by_hand of extension hstore", "by hand")}
	if !slices.Equal(inspected.Blocked, want) {
		t.Errorf("blocked by %+v, want %+v", inspected.Blocked, want)
	}
	p.source.Exec(t, "main", "alter extension hstore drop table by_hand; alter extension citext drop table moved.at_once; insert into by_hand (at) values ('here')")
	inspected = do[mover.InspectResult](t, p, mover.OpInspect)
	if len(inspected.Blocked) > 0 || strings.Contains(strings.Join(inspected.Adapted, "\n"), "is a member of extension") {
		t.Errorf("blocked by %+v, adapted %q", inspected.Blocked, inspected.Adapted)
	}
}

func TestPublishedSchemaNeedsASuperuser(t *testing.T) {
	t.Parallel()
	p := newPair(t, 15, 15)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", "create publication whole for tables in schema public")
	blocked := do[mover.InspectResult](t, p, mover.OpInspect).Blocked
	if len(blocked) != 1 || blocked[0].Object != "publication whole for tables in a schema" {
		t.Errorf("blocked by %+v", blocked)
	}
}

// TestWhatCannotBeCarriedIsNamedFirst finds before anything stops what a proof
// would find different at the end of an outage.
func TestWhatCannotBeCarriedIsNamedFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", `create table twins (id int); insert into twins values (1), (1);
		create table parent (id int); create table child (own text) inherits (parent); alter table parent add late int;
		create table grandchild () inherits (child);
		create table joined (own text, id int, late int); alter table joined inherit parent;
		create table plain (more text) inherits (parent);
		create table jobs (id int primary key); create table steps (job int constraint of_job references jobs); alter table steps disable trigger all;
		create aggregate joined_up (anyarray) (sfunc = array_cat, stype = anyarray); create aggregate collected (int) (sfunc = array_append, stype = int[]);
		create operator %+% (leftarg = anyarray, rightarg = anyarray, function = array_cat); create function twice(int) returns int language sql as 'select 2 * $1';
		create operator !!! (leftarg = int, function = twice);
		create function quiet() returns int language sql set session_replication_role = replica set our.own = 'x' set "TimeZone" = 'UTC' as 'select 1'`)
	conn, err := p.source.Connect(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	if _, err := conn.Exec(t.Context(), "create unique index concurrently unbuilt on twins (id)"); err == nil {
		t.Fatal("the index was built")
	}
	p.source.Exec(t, "postgres", "alter database main connection limit 2")
	var got []string
	for _, o := range do[mover.InspectResult](t, p, mover.OpInspect).Blocked {
		got = append(got, o.Object)
	}
	want := []string{"aggregate public.joined_up(anyarray)", "database main", "disabled foreign key triggers of of_job on public.steps", "function public.quiet() with a setting of our.own",
		"function public.quiet() with a setting of session_replication_role", "index public.unbuilt", "operator public.%+%(anyarray,anyarray)", "postfix operator public.!!!(integer,NONE)", "table public.child"}
	if !slices.Equal(got, want) {
		t.Errorf("named %q, want %q", got, want)
	}
}
