package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// forked is a pair whose source came back, was let go and took writes.
func forked(t *testing.T) pair {
	t.Helper()
	p := moved(t, 14, 14, fillMove)
	p.source.Exec(t, "postgres", "begin read write; create role app login; commit")
	p.source.Exec(t, "postgres", "alter system reset default_transaction_read_only")
	p.source.Exec(t, "postgres", "select pg_reload_conf()")
	p.source.Exec(t, "main", "begin read write; insert into jobs (name) values ('only here'); commit")
	p.target.Exec(t, "main", "insert into jobs (name) values ('only there')")
	return p
}

func (p pair) ending(op mover.Operation) mover.Request {
	req := p.request(op)
	req.Move, req.Epoch, req.Fence, req.Fork = "move-2", 2, "fence-2", true
	return req
}

// TestAForkIsEnded goes on with the external side. What only the internal one
// has is kept under another name, where no later move carries or drops it.
func TestAForkIsEnded(t *testing.T) {
	t.Parallel()
	p := forked(t)
	plain := p.ending(mover.OpFence)
	plain.Fork = false
	_ = codeIs(t, plain, mover.CodeOtherHolder, sourceSide)
	_ = codeIs(t, p.ending(mover.OpSetAside), mover.CodeInconclusive, sourceSide)

	// Cut off before the commit it goes back, and the source takes writes as before.
	perform[mover.FenceResult](t, p.ending(mover.OpFence))
	perform[struct{}](t, p.ending(mover.OpWithdraw))
	perform[mover.UnfenceResult](t, p.ending(mover.OpUnfence))
	p.source.Exec(t, "main", "insert into jobs (name) values ('only here too')")

	p.source.Exec(t, "postgres", "create database wiki") // the move did not carry it

	fenced := perform[mover.FenceResult](t, p.ending(mover.OpFence))
	if fenced.Fence.ID != "fence-2" || p.source.Value(t, "main", "select current_setting('default_transaction_read_only')") != "on" {
		t.Errorf("the fence is %+v", fenced)
	}
	for range 2 {
		perform[struct{}](t, p.ending(mover.OpCommit))
		if got, want := p.lineages(t), [2]string{"superseded 2 move-2", "authoritative 2 move-2"}; got != want {
			t.Errorf("after the commit %q, want %q", got, want)
		}
	}
	p.target.Exec(t, "main", "update jobs set name = name where id = 1")
	_ = codeIs(t, p.ending(mover.OpWithdraw), mover.CodeMoved, targetSide)
	p.setAsideNeedsTheRecord(t, p.source, p.ending(mover.OpSetAside))
	for range 2 {
		kept := perform[mover.SetAsideResult](t, p.ending(mover.OpSetAside))
		if !slices.Equal(kept.LeftAlone, []string{"wiki"}) {
			t.Errorf("left alone %q", kept.LeftAlone)
		}
		if !slices.Equal(kept.Databases, []string{"main__dr_e2"}) {
			t.Errorf("kept %q", kept.Databases)
		}
	}
	if source, _ := p.sidesWritten(t); source.Any != mover.WrittenSome {
		t.Errorf("the source says %+v", source)
	}

	// The way back brings the external data and leaves what was set aside alone.
	lift := p.leg(mover.OpUnfence, false, 3, 0)
	lift.Fence = ""
	perform[mover.UnfenceResult](t, lift)
	p.source.Exec(t, "postgres", "drop database wiki")
	perform[mover.FenceResult](t, p.leg(mover.OpFence, true, 3, 0))
	perform[mover.CopyResult](t, p.leg(mover.OpCopy, true, 3, 2))
	if proof := perform[mover.Proof](t, p.leg(mover.OpProve, true, 3, 2)); !proof.Equal() {
		t.Errorf("the way back: not equal: %q", differences(proof))
	}
	p.source.Exec(t, "postgres", "alter database main__dr_e2 with allow_connections true")
	names := p.source.Value(t, "main__dr_e2", "select string_agg(name, ', ' order by id) from jobs where id > 100")
	if names != "only here, only here too" {
		t.Errorf("set aside: %q", names)
	}
	if names := p.source.Value(t, "main", "select string_agg(name, ', ' order by id) from jobs where id > 100"); names != "only there" {
		t.Errorf("brought back: %q", names)
	}
}

