package postgres

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// judgedSQL reads a database that once failed only when it was copied.
func judgedSQL(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "judged", name+".sql"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// to is the same source with another target, whose admin is a superuser or not.
func (p pair) to(t *testing.T, major int, superuser bool) pair {
	t.Helper()
	q := pair{source: p.source, target: pgtest.New(t, major), admin: pgtest.Superuser}
	if !superuser {
		q.admin = testAdmin
		q.target.Exec(t, "postgres", "create role circleci login createdb createrole password '"+pgtest.Password+"'")
	}
	return q
}

// inspect looks at both sides, which must let themselves be looked at.
func (p pair) inspect(t *testing.T) mover.InspectResult {
	t.Helper()
	result := do[mover.InspectResult](t, p, mover.OpInspect)
	if result.Source.Error != "" || result.Target.Error != "" {
		t.Fatalf("inspect: source %q, target %q", result.Source.Error, result.Target.Error)
	}
	return result
}

// objectNamesOf are the objects of a list, without their database.
func objectNamesOf(list []mover.UnsupportedObject) []string {
	var names []string
	for _, o := range list {
		names = append(names, o.Object)
	}
	slices.Sort(names)
	return names
}

// moved moves everything and fails the test unless it is proven equal.
func (p pair) moved(t *testing.T) mover.CopyResult {
	t.Helper()
	do[mover.FenceResult](t, p, mover.OpFence)
	defer do[mover.UnfenceResult](t, p, mover.OpUnfence)
	copied := do[mover.CopyResult](t, p, mover.OpCopy)
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
	return copied
}

// TestWhatOnlyASuperuserMakesIsNamed: each object by itself, and nothing where
// the target's role is a superuser; there it is carried.
func TestWhatOnlyASuperuserMakesIsNamed(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.New(t, 12)}
	for _, name := range []string{"aggregate_of_internal_state", "text_search_template"} {
		p.source.Exec(t, "postgres", "create database "+name)
		p.source.Exec(t, name, judgedSQL(t, name))
	}
	want := []string{"aggregate public.collect(anynonarray) with an internal state", "aggregate public.collect_json(anyelement) with an internal state",
		"text search parser public.words", "text search template public.plain_words"}
	for _, major := range []int{12, 15} {
		blocked := p.to(t, major, false).inspect(t).Blocked
		if got := objectNamesOf(blocked); !slices.Equal(got, want) {
			t.Errorf("12 to %d: named %q, want %q", major, got, want)
		}
		s := p.to(t, major, true)
		if blocked := s.inspect(t).Blocked; len(blocked) > 0 {
			t.Errorf("12 to %d as a superuser: named %+v", major, blocked)
		}
		if major == 15 {
			s.moved(t)
		}
	}
	p.source.Exec(t, "text_search_template", "create function fires() returns event_trigger language plpgsql as 'begin end'; create event trigger watcher on ddl_command_end execute function fires()")
	for _, o := range p.to(t, 15, false).inspect(t).Blocked {
		rds := mover.RolePrivileges{MemberOf: []string{"rds_superuser"}}
		if strings.HasPrefix(o.Object, "event trigger") != o.Fits(150000, rds) {
			t.Errorf("a managed service's administrator: %+v", o)
		}
	}
}

