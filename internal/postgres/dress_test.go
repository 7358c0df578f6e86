package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/movertest"
	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// dressed is the request for a rehearsal with rows.
func (p pair) dressed() mover.Request {
	req := p.request(mover.OpRehearse)
	req.WithData, req.Limits = true, &mover.RehearsalLimits{Time: time.Hour, XminAge: 1 << 30}
	return req
}

func dressed(t *testing.T, req mover.Request) mover.Rehearsal {
	t.Helper()
	result, err := Run(context.Background(), req, nil)
	if err != nil {
		t.Fatalf("rehearse with rows: %v", err)
	}
	return result.(mover.Rehearsal)
}

// leftOfRehearsals counts what is on the target under names of rehearsals.
const leftOfRehearsals = "select count(*)::text from (select datname from pg_database union all select rolname from pg_roles) x(n) where n like 'circleci\\_dr\\_rehearsal\\_%'"

// TestDressRehearsal goes through everything on one pair of servers, one after
// another: a rehearsal ends any other on its target.
func TestDressRehearsal(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	p.source.Exec(t, "main", busySQL)
	p.target.Exec(t, "postgres", "create role app login password 'theirs'")
	p.target.Exec(t, "postgres", "create database shop")
	p.target.Exec(t, "shop", "create table t (id int); insert into t values (1)")
	was := onServer(t, p.target)
	unmoved := func(t *testing.T) {
		t.Helper()
		if is := onServer(t, p.target); is != was {
			t.Errorf("the target was\n%s\nand is\n%s", was, is)
		}
		if n := p.source.Value(t, "postgres", "select count(*)::text from pg_stat_activity where application_name like 'circleci-dr%'"); n != "0" {
			t.Errorf("%s sessions of ours are left on the source", n)
		}
	}
	t.Run("equal while rows change", func(t *testing.T) { dressWhileWritten(t, p); unmoved(t) })
	t.Run("killed anywhere", func(t *testing.T) { dressKilled(t, p); unmoved(t) })
	t.Run("a worker lets go", func(t *testing.T) { dressLetsGo(t, p); unmoved(t) })
	t.Run("a table is emptied", func(t *testing.T) { dressEmptied(t, p); unmoved(t) })
	t.Run("limits", func(t *testing.T) { dressLimits(t, p); unmoved(t) })
	t.Run("rows that break what they are held to", func(t *testing.T) { dressBroken(t, p); unmoved(t) })
}

// busySQL is what a frontend writes to while it is rehearsed.
const busySQL = `create table public.busy (id bigserial primary key, n int not null default 0, note text);
	insert into public.busy (note) select repeat(md5(g::text), 20) from generate_series(1, 20000) g; create index on public.busy (n);
	create table public.busy_log (busy bigint references public.busy, at timestamptz default now());
	insert into public.busy_log (busy) select g from generate_series(1, 5000) g`

