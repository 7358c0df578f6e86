package render_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func TestPlanText(t *testing.T) {
	for name, c := range map[string]struct {
		spec    string
		see     func() reconcile.Observation
		command string
	}{
		"plan-move.txt":             {specFile, installation, "circleci-dr apply --plan plan.json --accept outage,no-way-back,remove-internal-database"},
		"plan-measured.txt":         {specFile, measured, "circleci-dr apply"},
		"plan-blocked.txt":          {specFile, blockedInstallation, ""},
		"plan-resumed.txt":          {specFile, stopped, "circleci-dr apply --accept outage,no-way-back,remove-internal-database"},
		"plan-empty.txt":            {specFile, moved, ""},
		"plan-services-machine.txt": {"../../examples/services-machine.yaml", func() reconcile.Observation { return reconcile.Observation{At: t0, Tool: "v0.1.0"} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := loadSpec(t, c.spec)
			plan := makePlan(t, s, c.see())
			golden(t, name, func(w io.Writer) error { return render.PlanText(w, plan, options(s), c.command) })
		})
	}
}

func TestPlanTextWithDetails(t *testing.T) {
	s := loadSpec(t, specFile)
	o := options(s)
	o.Details, o.Width = true, 120
	plan := makePlan(t, s, installation())
	golden(t, "plan-details.txt", func(w io.Writer) error { return render.PlanText(w, plan, o, "circleci-dr apply") })
}

func TestPlanTextOfAHandOff(t *testing.T) {
	s, o := loadSpec(t, specFile), installation()
	s.Server.ManagedBy, o.Release.Value.Manager = spec.ManagedByFlux, spec.ManagedByFlux
	o.Release.Value.ManagerObject = server.ManagerObject{Kind: "HelmRelease", Namespace: "flux-system", Name: "ci"}
	o.Reconciliation = engine.CouldNot[server.Reconciliation](errors.New("helmreleases.helm.toolkit.fluxcd.io is forbidden"))
	plan := makePlan(t, s, o)
	golden(t, "plan-hand-off.txt", func(w io.Writer) error {
		return render.PlanText(w, plan, options(s), "circleci-dr apply --accept "+strings.Join(plan.Dangers(), ","))
	})
}

// TestColorOnlyAddsEscapes: whoever pipes the plan reads the same words.
func TestColorOnlyAddsEscapes(t *testing.T) {
	s := loadSpec(t, specFile)
	for name, plan := range plans(t) {
		var plain, colored bytes.Buffer
		o := options(s)
		if err := render.PlanText(&plain, plan, o, "x"); err != nil {
			t.Fatal(err)
		}
		o.Color = true
		if err := render.PlanText(&colored, plan, o, "x"); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(plain.String(), "\x1b") || !strings.Contains(colored.String(), "\x1b[") {
			t.Errorf("%s: escape sequences where none belong, or none at all", name)
		}
		stripped := regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(colored.String(), "")
		if diff := cmp.Diff(plain.String(), stripped); diff != "" {
			t.Errorf("%s (-plain +colored):\n%s", name, diff)
		}
	}
}

// TestTextFromOutsideIsHarmless: a server's message reaches a terminal.
func TestTextFromOutsideIsHarmless(t *testing.T) {
	evil := "a\x1b[2Jb\n§\u202ed"
	plan := engine.Plan{ID: evil, Name: evil, Notices: []string{evil},
		Steps:    []engine.Step{{Title: evil, Reason: evil, Accept: evil, Changes: []engine.Change{{Field: evil, From: evil, To: "x"}}, Estimate: engine.Estimate{Assumption: evil}}},
		Coverage: []engine.Coverage{{Block: evil, State: engine.CoverageState(evil), Note: evil}}}
	blocked := engine.Plan{Findings: []engine.Finding{{ID: evil, Blocks: true, What: evil, Fix: evil, Field: evil, Source: evil}}}
	var out bytes.Buffer
	for _, err := range []error{
		render.PlanText(&out, plan, render.Options{}, evil),
		render.PlanText(&out, blocked, render.Options{}, ""),
		render.StatusText(&out, []reconcile.StatusLine{{Topic: evil, Text: evil, Command: evil}}, nil, render.Options{}),
		render.DriftText(&out, []reconcile.DriftItem{{Class: evil, Object: evil, What: evil, From: evil, To: evil, Fix: evil}}, render.Options{}),
		render.ReportText(&out, engine.Report{Plan: evil, Steps: []engine.StepReport{{Title: evil, Error: evil}}}, nil, render.Options{}),
		render.ProofText(&out, mover.Proof{Compared: map[string]int{evil: 1}, Differences: []mover.Difference{{Database: evil, Kind: evil, Object: evil, What: evil, Source: evil}}}, render.Options{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range strings.Split(out.String(), "\n") {
		if strings.ContainsAny(line, "\x1b\u202e") || strings.HasPrefix(line, "§") {
			t.Errorf("text from outside got through: %q", line)
		}
	}
}

// What a text cuts it says how to see, and with details nothing is cut.
func TestAPlanSaysHowToSeeWhatItCuts(t *testing.T) {
	var names []string
	for i := range 60 {
		names = append(names, fmt.Sprintf("workload-%02d", i))
	}
	step := engine.Step{ID: "a", Title: "Switch", Risk: engine.Outage, Changes: []engine.Change{{Field: "x", From: "a", To: "b"}},
		Details: []string{"changes 60 objects: " + strings.Join(names, ", "), "two", "three", "four", "five", "six", "seven", "eight"}}
	finding := engine.Finding{ID: "unsupported", What: "all of it", Brief: "some of it", Fix: "fix", Source: "source"}
	draw := func(details bool, f ...engine.Finding) string {
		var out bytes.Buffer
		if err := render.PlanText(&out, engine.Plan{ID: "p", Steps: []engine.Step{step}, Findings: f}, render.Options{Details: details, Width: 4000}, "run"); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	const how = "circleci-dr plan --details shows all"
	short, whole := draw(false, finding), draw(true, finding)
	for _, want := range []string{"workload-00, ", " more (" + how + ")", "Six. And 2 more: " + how, "some of it (" + how + ")"} {
		if !strings.Contains(short, want) {
			t.Errorf("the plan does not say %q:\n%s", want, short)
		}
	}
	for _, want := range []string{"workload-59", "Eight", "all of it"} {
		if strings.Contains(short, want) || !strings.Contains(whole, want) {
			t.Errorf("%q does not stand in the details only:\n%s\n%s", want, short, whole)
		}
	}
	if strings.Contains(whole, how) {
		t.Errorf("the details are cut:\n%s", whole)
	}
	finding.Blocks = true
	if got := draw(false, finding); !strings.Contains(got, "some of it ("+how+")") {
		t.Errorf("blocked:\n%s", got)
	}
}
