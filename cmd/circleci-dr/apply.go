package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

type applyOptions struct {
	common
	choice choice
	plan   string
	accept string
	wait   time.Duration
	place  placeWish
	// deadline is how long the work may take before it goes back; 0 is the
	// default of the place it is done at.
	deadline time.Duration
}

func (p *program) applyCommand() *cli.Command {
	var o applyOptions
	return &cli.Command{
		Name: "apply", Usage: "do the missing steps; can be killed anywhere and run again",
		Description: "Without --plan it makes the plan anew; off a terminal --accept must then name it.\n" +
			exitsOf("apply") + "\n" +
			"In the cluster the exit code is the engine's; 130 means that it goes on without being followed.",
		Flags: append(append(p.clusterFlags(&o.common), choiceFlags(&o.choice)...),
			&cli.StringFlag{Name: "plan", Usage: "apply the plan in `FILE`, written by plan --out", Destination: &o.plan},
			&cli.StringFlag{Name: "accept", Usage: "the `DANGERS` you accept, in the words the plan prints", Destination: &o.accept},
			&cli.DurationFlag{Name: "wait", Usage: "how long to wait for another run to end", Destination: &o.wait},
			&cli.BoolFlag{Name: "in-cluster", Usage: "do the work in a Job in the cluster; default in a CI job when the plan stops the application"},
			&cli.DurationFlag{Name: "deadline", Usage: "what is not committed after this `TIME` goes back; default in the cluster three times the plan's upper estimate, at least 30m", Destination: &o.deadline},
		),
		Action: func(c *cli.Context) error {
			o.place = wishOf(c)
			if c.IsSet("deadline") && o.deadline <= 0 {
				return usagef("--deadline must be positive (got %s)", o.deadline)
			}
			return p.runApply(c.Context, o)
		},
	}
}

func (p *program) runApply(ctx context.Context, o applyOptions) error {
	asJSON, err := o.json()
	if err != nil {
		return err
	}
	if o.wait < 0 {
		return usagef("--wait must not be negative (got %s)", o.wait)
	}
	if err := o.choice.check(); err != nil {
		return err
	}
	var given *engine.Plan
	if o.plan != "" {
		if given, err = readPlanFile(o.plan); err != nil {
			return err
		}
	}
	ses, err := p.open(ctx, o.common, access{here: o.place == wishHere, patience: restartTime})
	if err != nil {
		return err
	}
	if ses.spec.Server == nil {
		return errNoServer(o.common)
	}
	chosen, err := o.choice.made(ses.spec, given)
	if err != nil {
		return err
	}
	if p.mayGoToCluster(o.place) {
		if done, err := p.rejoin(ctx, ses, o.common, asJSON); done || err != nil {
			return err
		}
	}
	held, release, err := p.lease(ctx, ses, "apply", o.wait)
	if err != nil {
		return err
	}
	release = sync.OnceFunc(release)
	defer release()
	plan, seen, err := p.makePlan(held, ses, reconcile.ObserveOptions{Inspect: true, For: reconcile.UseApply, Authoritative: chosen})
	if err != nil {
		return err
	}
	p.result.Plan, p.result.Steps = plan.ID, len(plan.Steps)
	if err := p.consent(ses, plan, given, o, asJSON); err != nil {
		return err
	}
	if !p.choosePlace(o.place, plan) {
		return p.carryOut(held, ses, seen, plan, o, asJSON)
	}
	run, err := p.submit(held, ses, plan, o.deadline)
	release() // the engine waits for it
	if err != nil {
		return err
	}
	return p.follow(ctx, ses, run, o.common, asJSON)
}

// consent compares the plan made now with the accepted one, shows it where
// nobody has seen it yet, and asks for what is missing.
func (p *program) consent(ses *session, plan engine.Plan, given *engine.Plan, o applyOptions, asJSON bool) error {
	if given != nil {
		if err := reconcile.CheckPlan(*given, plan); err != nil {
			return err
		}
	} else if !asJSON && (o.accept == "" || len(plan.Blocked()) > 0) {
		if err := p.showPlan(plan, ses, o.common, o.plan, false); err != nil {
			return err
		}
	}
	if blocked := plan.Blocked(); len(blocked) > 0 {
		return &engine.BlockedError{Findings: blocked}
	}
	if len(plan.Steps) == 0 {
		return nil
	}
	if o.accept == "" && given == nil && !asJSON && isTerminal(p.out) && isTerminal(os.Stdin) {
		return ask(os.Stdin, p.err, plan)
	}
	if given != nil && o.accept == "" && len(plan.Dangers()) > 0 {
		return &hint{usagef("the plan is dangerous and --accept is missing"), "accept it with" + acceptWords("", plan)}
	}
	return accepted(plan, o.accept, given)
}

