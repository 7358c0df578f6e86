package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

type rehearseOptions struct {
	common
	waive bool
}

func (p *program) rehearseCommand() *cli.Command {
	var o rehearseOptions
	return &cli.Command{
		Name: "rehearse", Usage: "make PostgreSQL's schema on the target, compare it and remove it again, with the application up",
		Description: "Finds before a move what the target would refuse or make differently. Runs a Job in the cluster; carries no data.\n" +
			"Exit codes: 0 fine, 1 failed, 4 live state unreadable, 6 lease held by someone else, 7 it found something, 64 usage.",
		Flags: append(p.clusterFlags(&o.common),
			&cli.BoolFlag{Name: "waive", Usage: "rehearse nothing: record that you go on in spite of what the newest rehearsal found", Destination: &o.waive}),
		Action: func(c *cli.Context) error { return p.runRehearse(c.Context, o) },
	}
}

func (p *program) runRehearse(ctx context.Context, o rehearseOptions) error {
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	ses, ctx, release, err := p.openHeld(ctx, o.common, "rehearse")
	if err != nil {
		return err
	}
	defer release()
	if o.waive {
		waived, err := reconcile.WaiveRehearsal(ctx, ses.providers, reconcile.PostgreSQL)
		if err == nil {
			fmt.Fprintf(p.err, "circleci-dr: the move goes on in spite of %d findings of the rehearsal of %s, until it counts no more\n", len(waived.Differences), waived.At.UTC().Format(time.RFC3339))
		}
		return err
	}
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
		err = render.RehearsalText(p.out, found, p.renderOptions(ses, o.common))
	}
	if err == nil && blocked != nil {
		return &verdict{codeBlocked, "the rehearsal found something"}
	}
	return err
}
