package reconcile

import (
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/spec"
)

// flow is one kind of move: the world it begins in, what the spec asks for,
// and the steps it takes. What holds for one holds for all.
type flow struct {
	name   string
	before []func() *spec.Spec // moves that are over when it begins
	spec   func() *spec.Spec
	steps  []ActionKind
}

var flows = []flow{
	{"out", nil, externalSpec, wholeMove},
	{"back", []func() *spec.Spec{externalSpec}, backSpec, wayBack},
	{"out again", []func() *spec.Spec{externalSpec, backSpec}, externalSpec, outAgain},
}

var (
	wayBack  = []ActionKind{ActRead, ActRecord, ActQuiesce, ActFence, ActSwitch, ActCopy, ActProve, ActCommit, ActResume, ActSettle}
	outAgain = []ActionKind{ActCredentials, ActProtect, ActRead, ActRecord, ActQuiesce, ActFence, ActCopy, ActProve, ActSwitch, ActCommit, ActResume, ActSettle, ActRemove}
)

// backSpec wants the data in the cluster and still says where they are.
func backSpec() *spec.Spec {
	s := externalSpec()
	s.Datastores.PostgreSQL.Location = spec.Internal
	return s
}

// begin is the world before the flow's move.
func (f flow) begin(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	for _, s := range f.before {
		w.converge(t, s())
		w.inside = !w.inside
	}
	home := internalHost
	if !w.inside {
		home = externalHost
	}
	for _, a := range w.apps {
		a.home = home
	}
	w.creds, w.safe = !w.inside, !w.inside // somebody tidied up meanwhile
	w.rest()
	return w
}

// calls counts the calls of the outside before, in the plan and in the apply.
func (f flow) calls(t *testing.T) callCount {
	t.Helper()
	w := f.begin(t)
	c := callCount{begun: len(w.calls)}
	o, plan, err := w.plan(f.spec())
	if err != nil {
		t.Fatal(err)
	}
	c.planned = len(w.calls)
	if _, err, _ := w.apply(t.Context(), f.spec(), o, plan); err != nil {
		t.Fatal(err)
	}
	c.all = len(w.calls)
	return c
}

type callCount struct{ begun, planned, all int }

// eachFlow runs a test for every kind of move.
func eachFlow(t *testing.T, test func(t *testing.T, f flow)) {
	t.Helper()
	for _, f := range flows {
		t.Run(f.name, func(t *testing.T) { test(t, f) })
	}
}

func TestThereAndBackAndThereAgain(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		a := w.process(t.Context(), s)
		if a.err != nil {
			t.Fatal(a.err)
		}
		if got := actions(a.plan.Steps); !slices.Equal(got, f.steps) {
			t.Errorf("steps are %v, want %v", got, f.steps)
		}
		w.moved(t, s, f.name)
	})
}