func (p *program) carryOut(ctx context.Context, ses *session, seen reconcile.Observation, plan engine.Plan, o applyOptions, asJSON bool) error {
	events, done := p.events(plan.Steps...)
	options := engine.Options{By: owner()}
	if o.deadline > 0 {
		options.Limit = limitAt(time.Now().Add(o.deadline))
	}
	report, err := reconcile.Apply(ctx, ses.spec, seen, plan, ses.providers, options, events)
	done()
	return p.report(ses, report, err, o.common, asJSON)
}

// limitAt is the deadline of an apply as a moment.
func limitAt(at time.Time) engine.Limit {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithDeadlineCause(ctx, at, engine.ErrDeadline)
	}
}

// report shows what an apply did, and gives its error with the way on.
func (p *program) report(ses *session, report engine.Report, err error, o common, asJSON bool) error {
	var next render.Next
	if err != nil {
		p.last = render.Verdict(report)
	} else {
		next = p.nextAfter(ses.spec, report, o)
	}
	var shown error
	if asJSON {
		shown = render.ReportJSON(p.out, report, err, next)
	} else {
		options := render.Options{Color: p.color}
		shown = errors.Join(render.ReportText(p.out, report, err, options), render.NextText(p.out, next, options))
	}
	var waiting *reconcile.HandOffError
	if errors.As(err, &waiting) {
		err = &hint{err, "the application is stopped until the values are applied; to give up, set the location back in the file and apply"}
	} else if report.Left(engine.AppStarting) {
		err = &hint{err, startedHint(report)}
	} else if report.Left(engine.AppStopped) {
		err = &hint{err, "the application is stopped: repair the cause and run the same command again; circleci-dr status tells how things are, and circleci-dr explain --break-glass how to bring it back by hand"}
	}
	return errors.Join(err, shown)
}

// startedHint says how to go on with an application that was started and was not
// seen ready.
func startedHint(report engine.Report) string {
	text := "the application is started on " + report.Application.On + " and stays so; "
	if len(report.Ailing) > 0 {
		text += "mend what keeps it from getting ready: "
	}
	return text + "circleci-dr status shows how far it is, and the same command goes on from here without stopping what runs"
}

// events draws progress on stderr: bars for a person, lines for a log.
func (p *program) events(steps ...engine.Step) (engine.Events, func()) {
	if isTerminal(p.err) {
		bars := render.NewBars(p.err, steps...)
		return bars, bars.Close
	}
	return render.NewLines(p.err, time.Now, steps...), func() {}
}

// openHeld opens a session with the cluster of a Server and takes the lease at
// once, as what runs a Job by itself does.
func (p *program) openHeld(ctx context.Context, o common, purpose string) (*session, context.Context, func(), error) {
	ses, err := p.open(ctx, o, access{patience: restartTime})
	if err != nil {
		return nil, nil, nil, err
	}
	if ses.spec.Server == nil {
		return nil, nil, nil, errNoServer(o)
	}
	held, release, err := p.lease(ctx, ses, purpose, 0)
	return ses, held, release, err
}

// lease takes the right to change; the context it gives ends when the lease
// is lost.
func (p *program) lease(ctx context.Context, ses *session, purpose string, patience time.Duration) (context.Context, func(), error) {
	told := false
	held, release, err := ses.kube.Acquire(ctx, kube.LeaseOptions{Purpose: purpose, Wait: patience, OnHeld: func(h engine.LeaseHolder) {
		if !told && patience > 0 {
			fmt.Fprintf(p.err, "waiting up to %s for %s, who holds the lease for %s since %s\n", patience, h.Owner, h.Purpose, h.Since.UTC().Format(time.RFC3339))
			told = true
		}
	}})
	if err != nil {
		err = &unreachable{err} // unless it is held: that has a code of its own
	}
	return held, release, err
}

func readPlanFile(path string) (*engine.Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read plan file: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only: nothing is lost when closing fails
	plan, err := render.ReadPlan(f)
	if err != nil {
		return nil, fmt.Errorf("read plan file %s: %w", path, err)
	}
	return &plan, nil
}
