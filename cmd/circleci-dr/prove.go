package main

import (
	"context"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func (p *program) proveCommand() *cli.Command {
	var o proveOptions
	return &cli.Command{
		Name: "prove", Usage: "compare the internal and the external database again, now, both read whole",
		Description: "Runs a Job in the cluster; changes no data.\n" +
			exitsOf("prove"),
		Flags: append(p.clusterFlags(&o.common),
			&cli.StringFlag{Name: "datastore", Usage: "which `ENGINE` to compare: " + strings.Join(engineNames(), " or "), Value: string(mover.PostgreSQL), Destination: &o.datastore}),
		Action: func(c *cli.Context) error { return p.runProve(c.Context, o) },
	}
}

type proveOptions struct {
	common
	datastore string
}

func (p *program) runProve(ctx context.Context, o proveOptions) error {
	datastore := mover.Engine(o.datastore)
	if !slices.Contains(server.Engines(), datastore) {
		return usagef("--datastore must be %s (got %q)", strings.Join(engineNames(), " or "), o.datastore)
	}
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	ses, ctx, release, err := p.openHeld(ctx, o.common, "prove")
	if err != nil {
		return err
	}
	defer release()
	events, done := p.events()
	proof, err := reconcile.Prove(ctx, ses.spec, ses.providers, datastore, func(e mover.Event) {
		events.StepProgress(engine.Step{ID: "prove", Title: "Prove"}, e)
	})
	done()
	if err != nil {
		return err
	}
	if asJSON {
		err = render.ProofJSON(p.out, proof)
	} else {
		err = render.ProofText(p.out, proof, p.renderOptions(ses, o.common))
	}
	if err == nil && !proof.Equal() {
		return &verdict{codeFailed, "source and target differ"}
	}
	return err
}