// TestSettingsATargetDoesNotTake: they are named and left out, and the others
// arrive; a function's SET clause is in the way.
func TestSettingsATargetDoesNotTake(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.New(t, 12)}
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", judgedSQL(t, "settings_newer_servers_refuse"))
	const own, precedence, encryption, statement, factor = "setting my-app.tenant-id of role app", "setting operator_precedence_warning of role app",
		"setting password_encryption of role app", "setting log_statement of role app", "setting vacuum_cleanup_index_scale_factor of database main"
	for _, c := range []struct {
		major     int
		superuser bool
		left      []string
	}{
		{12, true, nil},
		{14, true, []string{own, precedence, encryption, factor}},
		{15, false, []string{statement, own, precedence, encryption, factor}},
	} {
		q := p.to(t, c.major, c.superuser)
		inspected := q.inspect(t)
		if got := objectNamesOf(inspected.Omitted); !slices.Equal(got, c.left) || len(inspected.Blocked) > 0 {
			t.Errorf("12 to %d, superuser %t: left out %q, want %q; blocked %+v", c.major, c.superuser, got, c.left, inspected.Blocked)
		}
		for _, o := range inspected.Omitted {
			if o.Reason == "" || o.Fix == "" || strings.Contains(o.Reason+o.Fix, "seven") {
				t.Errorf("12 to %d: %+v", c.major, o)
			}
		}
		q.moved(t)
		const settings = "select coalesce(string_agg(x, ';' order by x), '') from pg_db_role_setting, unnest(setconfig) x where setrole = 'app'::regrole"
		want := p.source.Value(t, "postgres", settings)
		for _, item := range []string{"my-app.tenant-id=seven;", "operator_precedence_warning=on;", "password_encryption=on;", "log_statement=all;"} {
			if slices.Contains(c.left, "setting "+strings.SplitN(item, "=", 2)[0]+" of role app") {
				want = strings.Replace(want, item, "", 1)
			}
		}
		if got := q.target.Value(t, "postgres", settings); got != want {
			t.Errorf("12 to %d: the target has %q, want %q", c.major, got, want)
		}
	}

	p.source.Exec(t, "main", `create function odd() returns int language sql set operator_precedence_warning = on set password_encryption = 'on' as 'select 1';
		create function quiet() returns int language sql set log_statement = 'none' as 'select 1'`)
	q := p.to(t, 15, false)
	want := []string{"function public.odd() with a setting of operator_precedence_warning", "function public.odd() with a setting of password_encryption", "function public.quiet() with a setting of log_statement"}
	if got := objectNamesOf(q.inspect(t).Blocked); !slices.Equal(got, want) {
		t.Errorf("named %q, want %q", got, want)
	}
	q.target.Exec(t, "postgres", `grant set on parameter log_statement to circleci; grant set on parameter "my.own" to circleci`)
	p.source.Exec(t, "main", "drop function odd; alter role app set my.own = 'x'; alter role app reset \"my-app.tenant-id\"")
	inspected := q.inspect(t)
	if len(inspected.Blocked) > 0 || !slices.Equal(objectNamesOf(inspected.Omitted), []string{precedence, encryption, factor}) {
		t.Errorf("what was granted is left out: %q, blocked %+v", objectNamesOf(inspected.Omitted), inspected.Blocked)
	}
}

// TestATransactionOfSettingsLeavesNoTrace: a superseded side must not look as if
// somebody had written to it.
func TestATransactionOfSettingsLeavesNoTrace(t *testing.T) {
	t.Parallel()
	s := pgtest.New(t, 14)
	srv, err := newServer(targetSide, endpoint(s, pgtest.Superuser), "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.with(t.Context(), maintenance, func(*pgx.Conn) error { return nil }); err != nil {
		t.Fatal(err)
	}
	before := s.Value(t, "postgres", "select pg_snapshot_xmax(pg_current_snapshot())")
	refused, err := srv.refusals(t.Context(), globals{}, []settingValue{{"statement_timeout", "1ms"}, {"work_mem", "7 parsecs"}, {"no_such_setting", "x"}, {"client_encoding", "LATIN1"}, {"port", "1"}})
	if err != nil || len(refused) != 3 || refused[settingValue{"work_mem", "7 parsecs"}] == "" || refused[settingValue{"port", "1"}] == "" {
		t.Errorf("refused %v (%v)", refused, err)
	}
	if after := s.Value(t, "postgres", "select pg_snapshot_xmax(pg_current_snapshot())"); after != before {
		t.Errorf("the next transaction number was %s and is %s", before, after)
	}
}

