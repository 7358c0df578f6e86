package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/internal/runbook"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

type planOptions struct {
	common
	choice    choice
	out       string
	runbook   string
	detailed  bool
	noInspect bool
	details   bool
}

func (p *program) planCommand() *cli.Command {
	var o planOptions
	return &cli.Command{
		Name: "plan", Usage: "show what is missing, step by step; changes nothing",
		Description: "Looks at both databases with a Job in the cluster, whose result is recorded. Nothing else is created.\n" +
			exitsOf("plan"),
		Flags: append(append(p.clusterFlags(&o.common), choiceFlags(&o.choice)...),
			&cli.StringFlag{Name: "out", Usage: "write the plan to `FILE`, for apply --plan", Destination: &o.out},
			&cli.StringFlag{Name: "runbook", Usage: "write the commands for every step by hand to `FILE`, as Markdown", Destination: &o.runbook},
			&cli.BoolFlag{Name: "detailed-exitcode", Usage: "exit 2 when there are steps", Destination: &o.detailed},
			&cli.BoolFlag{Name: "details", Usage: "show every detail of every step", Destination: &o.details},
			&cli.BoolFlag{Name: "no-inspect", Usage: "use the newest recorded inspection instead of a Job", Destination: &o.noInspect},
		),
		Action: func(c *cli.Context) error { return p.runPlan(c.Context, o) },
	}
}

func (p *program) runPlan(ctx context.Context, o planOptions) error {
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	if err := o.choice.check(); err != nil {
		return err
	}
	ses, err := p.open(ctx, o.common, access{})
	if err != nil {
		return err
	}
	chosen, err := o.choice.made(ses.spec, nil)
	if err != nil {
		return err
	}
	plan, _, err := p.makePlan(ctx, ses, reconcile.ObserveOptions{Inspect: !o.noInspect, For: reconcile.UsePlan, Authoritative: chosen})
	if err != nil {
		return err
	}
	p.result.Plan, p.result.Steps = plan.ID, len(plan.Steps)
	if o.out != "" {
		if err := writePlanFile(o.out, plan); err != nil {
			return err
		}
	}
	if o.runbook != "" {
		if err := writeRunbook(o.runbook, plan); err != nil {
			return err
		}
	}
	p.details = o.details
	if err := p.showPlan(plan, ses, o.common, o.out, asJSON); err != nil {
		return err
	}
	switch {
	case len(plan.Blocked()) > 0:
		return &verdict{codeBlocked, "blocked by preflight"}
	case o.detailed && len(plan.Steps) > 0:
		return &verdict{codeChanges, "there are steps"}
	}
	return nil
}

// makePlan observes and plans.
func (p *program) makePlan(ctx context.Context, ses *session, opt reconcile.ObserveOptions) (engine.Plan, reconcile.Observation, error) {
	var o reconcile.Observation
	if ses.spec.Server != nil {
		opt.Preview, opt.Progress = true, func(mover.Event) {}
		o = reconcile.Observe(ctx, ses.spec, ses.providers, opt)
		if err := context.Cause(ctx); err != nil {
			return engine.Plan{}, o, err
		}
	}
	plan, err := reconcile.MakePlan(ses.spec, o)
	return plan, o, err
}

func (p *program) renderOptions(ses *session, o common) render.Options {
	return render.Options{Color: p.color, Width: columns(p.out), Details: p.details, File: o.file, Where: ses.spec.Where}
}

func (p *program) showPlan(plan engine.Plan, ses *session, o common, planFile string, asJSON bool) error {
	if asJSON {
		return render.PlanJSON(p.out, plan)
	}
	return render.PlanText(p.out, plan, p.renderOptions(ses, o), applyCommandLine(plan, o, planFile))
}

// applyCommandLine is the exact command that applies a plan.
func applyCommandLine(plan engine.Plan, o common, planFile string) string {
	line := commandLine("apply", o)
	for _, e := range slices.Sorted(maps.Keys(plan.Authoritative)) {
		if planFile == "" { // a plan file has the choice in it
			line += fmt.Sprintf(" --authoritative %s --datastore %s", plan.Authoritative[e], e)
		}
	}
	if planFile != "" {
		return line + " --plan " + quote(planFile) + acceptWords("", plan)
	}
	return line + acceptWords(plan.ID+":", plan)
}

// commandLine is a command with the flags that say where things are.
func commandLine(command string, o common) string {
	line := "circleci-dr " + command + " --file " + quote(o.file)
	for _, f := range []struct{ name, value string }{
		{"kubeconfig", o.kubeconfig}, {"kube-context", o.kubeContext}, {"chart", o.chart}, {"mover-image", o.image},
	} {
		if f.value != "" {
			line += " --" + f.name + " " + quote(f.value)
		}
	}
	return line
}

func writePlanFile(path string, plan engine.Plan) error {
	return writeTo("plan file", path, func(w io.Writer) error { return render.PlanJSON(w, plan) })
}

func writeRunbook(path string, plan engine.Plan) error {
	return writeTo("runbook", path, func(w io.Writer) error { return runbook.Markdown(w, plan) })
}

// writeTo writes a file of a plan, for the person who made it alone.
func writeTo(what, path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write %s: %w", what, err)
	}
	if err := write(f); err != nil {
		_ = f.Close() // the write failed already, and says why
		return fmt.Errorf("write %s %s: %w", what, path, err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write %s %s: %w", what, path, err)
	}
	return nil
}
