package postgres

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/movertest"
	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestPartmanMaintenanceBesideRehearsals: pg_partman makes partitions while pg_dump
// holds a lock on every table. It waits for three seconds at most, in a rehearsal
// with rows too.
func TestPartmanMaintenanceBesideRehearsals(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.NewWith(t, pgtest.Options{Major: 12, Partman: pgtest.PartmanPublished}),
		target: pgtest.NewWith(t, pgtest.Options{Major: 14, Partman: "trusted = true"}), admin: pgtest.Superuser}
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", judgedSQL(t, "partman_published"))
	var many strings.Builder
	for i := range 300 { // pg_dump takes a moment
		fmt.Fprintf(&many, "create table many_%d (id int primary key, note text);", i)
	}
	p.source.Exec(t, "main", many.String())
	for name, req := range map[string]mover.Request{"without rows": p.request(mover.OpRehearse), "with rows": p.dressed()} {
		mover, lines := movertest.Start(t, req)
		movertest.Until(t, lines, "schema main")
		stopped := stopChild(t, mover.Process.Pid, func() bool { return locked(t, p.source, "events") })
		p.source.Exec(t, "main", "update partman.part_config set premake = premake + 3")
		before := p.source.Value(t, "main", "select count(*)::text from pg_inherits")
		began := time.Now()
		p.source.Exec(t, "main", "select partman.run_maintenance('public.events')")
		waited := time.Since(began)
		t.Logf("%s: pg_partman's maintenance took %s", name, waited)
		if waited < time.Second || waited > 10*time.Second { // the promise is three; the machine may be busy
			t.Errorf("%s: pg_partman's maintenance took %s", name, waited)
		}
		if after := p.source.Value(t, "main", "select count(*)::text from pg_inherits"); after == before {
			t.Errorf("%s: it made no partition", name)
		}
		_ = syscall.Kill(stopped, syscall.SIGCONT) // it may be gone
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), "error ") {
				t.Errorf("%s: the rehearsal ended with %s", name, lines.Text())
			}
		}
		if err := mover.Wait(); err != nil {
			t.Errorf("%s: the rehearsal ended with %v", name, err)
		}
	}
	partmanRefused(t, p)
}

// partmanRefused: a configuration row that an extension's table does not take is a
// finding without its value; what leans on that table is none, and the rest goes on.
func partmanRefused(t *testing.T, p pair) {
	t.Helper()
	p.source.Exec(t, "main", `alter table partman.part_config drop constraint positive_premake_check; alter table partman.part_config alter premake drop default, alter premake type text, alter jobmon drop default, alter jobmon type xml using jobmon::text::xml;
		update partman.part_config set premake = 'canary-4716'; create table orphans (id int primary key, of int); create table none (id int primary key); alter table orphans add foreign key (of) references none;
		alter table orphans disable trigger all; insert into orphans values (7, 1); alter table orphans enable trigger all`)
	got := dressed(t, p.dressed())
	var found []string
	for _, d := range got.Differences {
		found = append(found, d.Kind+" "+d.Object+": "+d.What)
	}
	slices.Sort(found)
	want := []string{`constraint orphans_of_fkey on public.orphans: rows do not fit: insert or update on table "orphans" violates foreign key constraint "orphans_of_fkey" (SQLSTATE 23503); 1 row, with id 7`,
		"table partman.part_config: the target refuses a value in a row: invalid text representation (the server's message may quote a row and is left out) (SQLSTATE 22P02)"}
	if !slices.Equal(found, want) || strings.Contains(fmt.Sprint(got), "canary") {
		t.Errorf("found %q, want %q", found, want)
	}
}

// TestPartmanAsPublished moves the real extension. Who may write its tables
// depends on who makes them: a superuser, the server for a role that creates a
// trusted extension, or the role itself where the control file asks for no
// superuser.
func TestPartmanAsPublished(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.NewWith(t, pgtest.Options{Major: 12, Partman: pgtest.PartmanPublished})}
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", judgedSQL(t, "partman_published"))
	p.source.Exec(t, "main", "call partman.run_maintenance_proc()")
	p.source.Exec(t, "main", "select partman.run_maintenance('public.events')")
	const rows = `select (select md5(string_agg(t::text, '|' order by t::text)) from partman.part_config t) || ' ' || (select md5(string_agg(t::text, '|' order by t::text)) from partman.part_config_sub t)
		|| ' ' || (select count(*) from pg_inherits) || ' ' || (select count(*) from events) || ' ' || (select count(*) from numbers)`
	for _, c := range []struct {
		control    string
		superuser  bool
		restricted bool
		byServer   bool
	}{
		{pgtest.PartmanPublished, false, true, false},
		{"trusted = true", false, false, true},
		{"superuser = false", false, false, false},
		{"trusted = true", true, false, false},
	} {
		q := pair{source: p.source, target: pgtest.NewWith(t, pgtest.Options{Major: 14, Partman: c.control}), admin: pgtest.Superuser}
		if !c.superuser {
			q.admin = testAdmin
			q.target.Exec(t, "postgres", "create role circleci login createdb createrole password '"+pgtest.Password+"'")
		}
		inspected := q.inspect(t)
		src, dst := inspected.Source.Database.Databases[0], inspected.Target.Database
		if got := src.ExtensionRows["pg_partman"]; !slices.Equal(got, []string{"partman.part_config", "partman.part_config_sub"}) {
			t.Errorf("rows of its own in %q", got)
		}
		version := src.Extensions["pg_partman"]
		if got := slices.Contains(dst.Restricted["pg_partman"], version); got != c.restricted {
			t.Errorf("%s, superuser %t: restricted %t", c.control, c.superuser, got)
		}
		if got := slices.Contains(dst.ByServer["pg_partman"], version); got != c.byServer {
			t.Errorf("%s, superuser %t: made by the server %t", c.control, c.superuser, got)
		}
		if len(inspected.Blocked) > 0 {
			t.Errorf("%s, superuser %t: named %+v", c.control, c.superuser, inspected.Blocked)
		}
		if c.restricted || c.byServer { // and so it would fail
			continue
		}
		q.moved(t)
		if got, want := q.target.Value(t, "main", rows), p.source.Value(t, "main", rows); got != want {
			t.Errorf("%s, superuser %t: the target has %s, want %s", c.control, c.superuser, got, want)
		}
	}
}
