package postgres

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/movertest"
	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestRehearsalLeavesNothing rehearses the awkward fixture, whose copy is proven
// equal, and finds nothing. The target is as it was.
func TestRehearsalLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, to := range []int{14, 15} {
		p := newPair(t, 12, to)
		fill(t, p.source)
		p.source.Exec(t, "postgres", "create database owned")
		p.source.Exec(t, "owned", "alter schema public owner to app; grant create on schema public to reader; create table t (id int)")
		p.target.Exec(t, "postgres", "create role app login password 'theirs'; create role kept")
		p.target.Exec(t, "postgres", "create database shop")
		p.target.Exec(t, "shop", "create table t (id int); insert into t values (1)")
		was := onServer(t, p.target)
		got := do[mover.Rehearsal](t, p, mover.OpRehearse)
		for _, d := range got.Differences {
			t.Errorf("12 to %d: %s: %s %s: %s (%q, %q)", to, d.Database, d.Kind, d.Object, d.What, d.Source, d.Target)
		}
		t.Logf("12 to %d: %v, took %s, left %q", to, got.Compared, got.Duration, got.NotTried)
		if is := onServer(t, p.target); is != was {
			t.Errorf("12 to %d: the target was\n%s\nand is\n%s", to, was, is)
		}
		if seen := do[mover.InspectResult](t, p, mover.OpInspect).Source.Database.Schema; seen != got.Schema || seen == "" {
			t.Errorf("the inspection gives schema %q, the rehearsal %q", seen, got.Schema)
		}
	}
}

// onServer is what a server says of its databases, roles, memberships, settings
// and of what is in a database of somebody else's.
func onServer(t *testing.T, s *pgtest.Server) string {
	t.Helper()
	return s.Value(t, "postgres", `select string_agg(x, e'\n' order by x) from (
		select format('database %s %s %s', datname, datdba::regrole, datacl) from pg_database where datname <> 'circleci_dr'
		union all select format('role %s %s %s', rolname, rolcanlogin, rolpassword) from pg_authid
		union all select format('member %s of %s', member::regrole, roleid::regrole) from pg_auth_members
		union all select format('setting %s %s %s', setdatabase, setrole, setconfig) from pg_db_role_setting) s(x)`) + "\n" +
		s.Value(t, "shop", "select count(*)::text from t")
}

// TestRehearsalKilledAnywhere kills a rehearsal wherever it is. Nobody sees what
// it left, and the next one, or a copy, removes it.
func TestRehearsalKilledAnywhere(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	p.target.Exec(t, "postgres", "create database shop")
	p.target.Exec(t, "shop", "create table t (id int); insert into t values (1)")
	was := onServer(t, p.target)
	left := "select count(*)::text from (select datname from pg_database union all select rolname from pg_roles) x(n) where n like 'circleci\\_dr\\_rehearsal\\_%'"
	for _, point := range []string{"roles ", "schema main", "constraints main", "privileges main", "schema other", "compare catalogs main", "compare catalogs other"} {
		movertest.KillAt(t, p.request(mover.OpRehearse), point)
		if n := p.target.Value(t, "postgres", left); n == "0" && point != "roles " {
			t.Errorf("killed at %q: it left nothing, so the kill came too late", point)
		}
		seen := do[mover.InspectResult](t, p, mover.OpInspect).Target.Database
		if len(seen.Databases) != 1 || slices.ContainsFunc(seen.Roles, func(r mover.RoleInfo) bool { return strings.HasPrefix(r.Name, rehearsalPrefix) }) {
			t.Errorf("killed at %q: an inspection sees %+v and %+v", point, seen.Databases, seen.Roles)
		}
	}
	if got := do[mover.Rehearsal](t, p, mover.OpRehearse); len(got.Differences) > 0 {
		t.Errorf("differences: %+v", got.Differences)
	}
	if is := onServer(t, p.target); is != was {
		t.Errorf("the target was\n%s\nand is\n%s", was, is)
	}
	p.target.Exec(t, "postgres", "drop database shop")
	movertest.KillAt(t, p.request(mover.OpRehearse), "constraints main")
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	if n := p.target.Value(t, "postgres", left); n != "0" {
		t.Errorf("after a copy %s things of a rehearsal are left", n)
	}
}

// TestRehearsalNamesWhatCannotBeMade: what a copy would meet with the application
// stopped, in every database, and in the source's names.
func TestRehearsalNamesWhatCannotBeMade(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	for _, name := range []string{"bad", "good", "worse"} {
		p.source.Exec(t, "postgres", "create database "+name)
		p.source.Exec(t, name, simple)
	}
	p.source.Exec(t, "bad", "create text search template t (lexize = dsimple_lexize, init = dsimple_init)")
	p.source.Exec(t, "worse", "create function raw() returns int language c as '$libdir/plpgsql', 'plpgsql_call_handler'")
	got := do[mover.Rehearsal](t, p, mover.OpRehearse)
	if len(got.Differences) != 2 || got.Differences[0].Object != "bad" || got.Differences[1].Object != "worse" {
		t.Fatalf("got %+v", got.Differences)
	}
	for _, d := range got.Differences {
		if !strings.Contains(d.What, "cannot be made on the target: ") || strings.Contains(fmt.Sprint(d), rehearsalPrefix) {
			t.Errorf("got %+v", d)
		}
	}
	if got.Compared["databases"] != 1 {
		t.Errorf("compared %v, want the one database that could be made", got.Compared)
	}
}

