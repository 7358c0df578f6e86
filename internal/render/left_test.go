package render_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

func leftPlan() engine.Plan {
	finding := func(id, what, fix string, objects ...string) engine.Finding {
		return engine.Finding{ID: id, What: what + ": " + strings.Join(objects, "; "), Fix: fix, Left: &engine.Left{What: what, Objects: objects}}
	}
	return engine.Plan{
		ID: "e033f0263c", Name: "ci-prod",
		Steps: []engine.Step{{ID: "copy/x", Title: "Copy every database", Risk: engine.Outage, Reason: "the data has to be there", Changes: []engine.Change{{Field: "a", From: "b", To: "c"}},
			Details: []string{"role reporting loses BYPASSRLS", "owner postgres becomes circleci"}}},
		Findings: []engine.Finding{
			finding("adapted", "this is changed on the way", "nothing, if the application does without", "role reporting loses BYPASSRLS"),
			finding("left-server-object", "this belongs to the server and is not carried", "make it on the target", "replication slot a", "replication slot b"),
			finding("left-server-object", "this belongs to the server and is not carried", "make it on the target", "replication slot c"),
			{ID: "disk", What: "free disk is not known", Fix: "declare it"},
		},
	}
}

// What is not carried stands in a list, an object a line, and nowhere in the
// prose; a list that preflight cut in pieces is one list.
func TestWhatIsNotCarriedIsAList(t *testing.T) {
	golden(t, "plan-left.txt", func(w io.Writer) error { return render.PlanText(w, leftPlan(), render.Options{}, "circleci-dr apply") })
	var out bytes.Buffer
	if err := render.PlanText(&out, leftPlan(), render.Options{}, ""); err != nil {
		t.Fatal(err)
	}
	for _, once := range []string{"BYPASSRLS", "slot a", "slot c", "belongs to the server", "fix: make it on the target"} {
		if n := strings.Count(out.String(), once); n != 1 {
			t.Errorf("%q stands there %d times", once, n)
		}
	}
}

// A plan file carries the list.
func TestWhatIsNotCarriedSurvivesAFile(t *testing.T) {
	var file, before, after bytes.Buffer
	if err := render.PlanJSON(&file, leftPlan()); err != nil {
		t.Fatal(err)
	}
	read, err := render.ReadPlan(&file)
	if err != nil {
		t.Fatal(err)
	}
	for plan, out := range map[*engine.Plan]*bytes.Buffer{&read: &after, new(leftPlan()): &before} {
		if err := render.PlanText(out, *plan, render.Options{}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if before.String() != after.String() {
		t.Errorf("after a file:\n%s", after.String())
	}
}

func TestNextText(t *testing.T) {
	var out bytes.Buffer
	if err := render.NextText(&out, render.Next{}, render.Options{}); err != nil || out.Len() > 0 {
		t.Errorf("nothing is due: %q, %v", out.String(), err)
	}
	want := "\nNext: circleci-dr values\n      prints what\n"
	if err := render.NextText(&out, render.Next{Command: "circleci-dr values", Why: "prints what"}, render.Options{}); err != nil || out.String() != want {
		t.Errorf("%q, %v", out.String(), err)
	}
}
