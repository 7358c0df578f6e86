package mongo

import (
	"fmt"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// committed moves to a target and commits.
func committed(t *testing.T, p pair) {
	t.Helper()
	simple(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	commit := p.request(mover.OpCommit)
	commit.Counters = equal(t, p).Counters
	run[struct{}](t, commit)
}

func states(t *testing.T, p pair) string {
	t.Helper()
	inspected := do[mover.InspectResult](t, p, mover.OpInspect)
	var out []string
	for _, side := range []*mover.InspectedSide{inspected.Source, inspected.Target} {
		if side.Database == nil {
			t.Fatalf("inspect: %s", side.Error)
		}
		if side.Database.Lineage == nil {
			out = append(out, "none")
			continue
		}
		out = append(out, fmt.Sprintf("%s %d", side.Database.Lineage.State, side.Database.Lineage.Epoch))
	}
	return fmt.Sprintf("%q fenced %t", out, inspected.Source.Database.Fence != nil)
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"", "rs0"} {
		t.Run("set "+set, func(t *testing.T) {
			p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4"}), target: mongotest.New(t, mongotest.Options{Release: "5.0", ReplicaSet: set})}
			committed(t, p)
			if got := states(t, p); got != `["superseded 1" "authoritative 1"] fenced true` {
				t.Errorf("committed: %s", got)
			}
			equal(t, p) // a proof writes nothing that counts
			do[struct{}](t, p, mover.OpWithdraw)
			do[struct{}](t, p, mover.OpWithdraw)
			if got := states(t, p); got != `["authoritative 1" "copied 1"] fenced true` {
				t.Errorf("withdrawn: %s", got)
			}
			do[struct{}](t, p, mover.OpCommit) // the same move may be committed again
			if got := states(t, p); got != `["superseded 1" "authoritative 1"] fenced true` {
				t.Errorf("committed again: %s", got)
			}
		})
	}
}

func TestWithdrawAfterAWrite(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"", "rs0"} {
		t.Run("set "+set, func(t *testing.T) {
			p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4"}), target: mongotest.New(t, mongotest.Options{Release: "6.0", ReplicaSet: set})}
			committed(t, p)
			p.target.Command(t, "circle_ghe", `{"findAndModify": "jobs", "query": {"_id": 1}, "update": {"$set": {"late": 1}}}`)
			codeIs(t, p.request(mover.OpWithdraw), mover.CodeMoved, targetSide)
			// Written back: the contents are the same, and somebody was there.
			p.target.Command(t, "circle_ghe", `{"findAndModify": "jobs", "query": {"_id": 1}, "update": {"$unset": {"late": 1}}}`)
			codeIs(t, p.request(mover.OpWithdraw), mover.CodeMoved, targetSide)
			if got := states(t, p); got != `["superseded 1" "authoritative 1"] fenced true` {
				t.Errorf("after a refused withdrawal: %s", got)
			}
			codeIs(t, p.request(mover.OpCopy), mover.CodeNotEmpty, targetSide)
		})
	}
}

// TestWayBack moves out and back again, with what was written meanwhile.
func TestWayBack(t *testing.T) {
	t.Parallel()
	there := newPair(t, "4.4", "4.4")
	committed(t, there)
	do[mover.UnfenceResult](t, there, mover.OpUnfence)
	there.target.Command(t, "circle_ghe", `{"insert": "jobs", "documents": [{"_id": "made there"}]}`)
	back := pair{source: there.target, target: mongotest.New(t, mongotest.Options{Release: "4.4"})}
	request := func(op mover.Operation) mover.Request {
		req := back.request(op)
		req.Move, req.Epoch, req.Fence = "move-2", 2, "fence-2"
		return req
	}
	run[mover.FenceResult](t, request(mover.OpFence))
	run[mover.CopyResult](t, request(mover.OpCopy))
	proof := run[mover.Proof](t, request(mover.OpProve))
	if !proof.Equal() || proof.Compared["documents"] != 3002 {
		t.Fatalf("way back: %q, compared %v", differences(proof), proof.Compared)
	}
	commit := request(mover.OpCommit)
	commit.Counters = proof.Counters
	run[struct{}](t, commit)
	if got := states(t, back); got != `["superseded 2" "authoritative 2"] fenced true` {
		t.Errorf("back: %s", got)
	}
}