// TestRehearsalLetsGo stops pg_dump while it holds its locks. An ALTER TABLE of
// the application, and whoever queues behind it, waits for three seconds at most;
// the rehearsal begins again.
func TestRehearsalLetsGo(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", simple)
	var many strings.Builder
	for i := range 300 { // pg_dump takes a moment
		fmt.Fprintf(&many, "create table many_%d (id int primary key, note text);", i)
	}
	p.source.Exec(t, "main", many.String())
	mover, lines := movertest.Start(t, p.request(mover.OpRehearse))
	movertest.Until(t, lines, "schema main")
	stopped := stopChild(t, mover.Process.Pid, func() bool { return locked(t, p.source, "jobs") })
	began := time.Now()
	p.source.Exec(t, "main", "alter table jobs add column later int")
	if waited := time.Since(began); waited > 10*time.Second { // the promise is three; the machine may be busy
		t.Errorf("the application waited for %s", waited)
	} else {
		t.Logf("the application waited for %s", waited)
	}
	_ = syscall.Kill(stopped, syscall.SIGCONT) // it may be gone
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "error ") {
			t.Errorf("the rehearsal ended with %s", lines.Text())
		}
	}
	if err := mover.Wait(); err != nil {
		t.Errorf("the rehearsal ended with %v", err)
	}
}

// locked tells whether a session has locked a table against ALTER TABLE.
func locked(t *testing.T, s *pgtest.Server, table string) bool {
	t.Helper()
	return s.Value(t, "main", "select count(*)::text from pg_locks where relation = '"+table+"'::regclass and mode = 'AccessShareLock' and granted") != "0"
}

// stopChild stops the only child of a process once ready says so.
func stopChild(t *testing.T, parent int, ready func() bool) int {
	t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", parent))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range tasks {
			raw, err := os.ReadFile(path)
			if err != nil {
				continue // the thread has ended
			}
			child, err := strconv.Atoi(strings.TrimSpace(string(raw)))
			if err != nil || syscall.Kill(child, syscall.SIGSTOP) != nil {
				continue
			}
			if ready() {
				return child
			}
			_ = syscall.Kill(child, syscall.SIGCONT)
		}
	}
	t.Fatal("pg_dump was never seen with its locks")
	return 0
}

// TestRehearsalWaitsForNoCopy: while a copy holds the target there is none.
func TestRehearsalWaitsForNoCopy(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	copying, lines := movertest.Start(t, p.request(mover.OpCopy))
	movertest.Until(t, lines, "roles ")
	if err := copying.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	codeIs(t, p.request(mover.OpRehearse), mover.CodeOtherHolder, "target")
	if err := copying.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if err := copying.Wait(); err != nil {
		t.Errorf("the copy ended with %v", err)
	}
}

// TestSchemaDigest changes with whatever a rehearsal would make, and not with rows
// or with one more partition like the others.
func TestSchemaDigest(t *testing.T) {
	t.Parallel()
	s := pgtest.New(t, 14)
	s.Exec(t, "postgres", "create database main")
	s.Exec(t, "main", simple+`create table events (id int, at date, primary key (id, at)) partition by range (at);
		create table events_p1 partition of events for values from ('2024-01-01') to ('2024-01-02'); create index on events (at);
		create table logs (id int); create table logs_p1 (check (id < 10)) inherits (logs)`)
	digest := func() string {
		m := &job{source: &server{side: sourceSide, endpoint: *endpoint(s, pgtest.Superuser), password: pgtest.Password, label: appPrefix}}
		f, err := m.source.facts(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		sum, err := m.source.schemaDigest(context.Background(), f)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	was := digest()
	for _, sql := range []string{"insert into jobs (name) values ('x'); analyze", "create table events_p2 partition of events for values from ('2024-01-02') to ('2024-01-03')",
		"create table logs_p2 (check (id between 10 and 20)) inherits (logs)", "select setval('jobs_id_seq', 77777); select lo_create(4711)"} {
		s.Exec(t, "main", sql)
		if is := digest(); is != was {
			t.Errorf("%s changes the digest", sql)
		}
	}
	for _, sql := range []string{"alter table events_p2 add check (id > 0)", "create index on jobs (at)", "alter table jobs alter name set default 'x'", "create role r", "alter role r set work_mem to '5MB'",
		"grant select on jobs to r", "comment on table jobs is 'x'", "alter database main set statement_timeout to 0", "create or replace view named as select name from jobs where id > 0"} {
		s.Exec(t, "main", sql)
		is := digest()
		if is == was {
			t.Errorf("%s does not change the digest", sql)
		}
		was = is
	}
}

// TestRehearsedOwners: whoever has become one role on the target is one role of the
// rehearsal, and is spoken of by the name that a copy gives it.
func TestRehearsedOwners(t *testing.T) {
	t.Parallel()
	source := globals{bootstrap: "postgres", roles: []role{{name: "a"}, {name: "b"}, {name: "circleci"}}}
	target := globals{roles: []role{{name: "b"}, {name: "circleci"}, {name: "other"}}}
	a := adapt(source, target, admin{name: "circleci"}, map[string]string{"a": "b", "x": "other"}, nil)
	r := a.rehearsed(rehearsalPrefix+"1_", []string{"main"})
	trial := r.owners["b"]
	if want := map[string]string{"a": trial, "b": trial, "x": "other", "postgres": "circleci"}; !maps.Equal(r.owners, want) || !strings.HasPrefix(trial, rehearsalPrefix) {
		t.Errorf("the owners are %q, want %q", r.owners, want)
	}
	if got := r.spoken().Replace(trial); got != "b" {
		t.Errorf("the role of b is spoken of as %q", got)
	}
}
