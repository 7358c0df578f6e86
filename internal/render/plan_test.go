package render_test

import (
	"io"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

func TestPlanText(t *testing.T) {
	for name, c := range map[string]struct {
		spec    string
		see     func() reconcile.Observation
		command string
	}{
		"plan-move.txt":             {specFile, installation, "circleci-dr apply --plan plan.json --accept outage,remove-internal-database"},
		"plan-blocked.txt":          {specFile, blockedInstallation, ""},
		"plan-resumed.txt":          {specFile, stopped, "circleci-dr apply --accept outage,remove-internal-database"},
		"plan-empty.txt":            {specFile, moved, ""},
		"plan-services-machine.txt": {"../../examples/services-machine.yaml", func() reconcile.Observation { return reconcile.Observation{At: t0} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := loadSpec(t, c.spec)
			plan := makePlan(t, s, c.see())
			golden(t, name, func(w io.Writer) error { return render.PlanText(w, plan, options(s), c.command) })
		})
	}
}
