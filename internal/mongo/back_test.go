package mongo

import (
	"context"
	"fmt"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// leg is one move of a round trip.
func (p pair) leg(op mover.Operation, back bool, epoch, replaces int) mover.Request {
	req := p.request(op)
	req.Epoch, req.Replaces = epoch, replaces
	req.Move, req.Fence = fmt.Sprintf("move-%d", epoch), fmt.Sprintf("fence-%d", epoch)
	if back {
		req.Source, req.Target = req.Target, req.Source
	}
	return req
}

// TestThereAndBackAndThereAgain carries what was written since in every leg,
// and overwrites no side that did not lose its turn to the very source.
func TestThereAndBackAndThereAgain(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	simple(t, p.source)
	insert(t, p.source, "dropped_outside", "things", bson.D{{Key: "a", Value: 1}})
	for epoch, back := range []bool{false, true, false} {
		epoch++
		to := p.target
		if back {
			to = p.source
		}
		replaces := epoch - 1
		if replaces > 0 {
			if read := run[mover.ReadResult](t, p.leg(mover.OpRead, back, epoch, 0)); read.Rows < 3001 || read.Tables < 2 {
				t.Errorf("leg %d: read only %+v", epoch, read)
			}
			lift := p.leg(mover.OpUnfence, !back, epoch, 0) // what stands on the side that lost its turn
			lift.Fence = ""
			run[mover.UnfenceResult](t, lift)
		}
		run[mover.FenceResult](t, p.leg(mover.OpFence, back, epoch, 0))
		if replaces > 0 {
			_ = codeIs(t, p.leg(mover.OpCopy, back, epoch, 0), mover.CodeNotEmpty, targetSide)
			_ = codeIs(t, p.leg(mover.OpCopy, back, epoch, replaces+7), mover.CodeNotEmpty, targetSide)
			insert(t, to, "somebody_elses", "things", bson.D{{Key: "a", Value: 1}}) // since this side lost its turn
			_ = codeIs(t, p.leg(mover.OpCopy, back, epoch, replaces), mover.CodeNotEmpty, targetSide)
			if err := to.Client(t).Database("somebody_elses").Drop(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		run[mover.CopyResult](t, p.leg(mover.OpCopy, back, epoch, replaces))
		proof := run[mover.Proof](t, p.leg(mover.OpProve, back, epoch, replaces))
		if !proof.Equal() {
			t.Fatalf("leg %d: not equal: %q", epoch, differences(proof))
		}
		commit := p.leg(mover.OpCommit, back, epoch, replaces)
		commit.Counters = proof.Counters
		run[struct{}](t, commit)
		jobs := to.Client(t).Database("circle_ghe").Collection("jobs")
		n, err := jobs.CountDocuments(context.Background(), bson.D{})
		if err != nil || n != int64(2999+epoch) {
			t.Fatalf("leg %d: %d documents, want %d (%v)", epoch, n, 2999+epoch, err)
		}
		insert(t, to, "circle_ghe", "jobs", bson.D{{Key: "_id", Value: 9000 + epoch}, {Key: "name", Value: fmt.Sprint("since ", epoch)}})
		if epoch == 1 {
			if err := to.Client(t).Database("dropped_outside").Drop(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestNeverToAnOlderRelease(t *testing.T) {
	t.Parallel()
	p := newPair(t, "5.0", "4.4")
	simple(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	_ = codeIs(t, p.request(mover.OpCopy), mover.CodeUnsupported, targetSide)
}
