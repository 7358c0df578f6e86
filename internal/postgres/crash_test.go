package postgres

import (
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/movertest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestMain makes the test binary a mover where movertest wants one.
func TestMain(m *testing.M) { movertest.Main(m, Run) }

func TestCopyKilledAnywhereConverges(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	for _, point := range []string{"roles ", "schema main", "rows main", "constraints main", "privileges main", "schema other", "analyze other"} {
		movertest.KillAt(t, p.request(mover.OpCopy), point)
	}
	do[mover.CopyResult](t, p, mover.OpCopy)
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

func TestNewerMoverTakesOver(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	movertest.LosesTo(t, p.request(mover.OpCopy), "roles ", func() { do[mover.CopyResult](t, p, mover.OpCopy) })
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}
