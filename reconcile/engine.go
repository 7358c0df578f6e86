package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Events hears what an apply does while it does it.
type Events interface {
	StepBegins(Step)
	StepSkipped(Step, string)
	StepProgress(Step, mover.Event)
	StepEnds(Step, time.Duration, error)
	// Service tells that the application is stopped from now on, or up again.
	Service(Service)
	// Note is a sentence for the person who watches.
	Note(string)
}

// ApplyOptions is who applies, and for how long.
type ApplyOptions struct {
	By string
	// Limit bounds what comes before the commit; nil means without end.
	Limit Limit
}

// StepReport is what became of one step.
type StepReport struct {
	Step     StepID        `json:"step"`
	Title    string        `json:"title"`
	Outcome  string        `json:"outcome"` // settled, already settled, failed
	Duration time.Duration `json:"duration"`
	// Announced is what the plan said it would take.
	Announced Estimate `json:"announced"`
	Error     string   `json:"error,omitempty"`
}

// Report is what an apply did.
type Report struct {
	Plan  string       `json:"plan"`
	Steps []StepReport `json:"steps"`
	// Downtime is from the first workload scaled down to the last one ready,
	// zero when the application was not stopped.
	Downtime time.Duration `json:"downtime,omitempty"`
	// Announced is what the plan said; its downtime is that of the plan which
	// opened the move.
	Announced Estimate `json:"announced"`
	// WentBack tells that a failure brought the application back on the
	// source; StillDown that it could not.
	WentBack  bool `json:"wentBack,omitempty"`
	StillDown bool `json:"stillDown,omitempty"`
	// WhyDown says why it is still down.
	WhyDown string `json:"whyDown,omitempty"`
	// StoppedSince is when it was stopped, when it is still down.
	StoppedSince time.Time `json:"stoppedSince,omitzero"`
	// NotStopped tells that this apply left the application as it was. Without it
	// and all of the above nobody looked.
	NotStopped bool `json:"notStopped,omitempty"`
	// StartedOn is the side on which the application was started and left
	// starting: not all of it was seen ready.
	StartedOn string `json:"startedOn,omitempty"`
	// Ailing are the pods that kept it from coming up.
	Ailing []Ailment `json:"ailing,omitempty"`
}

// BlockedError carries the findings of preflight that stand in the way.
type BlockedError struct{ Findings []Finding }

// Error lists the findings with their ids.
func (e *BlockedError) Error() string {
	var parts []string
	for _, f := range e.Findings {
		parts = append(parts, f.ID+": "+orElse(f.Brief, f.What))
	}
	return "blocked by preflight: " + strings.Join(parts, "; ")
}

// CheckPlan holds the plan a person accepted against the one made now. Apply
// may do less than was shown, never more.
func CheckPlan(accepted, now Plan) error {
	if now.Resumes == "" {
		if moved := Stale(accepted.Binding, now.Binding); len(moved) > 0 {
			return &StaleError{Changes: moved}
		}
	} else if accepted.Binding.SpecDigest != now.Binding.SpecDigest || accepted.Binding.ClusterUID != now.Binding.ClusterUID ||
		accepted.Binding.Release != now.Binding.Release {
		return &StaleError{Changes: Stale(accepted.Binding, now.Binding)}
	}
	var shown []StepID
	for _, s := range accepted.Steps {
		shown = append(shown, s.ID)
	}
	for _, s := range now.Steps {
		if s.Action == ActGoBack && now.Resumes != "" {
			continue // only undoes what an apply of the same spec began
		}
		if !slices.Contains(shown, s.ID) {
			return &StaleError{Changes: []Change{{Field: "steps", From: "without " + string(s.ID), To: "needs " + string(s.ID)}}}
		}
	}
	return nil
}

// Apply does the steps of a plan that was just made from o, in order. It is
// the only place that changes anything, and resume is the same function. The
// caller holds the lease and has compared the plan with what was accepted.
func Apply(ctx context.Context, s *spec.Spec, o Observation, plan Plan, p Providers, opt ApplyOptions, ev Events) (Report, error) {
	rep := Report{Plan: plan.ID, Announced: plan.Total}
	if blocked := plan.Blocked(); len(blocked) > 0 {
		return rep, &BlockedError{Findings: blocked}
	}
	r, err := newRun(ctx, s, o, plan, p, opt, ev)
	if err != nil {
		return rep, err
	}
	for left := plan.Steps; len(left) > 0; {
		n := beside(left)
		done, st, err := r.group(ctx, left[:n])
		rep.Steps = append(rep.Steps, done...)
		if err != nil {
			r.reportDowntime(&rep)
			rep, err = r.fail(ctx, rep, st, err)
			rep.WhyDown = whyDown(ctx, rep, err)
			r.reportService(&rep)
			return rep, err
		}
		left = left[n:]
	}
	r.reportDowntime(&rep)
	r.reportService(&rep)
	r.keepMeasured(ctx)
	return rep, r.finish(ctx)
}

