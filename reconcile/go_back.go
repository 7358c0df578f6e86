package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func lookGoBack(_ context.Context, r *run, _ engine.Step) (engine.Look, error) {
	return engine.Look{Settled: !r.move.Open(), Why: "the application is back on " + r.move.Source()}, nil
}

func applyGoBack(ctx context.Context, r *run, _ engine.Step) error {
	return r.goBack(ctx, errors.New("the spec no longer asks for the move"))
}

// goBack brings the application back on the source: movers stopped, commit
// withdrawn if the target took no write, fence lifted, release rolled back,
// workloads at their recorded counts. It may be cut off and run again.
func (r *run) goBack(ctx context.Context, cause error) error {
	if r.move.Quiesced.IsZero() && r.move.Phase == MoveOpen {
		return r.closeMove(ctx, cause) // nothing was stopped or fenced yet
	}
	st := engine.NewStep(ActGoBack, r.move.ID, "Bring the application back on "+r.move.Source())
	// One that still runs would undo what is done below.
	for _, p := range r.move.Parts {
		for _, op := range []mover.Operation{mover.OpFence, mover.OpCopy, mover.OpProve, mover.OpCommit} {
			if err := r.p.Movers.Stop(ctx, JobName(op, r.move, p)); err != nil {
				return err
			}
		}
	}
	if over, err := r.handedOver(ctx); err != nil {
		return err
	} else if over {
		if err := r.proven(spec.External); err != nil {
			forget := func(m *Move) { // what was copied is not what is there
				for i := range m.Parts {
					m.Parts[i].Copy, m.Parts[i].Proof = nil, nil
				}
			}
			if saveErr := r.saveMove(ctx, forget); saveErr != nil {
				err = errors.Join(err, saveErr)
			}
			return fmt.Errorf("%s pointed the release at %s before the copy was proven: stop it and keep the application at zero, then apply again: %w", toolName(r.move.HandOff.By), r.move.Target(), err)
		}
		return r.forwardHandedOver(ctx, st, cause)
	}
	if err := r.unwritten(ctx, st); isMoved(err) {
		return r.forward(ctx, st, err)
	} else if err != nil {
		return err
	}
	if why, err := r.noWayBack(ctx); err != nil {
		return err
	} else if why != nil {
		return r.onward(ctx, st, cause, why)
	}
	if r.move.Phase == MoveCommitted || r.move.Deciding {
		if err := r.withdraw(ctx, st); err != nil {
			return err
		}
	} else if err := r.saveMove(ctx, func(m *Move) { m.Phase = MoveReturning }); err != nil {
		return err
	}
	r.sayBack()
	if err := r.restoreSource(ctx, st); err != nil {
		return err
	}
	if err := r.bringUp(ctx, st); err != nil {
		return err
	}
	if h := r.move.HandOff; h != nil && !h.Announced.IsZero() {
		r.ev.Note("the values of this move must not be applied any more: take them back where they are committed, before " + toolName(h.By) + " reconciles again")
	}
	return r.closeMove(ctx, cause)
}

// isMoved tells whether a mover found writes where none may be.
func isMoved(err error) bool {
	var refused *mover.Error
	return errors.As(err, &refused) && refused.Code == mover.CodeMoved
}

// unwritten says what the application wrote to a target that is not committed
// yet, where the release reads it already and somebody may have started it since
// an earlier run: that would be lost on the way back.
func (r *run) unwritten(ctx context.Context, st engine.Step) error {
	if r.move.Phase == MoveReturning || r.move.Back() || r.move.HandOff != nil {
		return nil
	}
	rel, ws, err := r.live(ctx)
	if err != nil {
		return err
	}
	idle := server.Stopped(ws)
	if idle && !r.resumed {
		return nil
	}
	for _, p := range r.move.Parts {
		if p.Fork || p.Committed || p.Proof == nil || rel.Store(p.Engine).Internal {
			continue
		}
		if err := r.stop(ctx, st); err != nil {
			return err
		}
		again, err := runMover[mover.Proof](ctx, r, st, r.mover(mover.OpProve, p))
		switch {
		case err != nil && !idle:
			return err
		case err != nil: // nothing speaks for a write, and the application cannot stay down for that
			r.ev.Note(fmt.Sprintf("whether somebody started the application on %s meanwhile could not be found out: %v", p.Target(), err))
		case !again.Equal():
			return &mover.Error{Code: mover.CodeMoved, Side: "target", Err: &DifferentError{Proof: again}}
		}
	}
	return nil
}

// closeMove ends a move that leaves the application on its source.
func (r *run) closeMove(ctx context.Context, cause error) error {
	if err := r.p.Workloads.Forget(ctx); err != nil {
		return err
	}
	return r.saveMove(ctx, func(m *Move) {
		m.Phase, m.LastError = MoveReverted, cause.Error()
		if !m.Quiesced.IsZero() {
			m.Resumed = r.p.Now()
		}
		for i := range m.Parts {
			p := &m.Parts[i]
			p.Fence, p.Proof, p.Read, p.Committed = nil, nil, nil, false
		}
	})
}

