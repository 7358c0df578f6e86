package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

const (
	lineageOfSide = "select coalesce((select state || ' ' || epoch || ' ' || move from dr.lineage), 'none')"
	moveData      = `create table jobs (id bigserial primary key, name text); insert into jobs (name) select 'job ' || g from generate_series(1, 100) g;
		create table empty (id int); select lo_from_bytea(770001, 'abc'); create sequence numbers`
)

// lineages are the states of source and target.
func (p pair) lineages(t *testing.T) [2]string {
	t.Helper()
	return [2]string{p.source.Value(t, ownDatabase, lineageOfSide), p.target.Value(t, ownDatabase, lineageOfSide)}
}

// moved is a pair whose move is committed. The proof's counters go with the
// commit, as in a real move.
func moved(t *testing.T, from, to int, fillIt func(*testing.T, *pgtest.Server)) pair {
	t.Helper()
	p := newPair(t, from, to)
	fillIt(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	if _, err := Run(context.Background(), p.request(mover.OpWithdraw), nil); err != nil {
		t.Fatalf("withdraw before the commit: %v", err)
	}
	p.commit(t)
	return p
}

// commit commits with the counters of a fresh proof.
func (p pair) commit(t *testing.T) {
	t.Helper()
	proof := do[mover.Proof](t, p, mover.OpProve)
	if !proof.Equal() {
		t.Fatalf("not equal: %q", differences(proof))
	}
	req := p.request(mover.OpCommit)
	req.Counters = proof.Counters
	runAs[struct{}](t, req)
}

func fillMove(t *testing.T, s *pgtest.Server) {
	t.Helper()
	s.Exec(t, "postgres", "create database main")
	s.Exec(t, "main", moveData)
}

var (
	committed = [2]string{"superseded 1 move-1", "authoritative 1 move-1"}
	withdrawn = [2]string{"authoritative 1 move-1", "copied 1 move-1"}
)

func TestWithdrawUnlessWritten(t *testing.T) {
	t.Parallel()
	for _, to := range []int{14, 15} {
		p := moved(t, 12, to, fillMove)
		if got := p.lineages(t); got != committed {
			t.Fatalf("after the commit %q, want %q", got, committed)
		}
		// A session that only reads, and what a server does by itself, are no writes.
		reader, err := p.target.ConnectAs(context.Background(), testAdmin, "main")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := reader.Exec(context.Background(), "select count(*) from jobs"); err != nil {
			t.Fatal(err)
		}
		p.target.Exec(t, "main", "vacuum (analyze)")
		p.target.Exec(t, "postgres", "checkpoint")
		for range 2 {
			do[struct{}](t, p, mover.OpWithdraw)
			if got := p.lineages(t); got != withdrawn {
				t.Fatalf("after the withdrawal %q, want %q", got, withdrawn)
			}
		}
		if err := reader.Ping(context.Background()); err == nil {
			t.Error("the application's session lives on")
		}
		for _, w := range writes {
			p.commit(t)
			p.target.Exec(t, "main", w.write)
			err := codeIs(t, p.request(mover.OpWithdraw), mover.CodeMoved, targetSide)
			if got := p.lineages(t); got != committed {
				t.Errorf("%s: %v leaves %q, want %q", w.write, err, got, committed)
			}
			// A commit that is repeated must not forget what was written.
			do[struct{}](t, p, mover.OpCommit)
			codeIs(t, p.request(mover.OpWithdraw), mover.CodeMoved, targetSide)
			p.target.Exec(t, "main", w.undo)
			p.target.Exec(t, ownDatabase, "update dr.lineage set state = 'copied'")
		}
	}
}

// writes are what an application may do, and how to take it back for the next.
var writes = []struct{ write, undo string }{
	{"insert into jobs (id, name) values (1000, 'new')", "delete from jobs where id = 1000"},
	{"update jobs set name = 'changed' where id = 7", "update jobs set name = 'job 7' where id = 7"},
	{"delete from jobs where id = 8", "insert into jobs values (8, 'job 8')"},
	{"create table added (id int)", "drop table added"},
	{"create function f() returns int language sql as 'select 1'", "drop function f()"},
	{"truncate empty", "select 1"},
	{"select nextval('numbers')", "select setval('numbers', 1, false)"},
	{"select lo_put(770001, 0, 'x')", "select lo_put(770001, 0, 'a')"},
	{"alter table jobs alter name set default 'none'", "alter table jobs alter name drop default"},
	{"create role somebody", "drop role somebody"},
	{"create database another", "drop database another"},
}

// TestWithdrawReadsContents writes where no statistics see it: the last line
// of defence is the data itself.
func TestWithdrawReadsContents(t *testing.T) {
	t.Parallel()
	p := moved(t, 12, 14, fillMove)
	p.target.Exec(t, "main", "update jobs set name = 'changed' where id = 7")
	// What the baseline says is made to agree with what stands now.
	m, err := newJob(p.request(mover.OpWithdraw), nil)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := m.target.connect(context.Background(), maintenance)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(context.Background(), conn)
	now, err := m.target.state(context.Background(), conn, []string{"main"})
	if err != nil {
		t.Fatal(err)
	}
	c := now["main"]
	own, err := p.target.Connect(context.Background(), ownDatabase)
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(context.Background(), own)
	if _, err := own.Exec(context.Background(), "update dr.baseline set inserted = $1, updated = $2, deleted = $3 where database = 'main'", c.Inserted, c.Updated, c.Deleted); err != nil {
		t.Fatal(err)
	}
	err = codeIs(t, p.request(mover.OpWithdraw), mover.CodeMoved, targetSide)
	if !strings.Contains(err.Error(), `"public"."jobs" changed`) {
		t.Errorf("%v does not name the table", err)
	}
}

// TestWithdrawAwkward withdraws with every kind of object there is.
func TestWithdrawAwkward(t *testing.T) {
	t.Parallel()
	p := moved(t, 12, 14, fill)
	do[struct{}](t, p, mover.OpWithdraw)
	if got := p.lineages(t); got != withdrawn {
		t.Errorf("after the withdrawal %q, want %q", got, withdrawn)
	}
}

// TestWithdrawCutOff cuts a commit and a withdrawal between their halves.
func TestWithdrawCutOff(t *testing.T) {
	t.Parallel()
	p := moved(t, 12, 14, fillMove)
	p.source.Exec(t, ownDatabase, "set transaction_read_only = off; delete from dr.lineage") // commit, cut off
	do[struct{}](t, p, mover.OpWithdraw)
	if got, want := p.lineages(t), [2]string{"none", "copied 1 move-1"}; got != want {
		t.Errorf("after a withdrawal of half a commit %q, want %q", got, want)
	}
	p.commit(t)
	p.target.Exec(t, ownDatabase, "update dr.lineage set state = 'copied'") // withdrawal, cut off
	do[struct{}](t, p, mover.OpWithdraw)
	if got := p.lineages(t); got != withdrawn {
		t.Errorf("after a withdrawal that was cut off %q, want %q", got, withdrawn)
	}
	p.commit(t)
	other := p.request(mover.OpWithdraw)
	other.Move = "move-2"
	codeIs(t, other, mover.CodeInconclusive, targetSide)
}

// TestCommitNeedsAnUntouchedSource writes one row between proof and commit.
func TestCommitNeedsAnUntouchedSource(t *testing.T) {
	t.Parallel()
	for _, user := range []string{pgtest.Superuser, testAdmin} {
		t.Run(user, func(t *testing.T) {
			p := newPair(t, 12, 14)
			p.source.Exec(t, "postgres", "create role circleci login createdb createrole password '"+pgtest.Password+"'; grant pg_monitor, pg_signal_backend to circleci")
			p.source.Exec(t, "postgres", "create role app login password '"+pgtest.Password+"'; grant app to circleci; create role admin")
			p.source.Exec(t, "postgres", "create database main owner app")
			p.source.Exec(t, "main", "create table t (id int); alter table t owner to app")
			with := func(op mover.Operation) mover.Request {
				req := p.request(op)
				req.Source.Username = user
				return req
			}
			runAs[mover.FenceResult](t, with(mover.OpFence))
			runAs[mover.CopyResult](t, with(mover.OpCopy))
			req := with(mover.OpCommit)
			req.Counters = runAs[mover.Proof](t, with(mover.OpProve)).Counters
			if len(req.Counters) != 1 {
				t.Fatalf("counters of the proof: %v", req.Counters)
			}
			// Our own marks are no writes: after a withdrawal the commit is made again.
			runAs[struct{}](t, req)
			runAs[struct{}](t, req)
			runAs[struct{}](t, with(mover.OpWithdraw))
			runAs[struct{}](t, req)
			runAs[struct{}](t, with(mover.OpWithdraw))
			earlier := req // a target put back from a snapshot of an earlier attempt
			earlier.Fence = "another-fence"
			codeIs(t, earlier, mover.CodeInconclusive, targetSide)
			writeAround(t, p.source)
			codeIs(t, req, mover.CodeMoved, sourceSide)
			if got := p.lineages(t); got != withdrawn {
				t.Errorf("a refused commit leaves %q, want %q", got, withdrawn)
			}
			// Once decided it is decided: what follows is repeatable.
			p.target.Exec(t, ownDatabase, "update dr.lineage set state = 'authoritative'")
			runAs[struct{}](t, req)
			if got := p.lineages(t); got != committed {
				t.Errorf("a repeated commit leaves %q, want %q", got, committed)
			}
		})
	}
}

// TestCommitWaitsForAnOpenWrite: a session that lifts the fence for itself has
// written, and nothing counts that before it commits.
func TestCommitWaitsForAnOpenWrite(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", "create table t (id int)")
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	req := p.request(mover.OpCommit)
	req.Counters = do[mover.Proof](t, p, mover.OpProve).Counters
	conn, err := p.source.Connect(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	if _, err := conn.Exec(t.Context(), "begin read write"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "insert into t values (1)"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := Run(t.Context(), req, nil)
		done <- err
	}()
	select {
	case err := <-done:
		t.Fatalf("the commit did not wait for it: %v", err)
	case <-time.After(3 * time.Second):
	}
	if _, err := conn.Exec(t.Context(), "commit"); err != nil {
		t.Fatal(err)
	}
	var known *mover.Error
	if err := <-done; !errors.As(err, &known) || known.Code != mover.CodeMoved || known.Side != sourceSide {
		t.Fatalf("got %v, want code %q", err, mover.CodeMoved)
	}
}
