package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

func (p *program) rehearseCommand() *cli.Command {
	var o common
	return &cli.Command{
		Name: "rehearse", Usage: "make PostgreSQL's schema on the target, compare it and remove it again, with the application up",
		Description: "Finds before a move what the target would refuse or make differently. Runs a Job in the cluster; carries no data.\n" +
			"Exit codes: 0 fine, 1 failed, 4 live state unreadable, 6 lease held by someone else, 7 it found something, 64 usage.",
		Flags:  p.clusterFlags(&o),
		Action: func(c *cli.Context) error { return p.runRehearse(c.Context, o) },
	}
}

func (p *program) runRehearse(ctx context.Context, o common) error {
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	ses, err := p.open(o, access{})
	if err != nil {
		return err
	}
	if ses.spec.Server == nil {
		return errNoServer(o)
	}
	ctx, release, err := p.lease(ctx, ses, "rehearse", 0)
	if err != nil {
		return err
	}
	defer release()
	events, done := p.events()
	found, err := reconcile.Rehearse(ctx, ses.spec, ses.providers, reconcile.PostgreSQL, func(e reconcile.MoverEvent) {
		events.StepProgress(reconcile.Step{ID: "rehearse", Title: "Rehearse"}, e)
	})
	done()
	var blocked *reconcile.BlockedError
	if err != nil && !errors.As(err, &blocked) {
		return err
	}
	if asJSON {
		err = render.RehearsalJSON(p.out, found)
	} else {
		err = render.RehearsalText(p.out, found, p.renderOptions(ses, o))
	}
	if err == nil && blocked != nil {
		return &verdict{codeBlocked, "the rehearsal found something"}
	}
	return err
}