// frontend writes like an application until it is stopped, and gives its longest
// wait.
func frontend(t *testing.T, s *pgtest.Server, statements ...string) (stop func() (longest time.Duration, n int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	conn, err := s.ConnectAs(ctx, pgtest.Superuser, "main")
	if err != nil {
		t.Fatal(err)
	}
	var longest time.Duration
	n := 0
	var done sync.WaitGroup
	done.Add(1)
	go func() {
		defer done.Done()
		defer conn.Close(context.Background())
		for ctx.Err() == nil {
			began := time.Now()
			if _, err := conn.Exec(context.Background(), statements[n%len(statements)]); err != nil {
				t.Errorf("the frontend: %v", err)
				return
			}
			longest = max(longest, time.Since(began))
			n++
			time.Sleep(2 * time.Millisecond)
		}
	}()
	return func() (time.Duration, int) { cancel(); done.Wait(); return longest, n }
}

// dressWhileWritten: rows that are written, changed and deleted meanwhile are no
// difference, nor is a new partition or index.
func dressWhileWritten(t *testing.T, p pair) {
	t.Helper()
	writes := []string{"insert into public.busy (note) values ('new'), ('newer')", "update public.busy set n = n + 1 where id between 1 and 200",
		"delete from public.busy where id = (select max(b.id) from public.busy b where not exists (select from public.busy_log l where l.busy = b.id))",
		"insert into public.busy_log (busy) values (1)", "select lo_create(0)", "select nextval('public.busy_id_seq')"}
	alone := frontend(t, p.source, writes...)
	time.Sleep(time.Second)
	before, _ := alone()
	stop := frontend(t, p.source, writes...)
	got := dressed(t, p.dressed())
	during, n := stop()
	t.Logf("the frontend's longest pause was %s before, and %s in %d writes during the rehearsal of %s", before, during, n, got.Duration)
	for _, d := range got.Differences {
		t.Errorf("%s: %s %s: %s (%q, %q)", d.Database, d.Kind, d.Object, d.What, d.Source, d.Target)
	}
	if got.Data == nil || got.Data.Rows < 20000 || got.Data.Tables < 20 || got.Data.Objects == 0 || got.Data.Copy <= 0 || got.Data.Compare <= 0 || got.Compared["rows"] < 20000 || got.Compared["large object contents"] == 0 || got.Compared["materialized views"] == 0 {
		t.Errorf("data %+v, compared %v", got.Data, got.Compared)
	}
	if n < 20 || got.Tries != 1 || got.Ended != "" {
		t.Errorf("%d writes, %d tries, ended by %q", n, got.Tries, got.Ended)
	}
	if left := strings.Join(got.NotTried, "; "); strings.Contains(left, "rows") || !strings.Contains(left, "positions of sequences") || !strings.Contains(left, "how full the target's disk is") {
		t.Errorf("left %q", got.NotTried)
	}
	if was := do[mover.InspectResult](t, p, mover.OpInspect).Source.Database.Schema; was != got.Schema {
		t.Errorf("the inspection gives schema %q, the rehearsal %q", was, got.Schema)
	}
	t.Logf("%+v", *got.Data)
}

// dressKilled kills one wherever it is: the next leaves nothing.
func dressKilled(t *testing.T, p pair) {
	t.Helper()
	for _, point := range []string{"roles ", "rows main", "large objects main", "constraints main", "compare catalogs main", "compare rows main", "rows other"} {
		movertest.KillAt(t, p.dressed(), point)
		if n := p.target.Value(t, "postgres", leftOfRehearsals); n == "0" && point != "roles " {
			t.Errorf("killed at %q: it left nothing, so the kill came too late", point)
		}
	}
	do[mover.Rehearsal](t, p, mover.OpRehearse) // one without rows removes it as well
	if n := p.target.Value(t, "postgres", leftOfRehearsals); n != "0" {
		t.Errorf("%s things of a rehearsal are left", n)
	}
}

// wideSQL makes reading busy last long enough to be stopped in it.
const wideSQL = "insert into public.busy (note) select repeat(md5(g::text), 300) from generate_series(1, 3000) g"

// stopReading stops the target's session that takes a table's rows, so that the
// session that reads them lasts. It gives what lets it go on.
func stopReading(t *testing.T, p pair) (goOn func()) {
	t.Helper()
	const taking = "select coalesce(max(pid), 0)::text from pg_stat_activity where application_name like 'circleci-dr-rehearsal%' and query like 'copy \"public\".\"busy\" %'"
	const reading = "select count(*)::text from pg_locks l join pg_stat_activity a using (pid) where l.relation = 'public.busy'::regclass and a.application_name like 'circleci-dr-rehearsal%' and a.query like 'copy %'"
	for until := time.Now().Add(3 * time.Minute); time.Now().Before(until); {
		pid := 0
		if _, err := fmt.Sscan(p.target.Value(t, "postgres", taking), &pid); err != nil {
			t.Fatal(err)
		}
		if pid == 0 || syscall.Kill(pid, syscall.SIGSTOP) != nil {
			continue
		}
		if p.source.Value(t, "main", reading) != "0" {
			return func() { _ = syscall.Kill(pid, syscall.SIGCONT) } // it may be gone
		}
		_ = syscall.Kill(pid, syscall.SIGCONT)
	}
	t.Fatal("no worker was seen reading")
	return nil
}

// dressLetsGo: an ALTER TABLE of the application waits for a worker that reads
// the table for three seconds at most, and the rehearsal begins again.
func dressLetsGo(t *testing.T, p pair) {
	t.Helper()
	p.source.Exec(t, "main", wideSQL)
	ended := begun(p.dressed())
	goOn := stopReading(t, p)
	stop := frontend(t, p.source, "alter table public.busy alter n set default 1", "update public.busy set n = 0 where id = 1")
	time.Sleep(4 * time.Second)
	waited, _ := stop()
	goOn()
	t.Logf("the frontend waited for %s", waited)
	if waited < time.Second || waited > 10*time.Second { // the promise is three; the machine may be busy
		t.Errorf("the application waited for %s", waited)
	}
	if got := <-ended; got.err != nil || got.Tries != 2 || len(got.Differences) > 0 {
		t.Errorf("the rehearsal ended with %v after %d tries and found %v", got.err, got.Tries, got.Differences)
	}
}

// begun is a rehearsal under way.
func begun(req mover.Request) <-chan ended {
	end := make(chan ended, 1)
	go func() {
		result, err := Run(context.Background(), req, nil)
		got, _ := result.(mover.Rehearsal)
		end <- ended{got, err}
	}()
	return end
}

type ended struct {
	mover.Rehearsal
	err error
}

// dressEmptied: what is emptied before it is read is no empty table of the
// source's: the rehearsal begins again, and compares what is there then.
func dressEmptied(t *testing.T, p pair) {
	t.Helper()
	p.source.Exec(t, "main", wideSQL)
	p.source.Exec(t, "main", "create table public.aa_late as select g as id from generate_series(1, 10) g; create table public.aa_child (id int); alter table public.aa_late add primary key (id); insert into public.aa_child select g from generate_series(1, 10) g; alter table public.aa_child add foreign key (id) references public.aa_late")
	req := p.dressed()
	req.Streams = 1 // the biggest table first, and nothing beside it
	ended := begun(req)
	goOn := stopReading(t, p)
	const held = `select coalesce(string_agg(distinct c.oid::regclass::text, ' '), '') from pg_locks l join pg_stat_activity a using (pid) join pg_class c on c.oid = l.relation
		where a.application_name like 'circleci-dr%' and c.relkind in ('r', 'p', 'm', 'v') and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')`
	if got := p.source.Value(t, "main", held); got != "busy" {
		t.Errorf("tables %q are locked while only busy is read", got)
	}
	p.source.Exec(t, "main", "truncate public.aa_late, public.aa_child")
	goOn()
	if got := <-ended; got.err != nil || got.Tries != 2 || len(got.Differences) > 0 {
		t.Errorf("the rehearsal ended with %v after %d tries and found %v", got.err, got.Tries, got.Differences)
	}
	p.source.Exec(t, "main", "drop table public.aa_child, public.aa_late")
}

// dressLimits: whichever is met ends it, and is named with what helps.
func dressLimits(t *testing.T, p pair) {
	t.Helper()
	for _, c := range []struct {
		name, limit string
		set         func(*mover.RehearsalLimits)
	}{
		{"time at once", mover.LimitTime, func(l *mover.RehearsalLimits) { l.Time = time.Nanosecond }},
		{"time on the way", mover.LimitTime, func(l *mover.RehearsalLimits) { l.Time = 1500 * time.Millisecond }},
		{"xmin age", mover.LimitXminAge, func(l *mover.RehearsalLimits) { l.XminAge = 5 }},
		{"the source's disk", mover.LimitSourceDisk, func(l *mover.RehearsalLimits) { l.SourceDisk = 1 << 20 }},
		{"the target's disk", mover.LimitTargetDisk, func(l *mover.RehearsalLimits) { l.TargetDisk = 1 << 20 }},
	} {
		req := p.dressed()
		c.set(req.Limits)
		stop := frontend(t, p.source, "insert into public.busy (note) values ('x')")
		got := dressed(t, req)
		stop()
		if len(got.Differences) != 1 || got.Ended != c.limit || got.Data != nil {
			t.Fatalf("%s: %+v", c.name, got)
		}
		if d := got.Differences[0]; d.Kind != mover.KindLimit || d.Object != c.limit || d.Fix == "" {
			t.Errorf("%s: %+v", c.name, d)
		}
		t.Logf("%s: %s %s", c.name, got.Differences[0].Object, got.Differences[0].What)
	}
	limitWaitsForNoLook(t, p)
}

// limitWaitsForNoLook: a target that does not say how full its disk is keeps
// nobody from ending in time.
func limitWaitsForNoLook(t *testing.T, p pair) {
	t.Helper()
	req := p.dressed()
	s := through(t, &req, targetSide)
	m, err := newJob(req, nil)
	if err != nil {
		t.Fatal(err)
	}
	var before, after int64
	for range 2 { // the first session learns what the others know
		before = s.calls.Load()
		conn, err := m.target.connect(t.Context(), maintenance)
		if err != nil {
			t.Fatal(err)
		}
		after = s.calls.Load()
		defer closeConn(context.Background(), conn)
	}
	s.after.Store(after + after - before + 1) // the first question of the third
	m.req.Limits.Time = 3 * time.Second
	began := time.Now()
	_, _, err = m.limited(t.Context(), began)
	var limit *limitError
	if !errors.As(err, &limit) || limit.limit != mover.LimitTime || time.Since(began) > time.Minute {
		t.Errorf("after %s it ended with %v", time.Since(began), err)
	}
	select {
	case <-s.cut:
	default:
		t.Error("it was ended before it looked")
	}
}
