package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/runbook"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

type explainOptions struct {
	common
	step, plan string
	breakGlass bool
}

func (p *program) explainCommand() *cli.Command {
	var o explainOptions
	return &cli.Command{
		Name: "explain", Usage: "print the commands with which a person does a step by hand",
		Description: "How to see whether it is so already, to do it, to see that it is done, and to undo it, with this installation's names. Secrets are references.\n" +
			"With --plan no cluster is asked; without it the plan is made anew from the newest recorded inspection, as plan --no-inspect does.\n" +
			"--break-glass prints how the application is brought back when apply cannot: from the file alone, or with the names of --plan.\n" +
			exitsOf("explain"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "step", Usage: "the `ID` of a step, as in the plan's JSON", Destination: &o.step},
			&cli.StringFlag{Name: "plan", Usage: "a step of the plan in `FILE`, written by plan --out", Destination: &o.plan},
			&cli.BoolFlag{Name: "break-glass", Usage: "bring the application back by hand", Destination: &o.breakGlass},
			p.fileFlag(&o.common),
			p.outputFlag(&o.common),
			kubeconfigFlag(&o.kubeconfig),
			&cli.StringFlag{Name: "kube-context", Usage: "overrides server.kubeContext", Destination: &o.kubeContext},
			&cli.StringFlag{Name: "chart", Usage: "overrides server.chart: an oci:// reference, a directory or a .tgz", Destination: &o.chart, EnvVars: []string{"CIRCLECI_DR_CHART"}},
		},
		Action: func(c *cli.Context) error {
			if err := p.unheard(c, o); err != nil {
				return err
			}
			return p.runExplain(c.Context, o)
		},
	}
}

// unheard refuses flags that would say nothing: a plan carries its own names, and
// the way back by hand asks no cluster.
func (p *program) unheard(c *cli.Context, o explainOptions) error {
	refuse := func(why string, names ...string) error {
		for _, name := range names {
			_, set := p.env("CIRCLECI_DR_" + strings.ToUpper(name))
			if c.IsSet(name) && !set {
				return usagef("--%s says nothing here: %s", name, why)
			}
		}
		return nil
	}
	switch {
	case o.breakGlass && o.step != "":
		return usagef("--break-glass is about no step: leave --step out")
	case o.plan != "":
		return refuse("the plan carries its names", "file", "kubeconfig", "kube-context", "chart")
	case o.breakGlass:
		return refuse("--break-glass asks no cluster and no chart", "kubeconfig", "chart")
	}
	return nil
}

func (p *program) runExplain(ctx context.Context, o explainOptions) error {
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	if o.breakGlass {
		names, err := p.breakGlassNames(o)
		if err != nil {
			return err
		}
		if asJSON {
			return runbook.BreakGlassJSON(p.out, names)
		}
		return runbook.WriteBreakGlass(p.out, names)
	}
	plan, err := p.explained(ctx, o)
	if err != nil {
		return err
	}
	p.result.Plan, p.result.Steps = plan.ID, len(plan.Steps)
	for _, st := range plan.Steps {
		if string(st.ID) == o.step {
			if asJSON {
				return runbook.StepJSON(p.out, plan, st)
			}
			return runbook.WriteStep(p.out, plan, st)
		}
	}
	return noStep(plan, o.step)
}

// noStep says which steps there are instead.
func noStep(plan engine.Plan, id string) error {
	if len(plan.Steps) == 0 {
		return usagef("plan %s has no steps: there is nothing to do", plan.ID)
	}
	said := "name a step of plan " + plan.ID + " with --step"
	if id != "" {
		said = fmt.Sprintf("plan %s has no step %q", plan.ID, id)
	}
	ids := make([]string, 0, len(plan.Steps))
	for _, st := range plan.Steps {
		ids = append(ids, "  "+string(st.ID))
	}
	return usagef("%s; it has\n%s", said, strings.Join(ids, "\n"))
}

// explained is the plan whose step is meant.
func (p *program) explained(ctx context.Context, o explainOptions) (engine.Plan, error) {
	if o.plan != "" {
		given, err := readPlanFile(o.plan)
		if err != nil {
			return engine.Plan{}, err
		}
		return *given, nil
	}
	ses, err := p.open(ctx, o.common, access{})
	if err != nil {
		return engine.Plan{}, err
	}
	if ses.spec.Server == nil {
		return engine.Plan{}, errNoServer(o.common)
	}
	plan, _, err := p.makePlan(ctx, ses, reconcile.ObserveOptions{For: reconcile.UsePlan})
	return plan, err
}

// breakGlassNames are those of a plan, or of the file: what is needed when the
// cluster gives no answer must not need one.
func (p *program) breakGlassNames(o explainOptions) (reconcile.Names, error) {
	if o.plan != "" {
		given, err := readPlanFile(o.plan)
		if err != nil {
			return reconcile.Names{}, err
		}
		return runbook.NamesOf(*given), nil
	}
	s, err := p.load(o.common, false)
	if err != nil {
		return reconcile.Names{}, err
	}
	if s.Server == nil {
		return reconcile.Names{}, errNoServer(o.common)
	}
	override(s, o.common)
	return *reconcile.NamesOf(s, reconcile.Observation{}), nil
}
