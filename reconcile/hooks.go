package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// recordFindings refuses an upgrade whose record no Secret holds: Helm would
// find out in the outage.
func recordFindings(pv server.Preview) []engine.Finding {
	r := pv.Record
	if r.Limit == 0 || r.Bytes <= r.Limit {
		return nil
	}
	return []engine.Finding{block("record-too-large", "server.chart", "helm/helm#8281: release: data: Too long",
		"take out of the chart's directory or archive what no template reads, or name it in .helmignore",
		"Helm's record of the upgrade would have %s, and a Secret holds %s; large in it: %s", mover.Bytes(r.Bytes), mover.Bytes(r.Limit), strings.Join(r.Large, ", "))}
}

// hookFindings names hooks that speak to the application, which is at zero when
// they run. Whether they wait for it is theirs to know, so none blocks.
func hookFindings(pv server.Preview) []engine.Finding {
	var waiting []string
	for _, h := range pv.Hooks {
		if h.OfUpgrade() && len(h.Calls) > 0 {
			waiting = append(waiting, h.String()+" → "+strings.Join(h.Calls, ", "))
		}
	}
	if len(waiting) == 0 {
		return nil
	}
	what, brief := sentences("hooks of the chart speak to the application, which is at zero when they run, and one may wait for %s: %s", pv.HookTimeout.Round(time.Second), someSentences(waiting, 8))
	return []engine.Finding{{ID: "hook-calls-application", Field: "server.chart", Source: sourceDocs, What: what, Brief: brief,
		Fix: "let it give up at once when nobody answers, or switch it off in the release's values for the move; else the outage takes that much longer, and the move goes back"}}
}

// hookLines says which hooks run in the outage, for the plan.
func hookLines(pv server.Preview) []string {
	var up, back []string
	for _, h := range pv.Hooks {
		if h.OfUpgrade() {
			up = append(up, h.String())
		} else {
			back = append(back, h.String())
		}
	}
	var out []string
	if len(up) > 0 {
		out = append(out, fmt.Sprintf("runs hooks of the chart, %s each at most: %s", pv.HookTimeout.Round(time.Second), strings.Join(up, ", ")))
	}
	if len(back) > 0 {
		out = append(out, "a way back runs hooks: "+strings.Join(back, ", "))
	}
	return out
}
