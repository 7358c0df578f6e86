package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// beside is what people put beside their databases' own objects, and what the
// plan must say of it: kind, database, object.
const (
	besideServer = `create role app login password 'from-the-source'; create role auditor;
		alter system set search_path = app, public; alter system set timezone = 'Asia/Tokyo'; alter system set default_text_search_config = 'pg_catalog.german'; alter system set work_mem = '5MB'; set my_app.mode = 'x';
		alter system set my_app.mode = 'strict'; select pg_reload_conf()`
	besideTemplate = `create function uuid_short() returns text language sql as $$ select md5(random()::text) $$; create table strays (id int);
		create function pg_catalog.everywhere() returns int language sql as 'select 1'`
	besideMain = `create extension pgcrypto; create extension pg_stat_statements; create extension hstore schema public;
		revoke execute on function digest(text, text) from public; grant execute on function digest(text, text) to auditor;
		grant execute on function pg_ls_dir(text) to auditor; revoke execute on function pg_sleep(double precision) from public; grant select (rolname) on pg_authid to auditor;
		create function pg_catalog.quick() returns int language sql as 'select 1'; create view information_schema.mine as select 1 as one;
		alter text search configuration english alter mapping for word with simple; alter function pg_catalog.lower(text) cost 5; comment on function pg_catalog.upper(text) is 'changed'; grant select on information_schema.tables to auditor`
	besideMember = `create table owned (id int primary key); create index script on owned (id); alter extension hstore add table owned`
)

const wantBeside = `
left-in-system-schema main: function pg_catalog.quick()
left-in-system-schema main: view information_schema.mine
left-on-extension main: column late of table public.owned of extension hstore
left-on-extension main: index public.added of extension hstore
left-on-extension main: policy added on public.owned of extension hstore
left-on-extension main: trigger added on public.owned of extension hstore
left-privilege main: column rolname of table pg_authid (the server's own) granted SELECT to auditor
left-privilege main: routine pg_ls_dir(text) (the server's own) granted EXECUTE to auditor
left-privilege main: routine pg_sleep(double precision) (the server's own) revoked EXECUTE from public
left-privilege main: routine public.digest(text,text) (extension pgcrypto) granted EXECUTE to auditor, revoked EXECUTE from public
left-privilege main: table information_schema.tables (the server's own) granted SELECT to auditor
left-server-object : setting work_mem of database postgres
left-system-change main: function pg_catalog.lower(pg_catalog.text)
left-system-change main: function pg_catalog.upper(pg_catalog.text)
left-system-change main: text search configuration pg_catalog.english
left-template : function pg_catalog.everywhere()
left-template : function public.uuid_short()
left-template : table public.strays
role-kept : role app
`

