package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// CheckPlan holds the plan a person accepted against the one made now. Apply
// may do less than was shown, never more.
func CheckPlan(accepted, now engine.Plan) error {
	if now.Resumes == "" {
		if moved := engine.Stale(accepted.Binding, now.Binding); len(moved) > 0 {
			return &engine.StaleError{Changes: moved}
		}
	} else if accepted.Binding.SpecDigest != now.Binding.SpecDigest || accepted.Binding.ClusterUID != now.Binding.ClusterUID ||
		accepted.Binding.Release != now.Binding.Release {
		return &engine.StaleError{Changes: engine.Stale(accepted.Binding, now.Binding)}
	}
	var shown []engine.StepID
	for _, s := range accepted.Steps {
		shown = append(shown, s.ID)
	}
	for _, s := range now.Steps {
		if s.Action == ActGoBack && now.Resumes != "" {
			continue // only undoes what an apply of the same spec began
		}
		if !slices.Contains(shown, s.ID) {
			return &engine.StaleError{Changes: []engine.Change{{Field: "steps", From: "without " + string(s.ID), To: "needs " + string(s.ID)}}}
		}
	}
	return nil
}

// Apply does the steps of a plan that was just made from o, in order. It is
// the only place that changes anything, and resume is the same function. The
// caller holds the lease and has compared the plan with what was accepted.
func Apply(ctx context.Context, s *spec.Spec, o Observation, plan engine.Plan, p server.Providers, opt engine.Options, ev engine.Events) (engine.Report, error) {
	rep := engine.Report{Plan: plan.ID, Announced: plan.Total}
	if blocked := plan.Blocked(); len(blocked) > 0 {
		return rep, &engine.BlockedError{Findings: blocked}
	}
	r, err := newRun(ctx, s, o, plan, p, opt, ev)
	if err != nil {
		return rep, err
	}
	return r.steps.Do(ctx, r)
}

// Action gives what a kind of step does in a move.
func (r *run) Action(kind engine.ActionKind) (engine.Action, bool) {
	act, ok := actionsByKind[kind]
	if !ok {
		return engine.Action{}, false
	}
	return engine.Action{
		Look:   func(ctx context.Context, st engine.Step) (engine.Look, error) { return act.look(ctx, r, st) },
		Apply:  func(ctx context.Context, st engine.Step) error { return act.apply(ctx, r, st) },
		Beside: sideBySide[kind], Patience: patience[kind],
		Bound:    func() engine.Bound { return r.bound(kind) },
		Measured: r.measured,
	}, true
}

// Failed brings the application back on the source where that is still right.
func (r *run) Failed(ctx context.Context, rep engine.Report, st engine.Step, cause error) (engine.Report, error) {
	r.reportDowntime(&rep)
	rep, err := r.fail(ctx, rep, st, cause)
	rep.Application.Why = whyDown(ctx, rep, err)
	r.reportService(&rep)
	return rep, err
}

// Finish closes the move.
func (r *run) Finish(ctx context.Context, rep engine.Report) (engine.Report, error) {
	r.reportDowntime(&rep)
	r.reportService(&rep)
	r.measuredDowntime()
	return rep, r.finish(ctx)
}

func (r *run) fail(ctx context.Context, rep engine.Report, st engine.Step, cause error) (engine.Report, error) {
	err := fmt.Errorf("%s: %w", st.Title, cause)
	if !r.move.Open() || !r.isDown() && !r.move.Quiesced.IsZero() {
		return rep, err
	}
	var waiting *HandOffError
	if errors.As(cause, &waiting) {
		rep.Application = r.stillDown() // the values may be on their way
		return rep, err
	}
	if engine.LeaseLost(ctx) != nil || errors.Is(cause, engine.ErrConflict) {
		rep.Application = r.stillDown() // another run may be bringing it back already
		return rep, err
	}
	if st.Action == ActResume && r.move.Phase == MoveCommitted && ctx.Err() != nil {
		return r.leaveStarting(ctx, rep, err)
	}
	// The run may have been interrupted; service is restored all the same.
	back, cancel := engine.Uninterrupted(ctx, goBackTime)
	defer cancel()
	r.giveUp = interruptedSince(ctx)
	backErr := r.persist(back, err)
	r.reportDowntime(&rep)
	rep.Ailing = r.ailing
	var forward *forwardError
	if errors.As(backErr, &forward) {
		switch {
		case forward.started:
			rep.Application = engine.Application{State: engine.AppStarting, On: r.move.Target()}
		case !forward.up:
			rep.Application = engine.Application{State: engine.AppStopped}
		}
		return rep, errors.Join(err, backErr)
	}
	if backErr != nil {
		rep.Application = r.stillDown()
		if startFailed(backErr) {
			rep.Application = engine.Application{State: engine.AppStarting, On: r.move.Source()}
		}
		return rep, errors.Join(err, &notBackError{backErr})
	}
	rep.Application = engine.Application{State: engine.AppBack}
	return rep, err
}

// persist goes back, and tries again: an application must not stay down over
// one call that failed in passing. One that was started and is not ready is
// not stopped and started again for it.
func (r *run) persist(ctx context.Context, cause error) error {
	for try := 1; ; try++ {
		err := r.goBack(ctx, cause)
		var forward *forwardError
		if err == nil || try == goBackTries || errors.As(err, &forward) || startFailed(err) || errors.Is(err, engine.ErrConflict) {
			return err
		}
		r.ev.Note(fmt.Sprintf("could not bring the application back yet: %v", err))
		if waitErr := r.p.Wait(ctx, goBackPause); waitErr != nil {
			return errors.Join(err, waitErr)
		}
	}
}

// The patience of the way back.
const (
	goBackTime  = 15 * time.Minute
	goBackTries = 4
	goBackPause = 5 * time.Second
)

// finish closes the move and writes what drift is measured against.
func (r *run) finish(ctx context.Context) error {
	// First the record drift is measured against: cut off here, the move still
	// stands open and the next apply comes by again.
	if err := r.writeApplied(ctx); err != nil {
		return err
	}
	if r.move.Phase != MoveCommitted || r.move.Resumed.IsZero() {
		return nil
	}
	for _, p := range r.move.Parts {
		if p.To == spec.Internal {
			if err := r.inspectBoth(ctx, p); err != nil {
				return err
			}
		}
	}
	return r.saveMove(ctx, func(m *Move) { m.Phase = MoveFinished })
}

// inspectBoth records what drift will be asked about next after a move in:
// both sides, the other way round than they moved. It waits until the
// application is up, for it takes as long as an inspection does.
func (r *run) inspectBoth(ctx context.Context, p Part) error {
	rel, err := r.release(ctx)
	if err != nil {
		return err
	}
	o := Observation{Release: engine.Found(rel)}
	o.store(p.Engine).Internal = observeInternal(ctx, r.p, &o, p.Engine)
	found := server.Inspect(ctx, r.p, sidesOf(r.s, &o, p.Engine), r.id, func(mover.Event) {})
	if !found.Is() {
		return nil // the move is good without it: drift says that it needs a plan
	}
	return engine.ReplaceRecord(ctx, r.p.Records, server.RecordInspection(p.Engine), found.Value)
}
