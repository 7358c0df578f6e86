package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// internalChosen is a forked world in which the internal side was chosen.
func internalChosen(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	w.converge(t, externalSpec())
	w.pullBack()
	w.src.fence, w.src.stood = "", false
	w.choice = map[mover.Engine]spec.Location{mover.PostgreSQL: spec.Internal}
	w.rest()
	return w
}

// adoptedWell checks that the internal side has its turn, the application was
// never stopped, and nothing of the other side is lost.
func (w *world) adoptedWell(t *testing.T, before map[int]int, where string) {
	t.Helper()
	w.rest()
	for _, wrong := range w.wrongs {
		t.Errorf("%s: %s", where, wrong)
	}
	o, plan, err := w.plan(backSpec())
	if err != nil || len(plan.Steps) != 0 || len(plan.Findings) != 0 {
		t.Errorf("%s: the next plan has %v, findings %v, error %v", where, ids(plan.Steps), plan.Findings, err)
	}
	if items, err := Drift(backSpec(), o, time.Hour); err != nil || len(items) != 0 {
		t.Errorf("%s: drift %v, error %v", where, items, err)
	}
	l := o.Postgres.Lineage.Value
	if l.Authoritative != spec.Internal || l.Epoch != 2 || l.Adopting || !slices.Equal(l.SetAside, []string{"circleci__dr_e2"}) {
		t.Errorf("%s: lineage %+v", where, l)
	}
	if w.src.mark.State != "authoritative" || w.dst.mark.State != "superseded" || !maps.Equal(w.dst.aside, before) {
		t.Errorf("%s: marks %+v and %+v, %d rows set aside", where, w.src.mark, w.dst.mark, len(w.dst.aside))
	}
	if got := w.replicas(); !maps.Equal(got, wantReplicas) || w.src.fence != "" {
		t.Errorf("%s: replicas %v, fence %q", where, got, w.src.fence)
	}
}

func TestTheInternalSideIsGoneOnWith(t *testing.T) {
	w := internalChosen(t)
	w.src.fence = "postgresql-e1-a1" // it stands, and is lifted
	before := maps.Clone(w.dst.rows)
	w.strangers = []string{"wiki"} // on a shared server
	a := w.process(t.Context(), backSpec())
	if got := actions(a.plan.Steps); a.err != nil || !slices.Equal(got, []engine.ActionKind{ActAdopt}) || !slices.Equal(a.plan.Dangers(), []string{AcceptDiscardExternal}) {
		t.Fatalf("steps %v, dangers %v, error %v", got, a.plan.Dangers(), a.err)
	}
	step := a.plan.Steps[0]
	if len(step.Changes) != 1 || !strings.HasPrefix(step.Changes[0].Field, "database circleci on ") || step.Details[0] != "left alone, because the move did not carry them: wiki" {
		t.Errorf("changes %+v, details %q", step.Changes, step.Details)
	}
	o, _, _ := w.plan(backSpec())
	if line := statusStore(o, mover.PostgreSQL); !strings.HasSuffix(line.Text, "circleci__dr_e2; left alone: wiki") {
		t.Errorf("status says %q", line.Text)
	}
	w.strangers = nil
	w.adoptedWell(t, before, "adopted")
	// What was set aside is in nobody's way when the data move out again.
	w.choice = nil
	w.src.rows = map[int]int{}
	w.acked, w.forked = nil, false
	w.strangers = []string{"wiki"} // left alone, and no copy may drop it
	if _, plan, err := w.plan(externalSpec()); err != nil || !slices.Contains(blocks(plan), "target-not-empty") {
		t.Errorf("with a stranger's database: blocked by %v, error %v", blocks(plan), err)
	}
	w.strangers = nil
	w.converge(t, externalSpec())
	w.moved(t, externalSpec(), "out again")
}

func TestKilledAroundEveryCallOfAdoptionTheNextRunConverges(t *testing.T) {
	for n, died := 1, true; died; n++ {
		died = false
		for _, when := range []string{"before", "after"} {
			w := internalChosen(t)
			before := maps.Clone(w.dst.rows)
			o, plan, err := w.plan(backSpec())
			if err != nil {
				t.Fatal(err)
			}
			w.dieAt(len(w.calls)+n, when)
			_, _, dead := w.apply(t.Context(), backSpec(), o, plan)
			died = died || dead
			where := fmt.Sprintf("killed %s call %d", when, n)
			w.calm()
			// Once a server knows of the choice, no flag is needed to go on.
			if w.src.mark.State == "authoritative" {
				w.choice = nil
			}
			w.converge(t, backSpec())
			w.adoptedWell(t, before, where)
			if t.Failed() {
				t.FailNow()
			}
		}
	}
}

func TestTheInternalSideIsNotGoneOnWithUnasked(t *testing.T) {
	for name, change := range map[string]func(*world) *spec.Spec{
		"nobody chose":                func(w *world) *spec.Spec { w.choice = nil; return backSpec() },
		"the spec wants external":     func(*world) *spec.Spec { return externalSpec() },
		"the other side is not known": func(*world) *spec.Spec { return internalSpec() },
		"what was carried is unknown": func(w *world) *spec.Spec { w.noCarried = true; return backSpec() },
		"the other side is away":      func(w *world) *spec.Spec { w.noTarget = true; return backSpec() },
	} {
		w := internalChosen(t)
		_, plan, err := w.plan(change(w))
		if err != nil || len(plan.Steps) != 0 || !slices.Contains(blocks(plan), "two-truths") {
			t.Errorf("%s: steps %v, blocked by %v, error %v", name, actions(plan.Steps), blocks(plan), err)
		}
	}
}

// TestTheWayBackAfterAFork: what was set aside is in nobody's way.
func TestTheWayBackAfterAFork(t *testing.T) {
	w := newWorld()
	w.converge(t, externalSpec())
	w.pullBack()
	w.src.fence, w.src.stood = "", false
	w.rest()
	w.strangers = []string{"wiki"}
	if _, plan, err := w.plan(externalSpec()); err != nil || !strings.Contains(fmt.Sprint(plan.Steps), "the move did not carry them: wiki") {
		t.Errorf("error %v, steps %v", err, plan.Steps)
	}
	w.noCarried = true
	if _, plan, _ := w.plan(externalSpec()); !slices.Contains(blocks(plan), "fork-choice") || len(plan.Steps) > 0 {
		t.Errorf("without a record of what was carried: %v, steps %v", blocks(plan), ids(plan.Steps))
	}
	w.noCarried = false
	w.converge(t, externalSpec())
	w.strangers = nil
	w.moved(t, externalSpec(), "the fork is ended")
	o, _, _ := w.plan(externalSpec())
	if line := statusStore(o, mover.PostgreSQL); !strings.Contains(line.Text, "set aside on the internal PostgreSQL: circleci__dr_e2; left alone: wiki") {
		t.Errorf("status says %q", line.Text)
	}
	w.choice, w.forked = nil, false
	aside := maps.Clone(w.src.aside)
	w.converge(t, backSpec())
	w.moved(t, backSpec(), "back")
	if !maps.Equal(w.src.aside, aside) || len(aside) == 0 {
		t.Errorf("set aside were %d rows, now %d", len(aside), len(w.src.aside))
	}
}
