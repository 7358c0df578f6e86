package reconcile

import (
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/spec"
)

// What only looks may change nothing; what an apply may do, a plan is part of.
func TestRightsOfEachUse(t *testing.T) {
	s := &spec.Spec{Server: &spec.Server{}}
	looking := []string{"get", "list", "watch"}
	for _, use := range []Use{UseRead, UseSupport} {
		for _, p := range PermissionsFor(s, use) {
			if !slices.Contains(looking, p.Verb) {
				t.Errorf("%s may %s", use, p)
			}
		}
	}
	all := PermissionsFor(s, UseApply)
	for _, use := range Uses {
		got := PermissionsFor(s, use)
		if len(got) == 0 {
			t.Errorf("%s may nothing", use)
		}
		for i, p := range got {
			if slices.Contains(got[:i], p) {
				t.Errorf("%s is listed twice for %s", p, use)
			}
			if !slices.Contains(all, p) {
				t.Errorf("%s may %s, and an apply may not", use, p)
			}
		}
	}
	if got := PermissionsFor(&spec.Spec{}, UseApply); got != nil {
		t.Errorf("a services machine wants the rights %v", got)
	}
}
