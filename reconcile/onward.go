package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// What becomes of an application that was started on the target and does not
// come up. Whether there is a way back is found out before anything is stopped,
// and only what will be done is said.

// leaveTime is how long an interrupted start may take to leave things as they
// shall be.
const leaveTime = 8 * time.Second

// interruptedSince gives a function that tells whether ctx was interrupted since
// now: somebody who has interrupted already waits for service to be restored, and
// somebody who does it then wants to leave.
func interruptedSince(ctx context.Context) func() error {
	if ctx.Err() != nil {
		return nil
	}
	return func() error { return context.Cause(ctx) }
}

// leaveStarting ends an interrupted start: every workload is scaled, so that
// the application comes up by itself, and nobody waits for it.
func (r *run) leaveStarting(ctx context.Context, rep engine.Report, cause error) (engine.Report, error) {
	quick, cancel := engine.Uninterrupted(ctx, leaveTime)
	defer cancel()
	if err := r.scaleUp(quick); err != nil {
		rep.Application = r.stillDown()
		return rep, errors.Join(cause, fmt.Errorf("start the application on %s: %w", r.move.Target(), err))
	}
	rep.Application = engine.Application{State: engine.AppStarting, On: r.move.Target()}
	return rep, cause
}

// noWayBack says why an application that was started on the target after the
// commit cannot be brought back: it wrote there, or nobody can tell. nil means
// that nothing speaks for a write; the withdrawal decides, with no pod left.
func (r *run) noWayBack(ctx context.Context) (why *closedError, err error) {
	if r.move.Phase != MoveCommitted || r.move.Deciding {
		return nil, nil
	}
	ws, err := r.workloads(ctx)
	if err != nil {
		return nil, err
	}
	if server.Stopped(ws) {
		return nil, nil
	}
	for _, p := range r.move.Parts {
		writes, err := r.askWrites(ctx, p)
		switch {
		case err != nil:
			return &closedError{err: fmt.Errorf("ask %s: %w", p.Target(), err)}, nil
		case writes != nil && writes.Any == mover.WrittenSome:
			return &closedError{written: true, err: fmt.Errorf("%s: %s", p.Target(), writes.Why)}, nil
		}
	}
	r.ev.Note("stopping the application on " + r.move.Target() + ", to make sure that it wrote nothing there")
	return nil, nil
}

// closedError is why the way back is closed.
type closedError struct {
	written bool
	err     error
}

// askWrites asks a part's target, with the application running, what it took
// since the commit. One answer may be lost in passing.
func (r *run) askWrites(ctx context.Context, p Part) (*mover.SideWrites, error) {
	in := server.Sides{Engine: p.Engine, Target: r.sides(p).Target, Inwards: r.move.Back()}
	for try := 1; ; try++ {
		found := server.Inspect(ctx, r.p, in, r.id, func(mover.Event) {})
		var err error
		switch {
		case found.Unread():
			err = errors.New(found.Why)
		case found.Value.Target == nil || found.Value.Target.Database == nil:
			err = errors.New(sideError(found.Value.Target))
		default:
			return found.Value.Target.Database.Writes, nil
		}
		if try == 2 {
			return nil, err
		}
		if waitErr := r.p.Wait(ctx, goBackPause); waitErr != nil {
			return nil, errors.Join(err, waitErr)
		}
	}
}

func whyForward(written bool, cause error) error {
	if written {
		return fmt.Errorf("the target holds writes of the application: %w", cause)
	}
	return fmt.Errorf("whether the target holds writes of the application could not be found out: %w", cause)
}

// onward leaves the application where it was started. A start that has used up
// its time is not waited for once more.
func (r *run) onward(ctx context.Context, st engine.Step, cause error, closed *closedError) error {
	why := whyForward(closed.written, closed.err)
	if !startFailed(cause) {
		return r.upAgain(ctx, st, why, closed.written)
	}
	if err := r.scaleUp(ctx); err != nil {
		return &forwardError{err: errors.Join(why, err)}
	}
	return &forwardError{err: why, started: true}
}

// upAgain starts the application on the target after its way back was closed,
// and waits for it.
func (r *run) upAgain(ctx context.Context, st engine.Step, cause error, written bool) error {
	if err := r.bringUp(ctx, st); err != nil {
		return &forwardError{err: errors.Join(cause, err), started: startFailed(err)}
	}
	if !written {
		return &forwardError{err: cause, up: true}
	}
	err := r.p.Workloads.Forget(ctx)
	if err == nil { // its writes are the proof of its sessions
		err = r.saveMove(ctx, func(m *Move) { m.Resumed = r.p.Now() })
	}
	return &forwardError{err: errors.Join(cause, err), up: true}
}

// sayBack says, once and when it is decided, that the application goes back.
func (r *run) sayBack() {
	if r.isDown() && !r.saidBack {
		r.ev.Note("bringing the application back on " + r.move.Source())
		r.saidBack = true
	}
}
