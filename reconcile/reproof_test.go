package reconcile

import (
	"errors"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// The fence holds the source only. Whoever changes the target between the
// proof of a killed run and the switch of the next one must be noticed.
func TestATargetThatChangedSinceAKilledRunsProofIsNoticed(t *testing.T) {
	for _, point := range []string{"prove:end", "switch-release:before-effect"} {
		t.Run(point, func(t *testing.T) {
			w, s := cutAt(t, point)
			w.dst.rows[1] += 5
			a := w.process(t.Context(), s)
			var different *DifferentError
			if !errors.As(a.err, &different) || len(different.Proof.Differences) != 1 || !a.rep.Left(engine.AppBack) {
				t.Fatalf("error %v, went back %v", a.err, a.rep.Left(engine.AppBack))
			}
			w.home(t, point)
			w.converge(t, s) // a new attempt copies anew
			w.moved(t, s, point)
		})
	}
}

// What the switch was made on is not asked again: hooks of the upgrade may
// have written to the target by then.
func TestAfterTheSwitchTheProofStands(t *testing.T) {
	w, s := cutAt(t, "switch-release:end")
	_, plan, err := w.plan(s)
	if err != nil || slices.Contains(actions(plan.Steps), ActProve) {
		t.Fatalf("steps %v, error %v", actions(plan.Steps), err)
	}
	w.dst.rows[1] += 5
	if a := w.process(t.Context(), s); a.err != nil {
		t.Fatal(a.err)
	}
}
