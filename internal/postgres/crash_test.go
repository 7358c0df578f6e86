package postgres

import (
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/movertest"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

// TestMain makes the test binary a mover where movertest wants one.
func TestMain(m *testing.M) { movertest.Main(m, Run) }

func TestCopyKilledAnywhereConverges(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	for _, point := range []string{"roles ", "schema main", "rows main", "constraints main", "privileges main", "schema other", "analyze other"} {
		movertest.KillAt(t, p.request(reconcile.OpCopy), point)
	}
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	if proof := do[reconcile.Proof](t, p, reconcile.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

func TestNewerMoverTakesOver(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	movertest.LosesTo(t, p.request(reconcile.OpCopy), "roles ", func() { do[reconcile.CopyResult](t, p, reconcile.OpCopy) })
	if proof := do[reconcile.Proof](t, p, reconcile.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}