// setAsideNeedsTheRecord: what a move carried is not guessed where an older
// version left no record, and the inspection says that there is none.
func (p pair) setAsideNeedsTheRecord(t *testing.T, losing *pgtest.Server, req mover.Request) {
	t.Helper()
	carried := func() []string {
		in := do[mover.InspectResult](t, p, mover.OpInspect)
		if losing == p.source {
			return in.Source.Database.Carried
		}
		return in.Target.Database.Carried
	}
	if got := carried(); !slices.Equal(got, []string{"main"}) {
		t.Errorf("carried %q", got)
	}
	losing.Exec(t, ownDatabase, "begin read write; delete from dr.made where kind = 'carried'; commit")
	if err := codeIs(t, req, mover.CodeInconclusive, sourceSide); !strings.Contains(err.Error(), "insert ('carried', NAME) into dr.made") {
		t.Errorf("without a record: %v", err)
	}
	if got := carried(); got != nil {
		t.Errorf("without a record: carried %q", got)
	}
	losing.Exec(t, ownDatabase, "begin read write; insert into dr.made values ('carried', 'main'); commit")
}

// TestAFenceThatStoodStays: pulled back behind its fence, and going back.
func TestAFenceThatStoodStays(t *testing.T) {
	t.Parallel()
	p := moved(t, 14, 14, fillMove)
	perform[mover.UnfenceResult](t, p.ending(mover.OpUnfence)) // not ours yet
	for range 2 {
		perform[mover.FenceResult](t, p.ending(mover.OpFence))
	}
	perform[mover.UnfenceResult](t, p.ending(mover.OpUnfence))
	if got := p.source.Value(t, "main", "select current_setting('default_transaction_read_only')"); got != "on" {
		t.Error("the fence that stood before was lifted")
	}
	if source, _ := p.sidesWritten(t); source.Any != mover.WrittenNone {
		t.Errorf("our own writes count: %+v", source)
	}
}

func TestNamesOfWhatIsSetAside(t *testing.T) {
	long := strings.Repeat("é", 31)
	for name, want := range map[string]string{
		"main": "main__dr_e2", strings.Repeat("a", 56): strings.Repeat("a", 56) + "__dr_e2",
		strings.Repeat("a", 57): strings.Repeat("a", 47) + "_" + hashText(strings.Repeat("a", 57)) + "__dr_e2",
		long:                    strings.Repeat("é", 23) + "_" + hashText(long) + "__dr_e2",
	} {
		if got := asideName(name, "__dr_e2"); got != want || len(got) > longestName {
			t.Errorf("%s is kept as %s, want %s", name, got, want)
		}
	}
}

// TestTheInternalSideIsChosen: the external databases are set aside by a role
// that is no superuser, while the internal side goes on taking writes.
func TestTheInternalSideIsChosen(t *testing.T) {
	t.Parallel()
	p := forked(t)
	chosen := func(op mover.Operation) mover.Request {
		req := p.leg(op, true, 2, 0)
		req.Fork, req.Fence, req.OwnerMap = true, "", nil
		return req
	}
	_ = codeIs(t, chosen(mover.OpSetAside), mover.CodeInconclusive, sourceSide)
	for range 2 {
		perform[struct{}](t, chosen(mover.OpCommit))
		if got, want := p.lineages(t), [2]string{"authoritative 2 move-2", "superseded 2 move-2"}; got != want {
			t.Errorf("after the commit %q, want %q", got, want)
		}
		p.source.Exec(t, "main", "begin read write; insert into jobs (name) values ('goes on'); commit")
	}
	p.target.Exec(t, "postgres", "create database wiki") // somebody else's, on a shared server
	p.target.Exec(t, "wiki", "create table pages (id int)")
	p.setAsideNeedsTheRecord(t, p.target, chosen(mover.OpSetAside))
	for range 2 {
		if kept := perform[mover.SetAsideResult](t, chosen(mover.OpSetAside)); !slices.Equal(kept.Databases, []string{"main__dr_e2"}) || !slices.Equal(kept.LeftAlone, []string{"wiki"}) {
			t.Errorf("kept %q, left alone %q", kept.Databases, kept.LeftAlone)
		}
	}
	p.target.Exec(t, "wiki", "insert into pages values (1)")
	lift := p.leg(mover.OpUnfence, false, 2, 0)
	lift.Fence = ""
	perform[mover.UnfenceResult](t, lift)
	if in, _ := p.sidesWritten(t); in.Any != mover.WrittenSome {
		t.Errorf("the internal side says %+v", in)
	}
	p.target.Exec(t, "postgres", "alter database main__dr_e2 with allow_connections true")
	if n := p.target.Value(t, "main__dr_e2", "select count(*) from jobs where name = 'only there'"); n != "1" {
		t.Errorf("set aside: %s rows", n)
	}
}
