package reconcile

import (
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// What an upgrade runs and stores is said before the outage: a record that no
// Secret holds blocks, a hook that speaks to the application is named, and every
// other one stands in the plan with its time.
func TestWhatAnUpgradeRunsAndStores(t *testing.T) {
	pv := server.Preview{Faithful: true, HookTimeout: 15 * time.Minute, Hooks: []server.Hook{
		{Kind: "Job", Name: "smoke", Events: []string{"post-upgrade"}, Calls: []string{"Service/frontend"}},
		{Kind: "Job", Name: "checks", Events: []string{"pre-upgrade"}},
		{Kind: "Job", Name: "undo", Events: []string{"post-rollback"}, Calls: []string{"Service/frontend"}},
	}}
	found := hookFindings(pv)
	if len(found) != 1 || found[0].Blocks || !strings.HasSuffix(found[0].What, "may wait for 15m0s: Job/smoke (post-upgrade) → Service/frontend") {
		t.Errorf("got %+v", found)
	}
	if got := strings.Join(hookLines(pv), "; "); got != "runs hooks of the chart, 15m0s each at most: Job/smoke (post-upgrade), Job/checks (pre-upgrade); a way back runs hooks: Job/undo (post-rollback)" {
		t.Errorf("the plan says %q", got)
	}
	pv.Record = server.RecordSize{Bytes: 1 << 20, Limit: 1 << 20}
	if got := recordFindings(pv); got != nil {
		t.Errorf("a record that fits: %+v", got)
	}
	pv.Record = server.RecordSize{Bytes: 2 << 20, Limit: 1 << 20, Large: []string{"old.b64 1.9 MiB"}}
	if got := recordFindings(pv); len(got) != 1 || !got[0].Blocks || got[0].What != "Helm's record of the upgrade would have 2.0 MiB, and a Secret holds 1.0 MiB; large in it: old.b64 1.9 MiB" {
		t.Errorf("got %+v", got)
	}
}