// TestWhatIsBesideIsNamed finds with the application up what no dump holds.
func TestWhatIsBesideIsNamed(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 15)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "postgres", "alter database postgres set work_mem = '9MB'")
	conn, err := p.source.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	for one := range strings.SplitSeq(besideServer, ";") {
		if _, err := conn.Exec(t.Context(), one); err != nil {
			t.Fatal(err)
		}
	}
	p.source.Exec(t, "main", besideMain)
	p.source.Exec(t, "main", besideMember)
	p.source.Exec(t, "main", `create index added on owned (id); alter table owned add late int; create function touch() returns trigger language plpgsql as 'begin return new; end';
		create trigger added before insert on owned for each row execute function touch(); create policy added on owned using (true)`)
	p.source.Exec(t, template1, besideTemplate)
	p.target.Exec(t, "postgres", "create role app login password 'from-the-dba'")

	inspected := do[mover.InspectResult](t, p, mover.OpInspect)
	var got []string
	for _, l := range slices.Concat(inspected.Source.Database.Uncarried, inspected.Uncarried) {
		got = append(got, strings.TrimSpace(string(l.Kind)+" "+l.Database+": "+l.Object+" "+l.Detail))
	}
	slices.Sort(got)
	want := strings.Split(strings.TrimSpace(wantBeside), "\n")
	if !slices.Equal(got, want) {
		t.Errorf("left behind\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	from, to := inspected.Source.Database.ServerSettings, inspected.Target.Database.ServerSettings
	for name, values := range map[string][2]string{"search_path": {"app, public", `"$user", public`}, "TimeZone": {"Asia/Tokyo", "Etc/UTC"},
		"default_text_search_config": {"pg_catalog.german", "pg_catalog.english"}, "my_app.mode": {"strict", ""}} {
		if from[name].Value != values[0] || to[name].Value != values[1] || from[name].Hidden {
			t.Errorf("%s: %+v and %+v, want %q", name, from[name], to[name], values)
		}
	}
}

// TestNothingIsBeside: of ordinary servers with extensions nothing is named.
func TestNothingIsBeside(t *testing.T) {
	t.Parallel()
	for _, major := range []int{12, 15} {
		p := pair{source: pgtest.New(t, major), target: pgtest.New(t, 15), admin: pgtest.Superuser}
		p.source.Exec(t, "postgres", "create database main")
		for _, extension := range []string{"pgcrypto", "hstore", "pg_trgm", "pg_stat_statements", "postgres_fdw", "tablefunc", "citext", "btree_gist", "uuid-ossp"} {
			p.source.Exec(t, "main", `create extension "`+extension+`"`)
		}
		p.source.Exec(t, "main", "create role app; create table t (id int primary key, n int generated always as (id * 2) stored); insert into t values (1); grant select on t to app; analyze")
		p.source.Exec(t, "main", "vacuum full")
		inspected := do[mover.InspectResult](t, p, mover.OpInspect)
		for _, db := range []*mover.Database{inspected.Source.Database, inspected.Target.Database} {
			if len(db.Uncarried) > 0 || len(db.ServerSettings) < 200 {
				t.Errorf("PostgreSQL %s: %d settings, left behind %+v", db.ServerVersion, len(db.ServerSettings), db.Uncarried)
			}
		}
	}
}

// TestChangedPrivilegesOfMembersAreCarried: a superuser may change what
// extensions and the server own, as pg_dump does.
func TestChangedPrivilegesOfMembersAreCarried(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.New(t, 12), target: pgtest.New(t, 15), admin: pgtest.Superuser}
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "postgres", "create role auditor")
	p.source.Exec(t, "main", `create extension pgcrypto; revoke execute on function digest(text, text) from public; grant execute on function digest(text, text) to auditor with grant option;
		revoke all on function pg_ls_dir(text) from public; grant execute on function pg_ls_dir(text) to auditor; revoke execute on function pg_sleep(double precision) from public;
		grant select (rolname) on pg_authid to auditor; grant usage on language plpgsql to auditor; revoke usage on language plpgsql from public; grant execute on function pg_start_backup(text, boolean, boolean) to auditor`)
	inspected := do[mover.InspectResult](t, p, mover.OpInspect)
	if len(inspected.Uncarried) != 1 || inspected.Uncarried[0].Object != "privileges of routine pg_start_backup(text,boolean,boolean)" {
		t.Errorf("left %+v, want what PostgreSQL 15 does not have", inspected.Uncarried)
	}
	const check = `select string_agg(x, ' ' order by x) from (select p.oid::regprocedure || ':' || (select string_agg(a::text, ',' order by a::text) from unnest(p.proacl) a) as x from pg_proc p
		where p.oid::regprocedure::text in ('digest(text,text)', 'pg_ls_dir(text)', 'pg_sleep(double precision)')
		union all select attname || attacl::text from pg_attribute where attrelid = 'pg_authid'::regclass and attname = 'rolname'
		union all select lanname || (select string_agg(a::text, ',' order by a::text) from unnest(lanacl) a) from pg_language where lanname = 'plpgsql') x`
	p.copied(t)
	if from, to := p.source.Value(t, "main", "("+check+")"), p.target.Value(t, "main", "("+check+")"); from != to || !strings.Contains(to, "auditor=X*") {
		t.Errorf("the source has\n%s\nthe target\n%s", from, to)
	}
	for _, m := range [][2]string{
		{"grant execute on function digest(text, text) to public", "main: privilege routine public.digest(text,text): differs"},
		{"revoke execute on function pg_ls_dir(text) from auditor", "main: privilege routine pg_ls_dir(text): differs"},
		{"grant execute on function pg_ls_waldir() to auditor", "main: privilege routine pg_ls_waldir(): is on the target only"},
	} {
		p.target.Exec(t, "main", m[0])
		if got := differences(do[mover.Proof](t, p, mover.OpProve)); !slices.Contains(got, m[1]) {
			t.Errorf("%s: differences %q, want %q", m[0], got, m[1])
		}
	}
}

// TestStaleGeneratedColumns: what a copy computes anew is compared with what the
// source holds, before the outage and by the proof.
func TestStaleGeneratedColumns(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.New(t, 12), target: pgtest.New(t, 15), admin: pgtest.Superuser}
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", `create function fee(int) returns int language sql immutable as 'select $1 * 2';
		create table invoices (id int primary key, amount int, fee int generated always as (fee(amount)) stored); insert into invoices select g, g * 100 from generate_series(1, 5) g;
		create table fine (a numeric(9, 2), b numeric(5, 1) generated always as (a / 3) stored, c varchar(4) generated always as ('x' || a::int::text) stored, d point generated always as (point(a::float8, 1)) stored);
		insert into fine select g from generate_series(1, 9) g;
		create function slowly(int) returns int language plpgsql immutable as 'begin perform pg_sleep(0.5); return $1; end'; create table slow (id int, n int generated always as (slowly(id)) stored);
		insert into slow select g from generate_series(1, 1) g;
		create function leaning(int) returns int language sql immutable as 'select fee($1)'; create table leans (id int, n int generated always as (leaning(id)) stored); insert into leans values (1);
		create role app; alter table invoices owner to app`)
	blocked := func() (objects []string) {
		for _, o := range do[mover.InspectResult](t, p, mover.OpInspect).Blocked {
			objects = append(objects, o.Object)
		}
		return objects
	}
	if got := blocked(); got != nil {
		t.Errorf("blocked by %q", got)
	}
	p.source.Exec(t, "main", `create or replace function fee(int) returns int language sql immutable as 'select $1 * 3'; insert into invoices values (6, 600);
		create or replace function slowly(int) returns int language plpgsql immutable as 'begin perform pg_sleep(9); return $1; end'`)
	if got, want := blocked(), []string{"stored generated column fee of table public.invoices", "stored generated column n of table public.leans"}; !slices.Equal(got, want) {
		t.Errorf("blocked by %q, want %q", got, want)
	}
	left := do[mover.InspectResult](t, p, mover.OpInspect).Source.Database.Uncarried
	if len(left) != 1 || left[0].Kind != mover.UncarriedGenerated || left[0].Object != "stored generated column n of table public.slow" {
		t.Errorf("left %+v", left)
	}
	p.source.Exec(t, "main", "drop table slow")
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	got := differences(do[mover.Proof](t, p, mover.OpProve))
	want := []string{"main: table public.invoices: content differs: same row count, other digest", "main: table public.leans: content differs: same row count, other digest"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
}
