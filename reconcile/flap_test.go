package reconcile

import (
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// flaps makes a workload's pods unready right after a step's call, for so many half
// seconds.
func (w *world) flaps(step engine.ActionKind, halves int) {
	a := w.apps["Deployment/frontend"]
	w.at = func(name string) {
		if name != string(step)+":after-effect" {
			return
		}
		a.unready, a.ready = halves, 0
	}
}

// A probe that is answered late after everything was up is no failed step: the
// outage is over, and nobody wants to hear otherwise.
func TestAPodThatIsUnreadyForAMomentFailsNoStep(t *testing.T) {
	eachFlowThatSwitches(t, func(t *testing.T, f flow) {
		for _, step := range []engine.ActionKind{ActResume, ActSettle} {
			w, s := f.begin(t), f.spec()
			w.flaps(step, 8)
			if a := w.process(t.Context(), s); a.err != nil {
				t.Errorf("%s: %v", step, a.err)
			}
			w.at = nil
			w.moved(t, s, "after unready pods in "+string(step))
		}
	})
}

// One that stays unready is told, with the workload's name.
func TestAPodThatStaysUnreadyFailsTheStep(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.flaps(ActSettle, 1000)
	a := w.process(t.Context(), s)
	if a.err == nil || !strings.Contains(a.err.Error(), "looking again shows: Deployment/frontend has 0 of") {
		t.Errorf("the step ended with %v", a.err)
	}
}
