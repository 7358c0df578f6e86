package main

import (
	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/render"
)

type showOptions struct {
	plan, output string
	details      bool
}

func (p *program) showCommand() *cli.Command {
	var o showOptions
	return &cli.Command{
		Name: "show", Usage: "print a plan file as plan printed it; asks no cluster",
		Description: "It shows what the file says, as of when the plan was made; whether that still holds only apply finds out.\n" +
			exitsOf("show"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "plan", Usage: "print the plan in `FILE`, written by plan --out", Destination: &o.plan},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "text or json", Value: "text", Destination: &o.output},
			&cli.BoolFlag{Name: "details", Usage: "show every detail of every step", Destination: &o.details},
		},
		Action: func(*cli.Context) error { return p.runShow(o) },
	}
}

func (p *program) runShow(o showOptions) error {
	asJSON, err := common{output: o.output}.json()
	if err != nil {
		return err
	}
	if o.plan == "" {
		return usagef("--plan is missing: name the file that plan --out wrote")
	}
	plan, err := readPlanFile(o.plan)
	if err != nil {
		return err
	}
	p.result.Plan, p.result.Steps = plan.ID, len(plan.Steps)
	if asJSON {
		return render.PlanJSON(p.out, *plan)
	}
	options := render.Options{Color: p.color, Width: columns(p.out), Details: o.details}
	return render.PlanText(p.out, *plan, options, "circleci-dr apply --plan "+quote(o.plan)+acceptWords("", *plan))
}
