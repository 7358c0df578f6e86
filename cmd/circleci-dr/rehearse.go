package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

type rehearseOptions struct {
	common
	waive, withData bool
	timeLimit       time.Duration
	xminAge         int64
}

// The limits of a rehearsal with rows where nobody says another. Ten million
// transactions are some hours of a busy installation, and far from what makes a
// server freeze rows in a hurry (autovacuum_freeze_max_age, 200 million).
const (
	defaultTimeLimit = 6 * time.Hour
	defaultXminAge   = 10_000_000
)

func (p *program) rehearseCommand() *cli.Command {
	var o rehearseOptions
	return &cli.Command{
		Name: "rehearse", Usage: "make PostgreSQL's schema on the target, compare it and remove it again, with the application up",
		Description: "Finds before a move what the target would refuse or make differently. Runs a Job in the cluster; rows are carried only with --with-data.\n" +
			"That is the whole copy then: it finds rows that break what they are held to, and measures what the copy of the move will take.\n" +
			"That reads every row once and writes it to the target; vacuum removes nothing on the source meanwhile, and what was copied reaches the target's backups.\n" +
			exitsOf("rehearse"),
		Flags: append(p.clusterFlags(&o.common),
			&cli.BoolFlag{Name: "with-data", Usage: "carry and compare the rows too", Destination: &o.withData},
			&cli.DurationFlag{Name: "time-limit", Usage: "end a rehearsal with data after `DURATION`", Value: defaultTimeLimit, Destination: &o.timeLimit},
			&cli.Int64Flag{Name: "xmin-age-limit", Usage: "end a rehearsal with data when it holds vacuum back for `N` transactions", Value: defaultXminAge, Destination: &o.xminAge},
			&cli.BoolFlag{Name: "waive", Usage: "rehearse nothing: record that you go on in spite of what the newest rehearsal found", Destination: &o.waive}),
		Action: func(c *cli.Context) error {
			for _, name := range []string{"time-limit", "xmin-age-limit"} {
				if c.IsSet(name) && (!o.withData || o.waive) {
					return usagef("--%s is of a rehearsal with data: add --with-data and leave --waive out", name)
				}
			}
			if o.timeLimit <= 0 || o.xminAge <= 0 {
				return usagef("--time-limit and --xmin-age-limit have to be more than nothing")
			}
			return p.runRehearse(c.Context, o)
		},
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
		waived, err := reconcile.WaiveRehearsal(ctx, ses.providers, mover.PostgreSQL, o.withData)
		if err == nil {
			fmt.Fprintf(p.err, "circleci-dr: the move goes on in spite of %d findings of the rehearsal of %s, until it counts no more\n", len(waived.Differences), waived.At.UTC().Format(time.RFC3339))
		}
		return err
	}
	events, done := p.events()
	opt := reconcile.RehearseOptions{WithData: o.withData, Time: o.timeLimit, XminAge: o.xminAge}
	found, err := reconcile.Rehearse(ctx, ses.spec, ses.providers, mover.PostgreSQL, opt, func(e mover.Event) {
		events.StepProgress(engine.Step{ID: "rehearse", Title: "Rehearse"}, e)
	})
	done()
	var blocked *engine.BlockedError
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
