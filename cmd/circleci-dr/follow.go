package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// engineError is a failure that an engine in the cluster reported.
type engineError struct{ outcome engine.HostedOutcome }

// Error gives the engine's own words.
func (e *engineError) Error() string { return e.outcome.Error }

// Unwrap gives what a proof found unequal, so that it is drawn as ever.
func (e *engineError) Unwrap() error {
	if len(e.outcome.Differences) == 0 {
		return nil
	}
	var found []mover.Difference
	if err := json.Unmarshal(e.outcome.Differences, &found); err != nil { // of another version
		return fmt.Errorf("what the proof found unequal could not be read: %w", err)
	}
	return &reconcile.DifferentError{Proof: mover.Proof{Differences: found}}
}

// rejoin follows an engine that is at work on this very file, instead of
// submitting the work twice.
func (p *program) rejoin(ctx context.Context, ses *session, o common, asJSON bool) (done bool, err error) {
	found := ses.kube.Engine(ctx)
	switch {
	case found.Unread():
		return false, &unreachable{errors.New("look for an engine in the cluster: " + found.Why)}
	case !found.Is() || !found.Value.Active():
		return false, nil
	case found.Value.SpecDigest != ses.spec.Digest():
		return false, &kube.OtherEngineError{Run: found.Value}
	}
	fmt.Fprintf(p.err, "an engine is at work on this file in the cluster since %s, for %s; following it\n", found.Value.Since.Format(time.RFC3339), found.Value.By)
	return true, p.follow(ctx, ses, found.Value, o, asJSON)
}

// attach follows the engine that is at work, if one is.
func (p *program) attach(ctx context.Context, ses *session, o common, asJSON bool) (done bool, err error) {
	found := ses.kube.Engine(ctx)
	switch {
	case found.Unread():
		return false, &unreachable{errors.New("look for an engine in the cluster: " + found.Why)}
	case !found.Is() || !found.Value.Active():
		fmt.Fprintln(p.err, "no engine is at work in the cluster")
		return false, nil
	}
	return true, p.follow(ctx, ses, found.Value, o, asJSON)
}

// follow shows an engine's progress and ends with its report and its code.
// Interrupted, it only stops following.
func (p *program) follow(ctx context.Context, ses *session, run engine.HostedRun, o common, asJSON bool) error {
	p.following.Store(true)
	defer p.following.Store(false)
	p.result.Plan = run.Plan
	t := &teller{draw: p.events}
	raw, err := ses.kube.FollowEngine(ctx, run, t.tell)
	t.close()
	switch {
	case errors.Is(context.Cause(ctx), errInterrupted):
		return &hint{errors.New("stopped following; the engine in the cluster goes on"), commandLine("status --follow", o.reach()) + " follows it again"}
	case errors.Is(err, kube.ErrEngineSilent):
		raw, err = recorded(ctx, ses, run)
	}
	if err != nil {
		return &hint{p.withdraw(ctx, ses, err), "circleci-dr status tells how things are"}
	}
	var out engine.HostedOutcome
	if err := json.Unmarshal(raw, &out); err != nil {
		return &hint{fmt.Errorf("read the outcome of %s: %w", run.Job, err), "circleci-dr status tells how things are"}
	}
	p.result.Steps = len(out.Report.Steps)
	var failed error
	if out.Exit != codeFine {
		failed = &engineError{out}
	}
	return p.report(ses, out.Report, failed, o, asJSON)
}

// withdraw removes what is left of an engine that died for good, where this
// command may change anything.
func (p *program) withdraw(ctx context.Context, ses *session, err error) error {
	var dead *kube.EngineDeadError
	if !errors.As(err, &dead) || ses.readOnly {
		return err
	}
	if gone := ses.kube.Withdraw(ctx, dead); gone != nil {
		return errors.Join(err, gone)
	}
	if dead.Unborn {
		return fmt.Errorf("%w; nothing was begun, and the Job was removed", err)
	}
	return err
}

// recorded is the outcome that an engine left beside its log.
func recorded(ctx context.Context, ses *session, run engine.HostedRun) (json.RawMessage, error) {
	rec := engine.ReadHosted(ctx, ses.providers.Records)
	switch {
	case rec.Unread():
		return nil, &unreachable{errors.New(rec.Why)}
	case !rec.Is() || rec.Value.UID != run.UID || rec.Value.Outcome == nil:
		return nil, fmt.Errorf("the engine of Job %s is over and left no outcome", run.Job)
	}
	return json.Marshal(rec.Value.Outcome)
}

// teller turns the lines of an engine's log into the events of an apply.
type teller struct {
	draw   func(...engine.Step) (engine.Events, func())
	events engine.Events
	done   func()
}

func (t *teller) close() {
	if t.done != nil {
		t.done()
	}
	t.events, t.done = nil, nil
}

func (t *teller) tell(line mover.Event) {
	e, ok := engine.HostedEventOf(line)
	if !ok {
		return
	}
	if e.Kind == engine.HostedPlans || t.events == nil {
		t.begin(e.Steps)
	}
	st := engine.Step{ID: e.Step, Title: e.Title}
	switch e.Kind {
	case engine.HostedBegins:
		t.events.StepBegins(st)
	case engine.HostedSkips:
		t.events.StepSkipped(st, e.Text)
	case engine.HostedProgress:
		if e.Progress != nil {
			t.events.StepProgress(st, *e.Progress)
		}
	case engine.HostedEnds:
		var err error
		if e.Failed {
			err = errors.New(e.Text)
		}
		t.events.StepEnds(st, e.Duration, err)
	case engine.HostedService:
		if e.Service != nil {
			t.events.Service(*e.Service)
		}
	case engine.HostedNotes:
		t.events.Note(e.Text)
	default: // a plan, or what a newer engine tells
	}
}

// begin draws anew: each pod of an engine has its own plan.
func (t *teller) begin(steps []engine.HostedStep) {
	t.close()
	var list []engine.Step
	for _, s := range steps {
		list = append(list, engine.Step{ID: s.ID, Title: s.Title})
	}
	t.events, t.done = t.draw(list...)
}
