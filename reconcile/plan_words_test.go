package reconcile

import (
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// What a plan of both engines says of its steps is true of each of them.
func TestTheWordsOfAPlanOfBothEngines(t *testing.T) {
	f := factsOf("both back")(t)
	p, err := MakePlan(f.s, f.o)
	if err != nil {
		t.Fatal(err)
	}
	for _, st := range p.Steps {
		if st.Action == ActRead && !strings.HasPrefix(st.Estimate.Assumption, "reads the source once") {
			t.Errorf("%s assumes that it %s", st.Title, st.Estimate.Assumption)
		}
	}
	turn := p.Steps[slices.IndexFunc(p.Steps, func(st engine.Step) bool { return st.Action == ActSwitch })]
	if want := "datastores.postgresql.location and datastores.mongodb.location say internal and the release says external"; turn.Reason != want {
		t.Errorf("got %q", turn.Reason)
	}
}
