package mongo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/internal/movertest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// TestMain makes the test binary a mover where movertest wants one.
func TestMain(m *testing.M) { movertest.Main(m, Run) }

// bulk fills collections large enough to be caught in the middle of.
func bulk(t *testing.T, s *mongotest.Server, collections, documents int) {
	t.Helper()
	text := strings.Repeat("0123456789abcdef", 60)
	for i := range collections {
		name := fmt.Sprintf("c%d", i)
		for from := 0; from < documents; from += 10000 {
			var all []any
			for j := range min(10000, documents-from) {
				all = append(all, bson.D{{Key: "_id", Value: from + j}, {Key: "n", Value: j % 100}, {Key: "text", Value: text}})
			}
			insert(t, s, "bulk", name, all...)
		}
		s.Command(t, "bulk", `{"createIndexes": "`+name+`", "indexes": [{"key": {"n": 1, "text": 1}, "name": "n"}]}`)
	}
}

func TestCopyKilledAnywhereConverges(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "5.0")
	awkward(t, p.source)
	bulk(t, p.source, 3, 8000)
	do[mover.FenceResult](t, p, mover.OpFence)
	for _, point := range []string{"prepare ", "documents ", "documents bulk.c0", "documents main.indexed", "views "} {
		movertest.KillAt(t, p.request(mover.OpCopy), point)
	}
	do[mover.CopyResult](t, p, mover.OpCopy)
	equal(t, p)
}

func TestNewerMoverTakesOver(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	bulk(t, p.source, 4, 12000)
	do[mover.FenceResult](t, p, mover.OpFence)
	movertest.LosesTo(t, p.request(mover.OpCopy), "documents bulk.c0", func() { do[mover.CopyResult](t, p, mover.OpCopy) })
	equal(t, p)
}

// TestServerRestartsInTheMiddle kills the target while a copy writes to it,
// and then the source, whose lock goes with it.
func TestServerRestartsInTheMiddle(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "6.0")
	bulk(t, p.source, 2, 30000)
	do[mover.FenceResult](t, p, mover.OpFence)
	// On a busy machine a copy may be over before the target is: it is whole then.
	for try := 1; !diesWithItsTarget(t, p); try++ {
		equal(t, p)
		if try == 5 {
			t.Fatal("the target was never restarted in the middle")
		}
	}
	do[mover.CopyResult](t, p, mover.OpCopy)
	proof := equal(t, p)
	p.source.Restart(t)
	codeIs(t, p.request(mover.OpCopy), mover.CodeMoved, sourceSide)
	codeIs(t, p.request(mover.OpProve), mover.CodeMoved, sourceSide)
	commit := p.request(mover.OpCommit)
	commit.Counters = proof.Counters
	codeIs(t, commit, mover.CodeMoved, sourceSide)
	do[mover.FenceResult](t, p, mover.OpFence) // up again
	do[mover.CopyResult](t, p, mover.OpCopy)
	equal(t, p)
}

// diesWithItsTarget restarts the target once the copy has begun, and tells
// whether the copy ended with an error.
func diesWithItsTarget(t *testing.T, p pair) bool {
	t.Helper()
	mover, lines := movertest.Start(t, p.request(mover.OpCopy))
	movertest.Until(t, lines, "documents bulk.c0")
	p.target.Restart(t)
	for lines.Scan() { // until the mover is gone
	}
	return mover.Wait() != nil
}
