package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// sidesWritten is what both sides say of writes since the commit.
func (p pair) sidesWritten(t *testing.T) (source, target mover.SideWrites) {
	t.Helper()
	in := do[mover.InspectResult](t, p, mover.OpInspect)
	for _, side := range []*mover.InspectedSide{in.Source, in.Target} {
		if side.Database == nil || side.Database.Writes == nil {
			t.Fatalf("a side says nothing of its writes: %+v", side)
		}
	}
	return *in.Source.Database.Writes, *in.Target.Database.Writes
}

// TestWrittenSince goes through what happens to an internal server that was
// superseded and comes back: nothing, what a server does by itself, a write.
func TestWrittenSince(t *testing.T) {
	t.Parallel()
	for _, major := range []int{12, 15} {
		p := newPair(t, major, 15)
		fillMove(t, p.source)
		p.source.Exec(t, "postgres", "alter system set track_commit_timestamp = off")
		do[mover.FenceResult](t, p, mover.OpFence)
		do[mover.CopyResult](t, p, mover.OpCopy)
		if in := do[mover.InspectResult](t, p, mover.OpInspect); in.Source.Database.Writes != nil || in.Target.Database.Writes != nil {
			t.Errorf("%d: a side that never had a turn speaks of writes since", major)
		}
		p.commit(t)

		none := mover.SideWrites{Any: mover.WrittenNone, Why: "no transaction but our own took a number"}
		if got, _ := p.sidesWritten(t); got != none {
			t.Errorf("%d: after the commit %+v", major, got)
		}
		do[mover.UnfenceResult](t, p, mover.OpUnfence)
		p.source.Exec(t, "postgres", "checkpoint")
		if got, _ := p.sidesWritten(t); got != none {
			t.Errorf("%d: with the fence lifted %+v", major, got)
		}

		p.source.Exec(t, "main", "analyze jobs")
		got, _ := p.sidesWritten(t)
		if got.Any != mover.WrittenUnknown || !strings.Contains(got.Why, "1 transactions took a number, and no row") || got.Last.IsZero() || got.From != "write-ahead log" || got.Exact {
			t.Errorf("%d: after ANALYZE %+v", major, got)
		}

		p.source.Exec(t, "main", "insert into jobs (name) values ('here'); insert into jobs (name) values ('and here')")
		p.target.Exec(t, "main", "delete from jobs where id = 1")
		got, there := p.sidesWritten(t)
		if got.Any != mover.WrittenSome || !strings.Contains(got.Why, "changed: main") || got.Last.IsZero() {
			t.Errorf("%d: after a write %+v", major, got)
		}
		if there.Any != mover.WrittenSome || !strings.Contains(there.Why, "changed: main") || there.Last.IsZero() {
			t.Errorf("%d: the target after a write %+v", major, there)
		}
	}
}

// TestACommitRunAgainHidesNoWrite: the commit is cut off between its halves,
// somebody writes to the source, and the second half comes late.
func TestACommitRunAgainHidesNoWrite(t *testing.T) {
	t.Parallel()
	p := moved(t, 14, 14, fillMove)
	request := p.request(mover.OpCommit)
	request.Counters = do[mover.Proof](t, p, mover.OpProve).Counters
	p.source.Exec(t, ownDatabase, "begin read write; delete from dr.lineage; delete from dr.moment; commit")
	p.source.Exec(t, "main", "begin read write; insert into jobs (name) values ('in spite of the fence'); commit")
	for range 2 {
		runAs[struct{}](t, request)
		if got, _ := p.sidesWritten(t); got.Any == mover.WrittenNone {
			t.Errorf("the write is hidden: %+v", got)
		}
	}
}

// TestWrittenSinceIsNotMadeUp: an older version of us recorded nothing, and
// statistics that began anew count nothing.
func TestWrittenSinceIsNotMadeUp(t *testing.T) {
	t.Parallel()
	p := moved(t, 12, 14, fillMove)
	p.source.Exec(t, "main", "begin read write; select pg_stat_reset(); analyze jobs; commit")
	// Statistics of 12 are collected by another process, in its own time.
	var got mover.SideWrites
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end) && !strings.Contains(got.Why, "began anew"); time.Sleep(100 * time.Millisecond) {
		got, _ = p.sidesWritten(t)
	}
	if got.Any != mover.WrittenUnknown || !strings.Contains(got.Why, "statistics of main began anew") {
		t.Errorf("after a reset %+v", got)
	}
	p.source.Exec(t, ownDatabase, "begin read write; drop table dr.moment; commit")
	p.target.Exec(t, ownDatabase, "update dr.moment set epoch = 7")
	for _, got := range []func() mover.SideWrites{
		func() mover.SideWrites { s, _ := p.sidesWritten(t); return s },
		func() mover.SideWrites { _, s := p.sidesWritten(t); return s },
	} {
		if got := got(); got.Any != mover.WrittenUnknown || got.Why != "how it was then is not on record" {
			t.Errorf("without a record %+v", got)
		}
	}
}

// TestCommitTimestampsBoundTheLastWrite: where the server tracks them.
func TestCommitTimestampsBoundTheLastWrite(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.NewWith(t, pgtest.Options{Major: 14, Settings: map[string]string{"track_commit_timestamp": "on"}}), target: pgtest.New(t, 14), admin: pgtest.Superuser}
	fillMove(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	p.commit(t)
	p.source.Exec(t, "main", "begin read write; insert into jobs (name) values ('late'); commit")
	at := p.source.Value(t, "main", "select to_char(timestamp at time zone 'utc', 'YYYY-MM-DD HH24:MI:SS.US') from pg_last_committed_xact()")
	got, _ := p.sidesWritten(t)
	if got.From != "commit timestamps" || got.Last.Format("2006-01-02 15:04:05.000000") != at {
		t.Errorf("got %+v, want %s", got, at)
	}
}