// restoreSource lifts the fences and gives the release its old revision. The
// fence goes first, so that no pod starts on a read-only database; a server
// that was deleted has to come back with the release before. What a move in
// brought into the cluster goes again, but for its volume.
func (r *run) restoreSource(ctx context.Context, st engine.Step) error {
	for _, p := range r.move.Parts {
		if p.To != spec.Internal {
			continue
		}
		// A run that was cut off may not have come to it; Helm would take the
		// claim with the StatefulSet.
		if err := r.p.Stores.Protect(ctx, p.Engine, r.store(p.Engine)); err != nil {
			return err
		}
	}
	order := []func(context.Context, engine.Step) error{r.unfence, r.rollBack}
	if r.noSource {
		order = []func(context.Context, engine.Step) error{r.rollBack, r.unfence}
	}
	for _, do := range order {
		if err := do(ctx, st); err != nil {
			return err
		}
	}
	if !r.move.Back() {
		return nil
	}
	for _, p := range r.move.Parts {
		if err := r.p.Stores.Remove(ctx, p.Engine, r.store(p.Engine), r.p.Now()); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) unfence(ctx context.Context, st engine.Step) error {
	for _, p := range r.move.Parts {
		job := r.mover(mover.OpUnfence, p)
		job.Target, job.Request.Target = server.MoverSide{}, nil // it may be gone, and its password with it
		if _, err := runMover[json.RawMessage](ctx, r, st, job); err != nil {
			return fmt.Errorf("let %s take writes again: %w", p.Source(), err)
		}
	}
	return nil
}

func (r *run) rollBack(ctx context.Context, _ engine.Step) error {
	if r.move.HandOff != nil {
		return nil // no upgrade of ours is there to be undone
	}
	rel, err := r.release(ctx)
	if err != nil {
		return err
	}
	there := rel.Status == "deployed" && !r.noSource
	for _, p := range r.move.Parts {
		there = there && rel.Store(p.Engine).Internal == (p.From == spec.Internal)
	}
	if there {
		return nil
	}
	return r.p.Switcher.Rollback(ctx, r.move.Revision, false)
}

// forwardError means that the way back is closed. The application is up on the
// target, or started there and not ready, or neither.
type forwardError struct {
	err         error
	up, started bool
}

// Error says why, where the application is, and what to do.
func (e *forwardError) Error() string {
	if e.up {
		return fmt.Sprintf("there is only forward: %v; the application runs on the target now, apply again to finish", e.err)
	}
	if e.started {
		return fmt.Sprintf("there is only forward: %v; the application stays started on the target: mend what keeps it from getting ready, and apply again to finish", e.err)
	}
	return fmt.Sprintf("there is only forward: %v; apply again to finish", e.err)
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *forwardError) Unwrap() error { return e.err }

// withdraw takes a commit back as long as the application wrote nothing. No
// pod may be left when the mover looks for writes. Where the answer is lost,
// the commit is made again: both sides know then whose turn it is.
func (r *run) withdraw(ctx context.Context, st engine.Step) error {
	if err := r.stop(ctx, st); err != nil {
		return err
	}
	jobs, err := r.jobsLeft(ctx)
	if err != nil {
		return err
	}
	if jobs != "" { // nothing keeps it from writing there in a moment
		return r.forward(ctx, st, fmt.Errorf("it cannot be known that nobody writes to the target: %s still runs", jobs))
	}
	err = r.saveMove(ctx, func(m *Move) {
		m.Deciding = true
		for i := range m.Parts {
			m.Parts[i].Committed = false // each is made again, whatever becomes of this
		}
	})
	if err != nil {
		return err
	}
	for _, p := range r.move.Parts {
		if _, err := runMover[json.RawMessage](ctx, r, st, r.mover(mover.OpWithdraw, p)); err != nil {
			return r.forward(ctx, st, err)
		}
	}
	for _, p := range r.move.Parts {
		if p.Fork { // it was the target's turn before, and the record says so
			continue
		}
		l := server.Lineage{Epoch: p.Epoch, Authoritative: p.From, Endpoint: p.External, Move: r.move.ID, At: r.p.Now(),
			Internal: p.Internal, InternalVersion: p.InternalVersion, InternalSecret: p.InternalSecret}
		if err := engine.ReplaceRecord(ctx, r.p.Records, server.RecordLineage(p.Engine), l); err != nil {
			return err
		}
	}
	return r.saveMove(ctx, func(m *Move) { m.Phase, m.Deciding = MoveReturning, false })
}

// forward brings the application up on the target again after its commit
// could not be withdrawn.
func (r *run) forward(ctx context.Context, st engine.Step, cause error) error {
	written := isMoved(cause)
	cause = whyForward(written, cause)
	for _, p := range r.move.Parts {
		if err := r.p.Movers.Stop(ctx, JobName(mover.OpWithdraw, r.move, p)); err != nil {
			return errors.Join(cause, err)
		}
	}
	for _, p := range r.move.Parts {
		if err := r.commit(ctx, st, p); err != nil {
			return errors.Join(cause, fmt.Errorf("commit again: %w", err))
		}
	}
	return r.upAgain(ctx, st, cause, written)
}
