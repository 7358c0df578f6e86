package reconcile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Hook is a hook of the chart that runs while the application is at zero.
type Hook struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Events are those of upgrades and rollbacks, such as post-upgrade.
	Events []string `json:"events"`
	// Calls are objects of the application that its commands speak to.
	Calls []string `json:"calls,omitempty"`
}

// String names it with its events.
func (h Hook) String() string {
	return h.Kind + "/" + h.Name + " (" + strings.Join(h.Events, ", ") + ")"
}

// ofUpgrade tells whether it runs with an upgrade.
func (h Hook) ofUpgrade() bool {
	return slices.Contains(h.Events, "pre-upgrade") || slices.Contains(h.Events, "post-upgrade")
}

// RecordSize is what a release record takes of the Secret that Helm keeps it in.
type RecordSize struct {
	Bytes int64 `json:"bytes"`
	Limit int64 `json:"limit"`
	// Large is what most of it is, with sizes.
	Large []string `json:"large,omitempty"`
}

// recordFindings refuses an upgrade whose record no Secret holds: Helm would
// find out in the outage.
func recordFindings(pv Preview) []engine.Finding {
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
func hookFindings(pv Preview) []engine.Finding {
	var waiting []string
	for _, h := range pv.Hooks {
		if h.ofUpgrade() && len(h.Calls) > 0 {
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
func hookLines(pv Preview) []string {
	var up, back []string
	for _, h := range pv.Hooks {
		if h.ofUpgrade() {
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