// TestNamesAndIndexesThatNoDumpTells: a renamed trigger of a partitioned table,
// and constraints that were made from an index of another order.
func TestNamesAndIndexesThatNoDumpTells(t *testing.T) {
	t.Parallel()
	for _, major := range []int{12, 14} {
		p := pair{source: pgtest.New(t, major)}
		p.source.Exec(t, "postgres", "create database main")
		p.source.Exec(t, "main", `create function fires() returns trigger language plpgsql as 'begin return new; end';
			create table jobs (id int primary key, name text, code varchar(9) unique, span int4range, exclude using gist (span with &&));
			create table logs (id int, at date, primary key (id)) partition by range (id); create table logs_1 partition of logs for values from (1) to (9);
			create trigger watched after insert on logs for each row execute function fires();
			create trigger other before insert on logs_1 for each row execute function fires();
			create table kept (id int references logs)`)
		q := p.to(t, 15, true)
		if blocked := q.inspect(t).Blocked; len(blocked) > 0 {
			t.Errorf("%d: named %+v", major, blocked)
		}
		p.source.Exec(t, "main", "alter trigger watched on logs rename to seen")
		want := []string{"trigger watched on public.logs_1 of trigger seen on public.logs"}
		for name, sql := range map[string]string{
			"collated":    `create unique index collated on jobs (name collate "C"); alter table jobs add constraint collated unique using index collated`,
			"by_pattern":  "create unique index by_pattern on jobs (name text_pattern_ops); alter table jobs add constraint by_pattern unique using index by_pattern",
			"descending":  "create unique index descending on jobs (name desc); alter table jobs add constraint descending unique using index descending",
			"nulls_first": "create unique index nulls_first on jobs (id nulls first); alter table jobs add constraint nulls_first unique using index nulls_first",
		} {
			conn, err := p.source.Connect(t.Context(), "main")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Exec(t.Context(), sql); err == nil {
				want = append(want, "constraint "+name+" on public.jobs")
			} else {
				t.Logf("%d: %s: %v", major, name, err)
			}
			closeConn(t.Context(), conn)
		}
		slices.Sort(want)
		if got := objectNamesOf(q.inspect(t).Blocked); !slices.Equal(got, want) {
			t.Errorf("%d: named %q, want %q", major, got, want)
		}
		if got := p.source.Value(t, "main", "select count(*) from pg_constraint where conname in ('collated', 'by_pattern', 'descending', 'nulls_first')"); got != "0" {
			p.source.Exec(t, "main", "do $$ declare c name; begin for c in select conname from pg_constraint where conname in ('collated', 'by_pattern', 'descending', 'nulls_first') loop execute format('alter table jobs drop constraint %I', c); end loop; end $$")
		}
		p.source.Exec(t, "main", "alter trigger watched on logs_1 rename to seen") // what the fix says
		q.moved(t)
	}
}

// TestRowsNobodyMayReadAreCounted: on the target they could not be read again.
func TestRowsNobodyMayReadAreCounted(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.New(t, 12)}
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", judgedSQL(t, "rows_nobody_may_read")+`; create table plain (id int); create table lent (id int); alter table lent owner to tenant; revoke all on lent from tenant; grant select on lent to public;
		create table secured (id int); alter table secured enable row level security; create view seen as select 1`)
	info := p.to(t, 14, false).inspect(t).Source.Database.Databases[0]
	if !slices.Equal(info.ForcedRows, []string{"public.secrets"}) || !slices.Equal(info.ClosedRows, []string{"public.locked"}) || info.Relations != 6 {
		t.Errorf("forced %q, closed %q, %d relations", info.ForcedRows, info.ClosedRows, info.Relations)
	}
}

// TestAServerHasRoomForTheLocksItPromises: what checkLocks takes for enough, is,
// and a copy of much more fails.
func TestAServerHasRoomForTheLocksItPromises(t *testing.T) {
	t.Parallel()
	few := map[string]string{"max_locks_per_transaction": "10", "max_connections": "12", "max_prepared_transactions": "0", "max_wal_senders": "0", "max_worker_processes": "0"}
	p := pair{source: pgtest.NewWith(t, pgtest.Options{Major: 12, Settings: few})}
	p.source.Exec(t, "postgres", "create database main")
	for range 6 {
		p.source.Exec(t, "main", "do $$ declare n int := (select count(*) from pg_class where relname ~ '^part_'); begin for i in n + 1..n + 300 loop execute format('create table part_%s (id int)', i); if i % 50 = 0 then commit; end if; end loop; end $$")
	}
	q := p.to(t, 12, true)
	inspected := q.inspect(t)
	if info := inspected.Source.Database.Databases[0]; info.Relations != 1800 || inspected.Source.Database.Settings["max_locks_per_transaction"] != "10" {
		t.Errorf("%d relations, settings %v", info.Relations, inspected.Source.Database.Settings)
	}
	const room = 10 * (12 + 3 + 1) // max_connections, autovacuum's workers and launcher
	p.source.Exec(t, "main", "do $$ begin for i in 1.."+strconv.Itoa(room)+" loop execute format('lock table part_%s in access share mode', i); end loop; end $$")
	do[mover.FenceResult](t, q, mover.OpFence)
	if err := codeIs(t, q.request(mover.OpCopy), mover.CodeFailed, sourceSide); !strings.Contains(err.Error(), "out of shared memory") {
		t.Errorf("the copy says %v", err)
	}
}
