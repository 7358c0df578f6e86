package reconcile

import (
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// A plan of several datastores never leaves open which one a step is about, and
// no two of its steps are called alike.
func TestEveryTitleNamesItsDatastoreWhereThereAreSeveral(t *testing.T) {
	several := 0
	for _, f := range flows {
		w := f.begin(t)
		_, plan, err := w.plan(f.spec())
		if err != nil {
			t.Fatal(err)
		}
		if len(enginesOf(plan.Steps)) < 2 {
			continue
		}
		several++
		seen := map[string]engine.StepID{}
		for _, st := range plan.Steps {
			if e := engineOf(st); e != "" && !strings.Contains(st.Title, e.Title()) && !strings.Contains(st.Title, w.of(e).out) {
				t.Errorf("%s: %q does not say that it is about %s", f.name, st.Title, e.Title())
			}
			if other := seen[st.Title]; other != "" {
				t.Errorf("%s: %s and %s are both called %q", f.name, other, st.ID, st.Title)
			}
			seen[st.Title] = st.ID
		}
	}
	if several < 2 {
		t.Errorf("only %d flows move several datastores", several)
	}
}

// Each title that says less is one that a step has: an entry that nothing uses
// would hide a title that was changed.
func TestPlainTitlesAreThoseOfSteps(t *testing.T) {
	used := map[string]bool{}
	for _, f := range flows {
		w := f.begin(t)
		_, plan, err := w.plan(f.spec())
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range plan.Steps {
			used[st.Title] = true
		}
	}
	for _, title := range plainTitles {
		if !used[title.plain] {
			t.Errorf("no step is called %q", title.plain)
		}
	}
}

// A finding has all of its list in one sentence and the first of it in another.
func TestAFindingHasAWholeAndAShortSentence(t *testing.T) {
	objects := strings.Split("a b c d e f g h i j", " ")
	f := block("unsupported", "field", "source", "fix", "%s cannot be carried: %s", some(objects, 8), "why")
	if f.What != "a, b, c, d, e, f, g, h, i, j cannot be carried: why" || f.Brief != "a, b, c, d, e, f, g, h, and 2 more cannot be carried: why" {
		t.Errorf("got %q and %q", f.What, f.Brief)
	}
	if f := block("unsupported", "field", "source", "fix", "%s", some(objects[:8], 8)); f.Brief != "" {
		t.Errorf("nothing is cut, and in short it says %q", f.Brief)
	}
	if f := block("locale", "field", "source", "fix", "%s use it", databaseWord(objects)); !strings.HasPrefix(f.What, "databases a, b,") || !strings.HasSuffix(f.Brief, "h, and 2 more use it") {
		t.Errorf("got %q and %q", f.What, f.Brief)
	}
}