// group does steps that run side by side and waits for all of them. The first
// that fails ends the others: none of them counts without the rest.
func (r *run) group(ctx context.Context, steps []Step) ([]StepReport, Step, error) {
	if len(steps) == 1 {
		sr, err := r.inTime(ctx, steps[0])
		return []StepReport{sr}, steps[0], err
	}
	shared, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	reports, errs := make([]StepReport, len(steps)), make([]error, len(steps))
	first := atomic.Int64{}
	first.Store(-1)
	var runs []func()
	for i, st := range steps {
		runs = append(runs, func() {
			reports[i], errs[i] = r.inTime(shared, st)
			if errs[i] != nil && first.CompareAndSwap(-1, int64(i)) {
				cancel(fmt.Errorf("%s failed", st.Title))
			}
		})
	}
	r.p.together(runs...)
	if n := first.Load(); n >= 0 {
		return reports, steps[n], errs[n]
	}
	return reports, steps[0], nil
}

// step looks, acts, and looks again. The second look decides.
func (r *run) step(ctx context.Context, st Step) (StepReport, error) {
	sr := StepReport{Step: st.ID, Title: st.Title, Outcome: "failed", Announced: st.Estimate}
	begun := r.p.Now()
	act, ok := actionsByKind[st.Action]
	if !ok {
		return sr, fmt.Errorf("step %s: this version knows no action %q", st.ID, st.Action)
	}
	if err := context.Cause(ctx); err != nil {
		sr.Error = err.Error()
		return sr, err
	}
	look, err := act.look(ctx, r, st)
	if err == nil && look.Settled {
		r.ev.StepSkipped(st, look.Why)
		sr.Outcome = "already settled"
		return sr, nil
	}
	if err == nil {
		err = r.do(ctx, act, st)
	}
	sr.Duration = r.p.Now().Sub(begun)
	if err != nil {
		sr.Error = err.Error()
		return sr, err
	}
	sr.Outcome = "settled"
	r.measure(st, sr.Duration)
	return sr, nil
}

func (r *run) do(ctx context.Context, act action, st Step) error {
	begun := r.p.Now()
	if err := r.journalBegin(ctx, st); err != nil {
		return err
	}
	r.ev.StepBegins(st)
	r.at(st, "begin")
	r.at(st, "before-effect")
	err := act.apply(ctx, r, st)
	r.at(st, "after-effect")
	if err == nil {
		err = r.lookAgain(ctx, act, st)
	}
	jerr := r.journalEnd(ctx, st, err)
	r.at(st, "end")
	r.ev.StepEnds(st, r.p.Now().Sub(begun), err)
	if err != nil {
		return err
	}
	return jerr
}

// fail brings the application back on the source where that is still right.
func (r *run) fail(ctx context.Context, rep Report, st Step, cause error) (Report, error) {
	err := fmt.Errorf("%s: %w", st.Title, cause)
	if !r.move.Open() || !r.isDown() && !r.move.Quiesced.IsZero() {
		return rep, err
	}
	var waiting *HandOffError
	if errors.As(cause, &waiting) {
		rep.StillDown = r.isDown() // the values may be on their way
		return rep, err
	}
	if leaseLost(ctx) != nil || errors.Is(cause, ErrConflict) {
		rep.StillDown = r.isDown() // another run may be bringing it back already
		return rep, err
	}
	if st.Action == ActResume && r.move.Phase == MoveCommitted && ctx.Err() != nil {
		return r.leaveStarting(ctx, rep, err)
	}
	// The run may have been interrupted; service is restored all the same.
	back, cancel := uninterrupted(ctx, goBackTime)
	defer cancel()
	r.giveUp = interruptedSince(ctx)
	backErr := r.persist(back, err)
	r.reportDowntime(&rep)
	rep.Ailing = r.ailing
	var forward *forwardError
	if errors.As(backErr, &forward) {
		rep.StillDown, rep.StartedOn = !forward.up && !forward.started, r.startedOn(forward.started, r.move.Target())
		return rep, errors.Join(err, backErr)
	}
	if backErr != nil {
		started := startFailed(backErr)
		rep.StillDown, rep.StartedOn = r.isDown() && !started, r.startedOn(started, r.move.Source())
		return rep, errors.Join(err, &notBackError{backErr})
	}
	rep.WentBack = true
	r.keepMeasured(back) // also an attempt that failed tells how fast its copy was
	return rep, err
}

// uninterrupted is a context that outlives an interruption, as restoring
// service must, and ends when the lease does.
func uninterrupted(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	timed, release := context.WithTimeout(context.WithoutCancel(ctx), limit)
	out, cancel := context.WithCancelCause(timed)
	var stops []func() bool
	for _, c := range leases(ctx) {
		stops = append(stops, context.AfterFunc(c, func() {
			if cause := leaseLost(ctx); cause != nil {
				cancel(cause)
			}
		}))
	}
	return out, func() {
		for _, stop := range stops {
			stop()
		}
		cancel(nil)
		release()
	}
}

// persist goes back, and tries again: an application must not stay down over
// one call that failed in passing. One that was started and is not ready is
// not stopped and started again for it.
func (r *run) persist(ctx context.Context, cause error) error {
	for try := 1; ; try++ {
		err := r.goBack(ctx, cause)
		var forward *forwardError
		if err == nil || try == goBackTries || errors.As(err, &forward) || startFailed(err) || errors.Is(err, ErrConflict) {
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
	o := Observation{Release: Found(rel)}
	o.store(p.Engine).Internal = observeInternal(ctx, r.p, &o, p.Engine)
	found := inspect(ctx, r.p, sidesOf(r.s, &o, p.Engine), r.id, func(mover.Event) {})
	if !found.Is() {
		return nil // the move is good without it: drift says that it needs a plan
	}
	return replaceRecord(ctx, r.p.Records, RecordInspection(p.Engine), found.Value)
}
