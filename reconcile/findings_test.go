package reconcile

import (
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// wantFindings holds findings against the ids they should have, with an ! where
// they block, and against words that one of them should say.
func wantFindings(t *testing.T, name string, found []engine.Finding, want []string, says string) {
	t.Helper()
	var ids, text []string
	for _, f := range found {
		id := f.ID
		if f.Blocks {
			id += "!"
		}
		ids, text = append(ids, id), append(text, f.What+" "+f.Fix)
	}
	if !slices.Equal(ids, want) || !strings.Contains(strings.Join(text, "\n"), says) {
		t.Errorf("%s: %v %q", name, ids, text)
	}
}
