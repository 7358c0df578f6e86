package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

func (p *program) driftCommand() *cli.Command {
	var o common
	var maxAge time.Duration
	return &cli.Command{
		Name: "drift", Usage: "read-only: has reality moved away from the file?",
		Description: "Creates nothing; its client refuses every mutating request. Uses the newest recorded inspection.\n" +
			exitsOf("drift"),
		Flags: append(p.reachFlags(&o),
			&cli.DurationFlag{Name: "max-inspection-age", Usage: "how old the recorded inspection may be", Value: 7 * 24 * time.Hour, Destination: &maxAge}),
		Action: func(c *cli.Context) error { return p.runDrift(c.Context, o, maxAge) },
	}
}

func (p *program) runDrift(ctx context.Context, o common, maxAge time.Duration) error {
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	if maxAge < 0 {
		return usagef("--max-inspection-age must not be negative (got %s)", maxAge)
	}
	ses, err := p.open(ctx, o, access{readOnly: true})
	if err != nil {
		return err
	}
	if ses.spec.Server == nil {
		return errNoServer(o)
	}
	seen := reconcile.Observe(ctx, ses.spec, ses.providers, reconcile.ObserveOptions{For: reconcile.UseRead})
	items, unknown := reconcile.Drift(ses.spec, seen, maxAge)
	if unknown != nil && len(items) == 0 {
		return unknown
	}
	p.result.Drift = len(items)
	if asJSON {
		err = render.DriftJSON(p.out, items)
	} else {
		err = render.DriftText(p.out, items, p.renderOptions(ses, o))
	}
	if unknown != nil { // what has drifted for certain outweighs what is not known
		p.say(unknown)
	}
	if err == nil && len(items) > 0 {
		return &verdict{codeChanges, "drift"}
	}
	return err
}
