package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

func (p *program) statusCommand() *cli.Command {
	var o common
	var follow bool
	return &cli.Command{
		Name: "status", Usage: "say in ten lines where things are; what needs attention comes first",
		Description: "Read-only. " + exitsOf("status") + "\n" +
			"With --follow and an engine at work in the cluster: its progress, its report and its exit code, those of apply.",
		Flags: append(p.reachFlags(&o),
			&cli.BoolFlag{Name: "follow", Usage: "show the progress of an apply that runs in the cluster, until it ends", Destination: &follow}),
		Action: func(c *cli.Context) error { return p.runStatus(c.Context, o, follow) },
	}
}

func (p *program) runStatus(ctx context.Context, o common, follow bool) error {
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	ses, err := p.open(ctx, o, access{readOnly: true})
	var away *kube.AwayError
	if errors.As(err, &away) {
		return p.showStatus(ses, o, reconcile.StatusAway(away, askByHand(o.kubeconfig, ses.spec.Server.KubeContext)), reconcile.Observation{}, true, asJSON)
	}
	if err != nil {
		return err
	}
	if follow && ses.spec.Server != nil {
		if done, err := p.attach(ctx, ses, o, asJSON); done || err != nil {
			return err
		}
	}
	var lines []reconcile.StatusLine
	var seen reconcile.Observation
	unread := false
	if ses.spec.Server != nil {
		seen = reconcile.Observe(ctx, ses.spec, ses.providers, reconcile.ObserveOptions{For: reconcile.UseRead, Ailing: true})
		run := ses.kube.Engine(ctx)
		lines = reconcile.StatusWithEngine(reconcile.Status(ses.spec, seen, o.file), run, engine.ReadHosted(ctx, ses.providers.Records), o.file)
		unread = seen.Release.Unread() || seen.Workloads.Unread() || seen.Move.Unread() || run.Unread()
	}
	return p.showStatus(ses, o, lines, seen, unread, asJSON)
}

// showStatus prints a status; unread tells that something could not be read.
func (p *program) showStatus(ses *session, o common, lines []reconcile.StatusLine, seen reconcile.Observation, unread, asJSON bool) (err error) {
	coverage := reconcile.CoverageSeen(ses.spec, seen)
	if asJSON {
		err = render.StatusJSON(p.out, lines, coverage)
	} else {
		err = render.StatusText(p.out, lines, coverage, p.renderOptions(ses, o))
	}
	if err == nil && unread {
		return &verdict{codeUnreadable, "something could not be read"}
	}
	return err
}
