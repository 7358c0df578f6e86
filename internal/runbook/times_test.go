package runbook

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// TestTimesAsInThePlan: a runbook says times as the plan does.
func TestTimesAsInThePlan(t *testing.T) {
	t.Parallel()
	p := everyKind(names(spec.External, ""), "")
	e := engine.Estimate{Low: 2 * time.Second, High: 44 * time.Second, DownLow: 50 * time.Second, DownHigh: 200 * time.Second}
	p.Total = e
	for i := range p.Steps {
		p.Steps[i].Estimate = e
	}
	var page, step strings.Builder
	if err := errors.Join(Markdown(&page, p), WriteStep(&step, p, p.Steps[0])); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"In all about 2 to 45 s, of which the application is stopped for about 50 s to 4 min.", " | about 2 to 45 s | 50 s to 4 min | "} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if want := "# It takes about 2 to 45 s."; !strings.Contains(step.String(), want) {
		t.Errorf("the step does not say %q:\n%s", want, step.String())
	}
}
