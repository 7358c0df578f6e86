package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Run is one apply of a plan's steps, with the records it keeps.
type Run struct {
	plan Plan
	out  Outside
	opt  Options
	ev   Events
	flow Flow

	mu             sync.Mutex // guards what is below: steps may run side by side
	journal        Journal
	journalVersion string
	// cut are steps that earlier runs began and did not end, with when that was.
	cut map[StepID]time.Time
	// took is how long this run's own steps took, downtimes how long it had the
	// application stopped.
	took, downtimes map[string]Measurement
}

// Begin reads the journal for a run of plan; the caller holds the lease.
func Begin(ctx context.Context, plan Plan, out Outside, opt Options, ev Events) (*Run, error) {
	journal, version := ReadRecord[Journal](ctx, out.Records, RecordJournal)
	if journal.Unread() && version == "" {
		return nil, fmt.Errorf("read record %s: %s", RecordJournal, journal.Why)
	}
	if journal.Unread() { // it only tells people; the look decides
		ev.Note("the journal is begun anew: " + journal.Why)
	}
	return &Run{
		plan: plan, out: out, opt: opt, ev: ev, journal: journal.Value, journalVersion: version,
		cut: journal.Value.cutSteps(), took: map[string]Measurement{}, downtimes: map[string]Measurement{},
	}, nil
}

// Do does the plan's steps in order with the actions of flow. It is the only
// place that changes anything, and resume is the same function.
func (r *Run) Do(ctx context.Context, flow Flow) (Report, error) {
	r.flow = flow
	rep := Report{Plan: r.plan.ID, Announced: r.plan.Total}
	for left := r.plan.Steps; len(left) > 0; {
		n := GroupSize(left, func(kind ActionKind) bool { act, _ := flow.Action(kind); return act.Beside })
		done, st, err := r.group(ctx, left[:n])
		rep.Steps = append(rep.Steps, done...)
		if err != nil {
			rep, err = flow.Failed(ctx, rep, st, err)
			if rep.Left(AppBack) { // also an attempt that failed tells how fast its copy was
				r.keepMeasured(ctx)
			}
			return rep, err
		}
		left = left[n:]
	}
	rep, err := flow.Finish(ctx, rep)
	r.keepMeasured(ctx)
	return rep, err
}

// GroupSize counts how many of the first steps run at the same time.
func GroupSize(steps []Step, may func(ActionKind) bool) int {
	n := 1
	for n < len(steps) && steps[n].Action == steps[0].Action && may(steps[0].Action) {
		n++
	}
	return n
}

// group does steps that run side by side and waits for all of them. The first
// that fails ends the others: none of them counts without the rest.
func (r *Run) group(ctx context.Context, steps []Step) ([]StepReport, Step, error) {
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
	r.out.SideBySide(runs...)
	if n := first.Load(); n >= 0 {
		return reports, steps[n], errs[n]
	}
	return reports, steps[0], nil
}

// inTime does one step within the deadline.
func (r *Run) inTime(ctx context.Context, st Step) (StepReport, error) {
	act, ok := r.flow.Action(st.Action)
	if !ok {
		return StepReport{Step: st.ID, Title: st.Title, Outcome: "failed", Announced: st.Estimate},
			fmt.Errorf("step %s: this version knows no action %q", st.ID, st.Action)
	}
	bounded, release := r.bound(ctx, act)
	defer release()
	sr, err := r.step(bounded, act, st)
	if err != nil && errors.Is(context.Cause(bounded), ErrDeadline) && !errors.Is(err, ErrDeadline) {
		err = fmt.Errorf("%w: %w", ErrDeadline, err) // a read that was cut off tells only that it was
	}
	return sr, err
}

// step looks, acts, and looks again. The second look decides.
func (r *Run) step(ctx context.Context, act Action, st Step) (StepReport, error) {
	sr := StepReport{Step: st.ID, Title: st.Title, Outcome: "failed", Announced: st.Estimate}
	begun := r.out.Now()
	if err := context.Cause(ctx); err != nil {
		sr.Error = err.Error()
		return sr, err
	}
	look, err := act.Look(ctx, st)
	if err == nil && look.Settled {
		r.ev.StepSkipped(st, look.Why)
		sr.Outcome = "already settled"
		return sr, nil
	}
	if err == nil {
		err = r.do(ctx, act, st)
	}
	sr.Duration = r.out.Now().Sub(begun)
	if err != nil {
		sr.Error = err.Error()
		return sr, err
	}
	sr.Outcome = "settled"
	r.measure(act, st, sr.Duration)
	return sr, nil
}

func (r *Run) do(ctx context.Context, act Action, st Step) error {
	begun := r.out.Now()
	if err := r.journalBegin(ctx, st); err != nil {
		return err
	}
	r.ev.StepBegins(st)
	r.at(st, "begin")
	r.at(st, "before-effect")
	err := act.Apply(ctx, st)
	r.at(st, "after-effect")
	if err == nil {
		err = r.lookAgain(ctx, act, st)
	}
	jerr := r.journalEnd(ctx, st, err)
	r.at(st, "end")
	r.ev.StepEnds(st, r.out.Now().Sub(begun), err)
	if err != nil {
		return err
	}
	return jerr
}

func (r *Run) at(st Step, where string) {
	if r.out.At != nil {
		r.out.At(string(st.Action) + ":" + where)
	}
}
