package runbook

import (
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// TestTheSwitchShowsWhatStays: the objects that left the release are looked at, of
// each datastore that moved out, by the names of this release.
func TestTheSwitchShowsWhatStays(t *testing.T) {
	t.Parallel()
	for to, want := range map[spec.Location]int{spec.External: 2, spec.Internal: 0} {
		n := names(to, "")
		got := 0
		for _, part := range newTeller(engine.Plan{Names: n.InPlan()}).switchRelease(engine.Step{}).Done {
			for _, s := range n.Stores {
				if strings.Contains(part.Shell, "get statefulset,service,secret,configmap,serviceaccount -l app.kubernetes.io/name="+string(s.Engine)+",app.kubernetes.io/instance=server ") {
					got++
				}
			}
		}
		if got != want {
			t.Errorf("%s: %d are looked at, want %d", to, got, want)
		}
	}
}
