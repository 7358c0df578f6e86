package reconcile

import (
	"flag"
	"slices"
	"sync"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// Some tests try every single call of a move. In an ordinary run they do so
// for the flows that between them have every step in both directions, one
// datastore and two; make matrix does it for all.
var everyFlow = flag.Bool("flows.all", false, "try every single call of all flows")

var perCall = map[string]bool{"out": true, "out, not rehearsed": true, "back": true, "both out": true, "handed off": true, "forked": true}

func flowsPerCall() []flow {
	return slices.DeleteFunc(slices.Clone(flows), func(f flow) bool { return !*everyFlow && !perCall[f.name] })
}

// matrix counts what a test tried: combinations of a flow, a place in it and
// something that happens there.
type matrix struct {
	mu                    sync.Mutex
	flows                 map[string]bool
	places, ran, arrived  int
	what, place, happened string
}

// newMatrix begins to count, and says the sum when the test is over.
func newMatrix(t *testing.T, what, place, happened string) *matrix {
	t.Helper()
	m := &matrix{flows: map[string]bool{}, what: what, place: place, happened: happened}
	t.Cleanup(func() {
		t.Logf("matrix: %s: %d flows, %d %s, %s = %d ran, %d converged", m.what, len(m.flows), m.places, m.place, m.happened, m.ran, m.arrived)
		if m.ran == 0 {
			t.Error("nothing was tried")
		}
	})
	return m
}

// at counts some places of a flow.
func (m *matrix) at(f flow, places int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.flows[f.name] = true
	m.places += places
}

// try counts one combination, and whether it converged: the test has not
// failed by then.
func (m *matrix) try(t *testing.T, one func()) {
	t.Helper()
	arrived := false
	defer func() { m.count(arrived) }() // also when the test leaves in the middle
	one()
	arrived = !t.Failed()
}

func (m *matrix) count(arrived bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ran++
	if arrived {
		m.arrived++
	}
}

// eachCall runs a test for every single call that an apply of a flow makes,
// the flows side by side.
func eachCall(t *testing.T, m *matrix, test func(t *testing.T, f flow, n int)) {
	t.Helper()
	for _, f := range flowsPerCall() {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			total := f.calls(t)
			m.at(f, total.all-total.planned)
			for n := total.planned + 1; n <= total.all; n++ {
				test(t, f, n)
			}
		})
	}
}

func TestPerCallFlowsHaveEveryStep(t *testing.T) {
	tried := map[engine.ActionKind]bool{ActGoBack: true}
	for _, f := range flows {
		for _, kind := range f.steps {
			tried[kind] = tried[kind] || perCall[f.name]
		}
	}
	for kind, ok := range tried {
		if !ok {
			t.Errorf("no flow whose every call is tried has a step %s", kind)
		}
	}
}
