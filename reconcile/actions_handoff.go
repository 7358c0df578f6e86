package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// handOffTime is how long one apply holds the application at zero for a tool
// to switch; the next one goes on with it.
const handOffTime = time.Hour

// holdTries is how many looks in a row may fail meanwhile: in so long a time
// one will, and none is a reason to go back.
const holdTries = 10

// HandOffError means that the application is held at zero and the values were
// not applied in time. Nothing went back: they may be on their way.
type HandOffError struct {
	By  spec.ManagedBy
	Why string
}

// Error says what is waited for and what to do.
func (e *HandOffError) Error() string {
	return fmt.Sprintf("the application is held at zero, %s; commit the values, resume the reconciliation of %s, then run the same command again", e.Why, toolName(e.By))
}

// lookHandOff looks at what really runs; whose record says what is the tool's
// business.
func lookHandOff(ctx context.Context, r *run, _ engine.Step) (engine.Look, error) {
	ws, err := r.texts(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	for _, p := range r.move.Parts {
		if why := r.referenced(ws, p); why != "" {
			return engine.Look{Why: why}, nil
		}
	}
	return engine.Look{Settled: true, Why: "every workload references " + r.move.Target()}, nil
}

// applyHandOff says what to commit and holds the application at zero until it
// is applied.
func applyHandOff(ctx context.Context, r *run, st engine.Step) error {
	if err := r.proven(spec.External); err != nil {
		return err
	}
	values := valuesText(r.s, r.rel, r.move.Parts)
	if h := r.move.HandOff; h.Announced.IsZero() || h.Values != values {
		if err := r.saveMove(ctx, func(m *Move) {
			m.HandOff = &HandOff{By: h.By, Values: values, Announced: r.p.Now()}
		}); err != nil {
			return err
		}
	}
	by := r.move.HandOff.By
	r.sayValues()
	told := map[string]bool{}
	until := r.p.Now().Add(handOffTime)
	for failed := 0; ; {
		look, err := r.hold(ctx, st, told)
		switch {
		case err == nil && look.Settled:
			return nil
		case err == nil:
			failed = 0
		case failed == holdTries || ctx.Err() != nil || errors.Is(err, engine.ErrConflict):
			return err
		default:
			failed++
			look.Why = err.Error()
		}
		if r.p.Now().After(until) {
			r.sayValues()
			return &HandOffError{By: by, Why: look.Why}
		}
		r.ev.StepProgress(st, mover.Event{Phase: "waiting", Message: look.Why})
		if err := r.p.Wait(ctx, 2*time.Second); err != nil {
			return err
		}
	}
}

// sayValues prints what to commit, a line at a time: whoever draws them makes
// one line of each note.
func (r *run) sayValues() {
	h := r.move.HandOff
	r.ev.Note(fmt.Sprintf("commit these values and let %s apply them; the application is held at zero until its workloads reference %s:", toolName(h.By), r.move.Target()))
	for line := range strings.Lines(h.Values) {
		r.ev.Note("    " + strings.TrimSuffix(line, "\n"))
	}
}

// hold looks once, and stops again what somebody started on the old side. What
// already runs on the target is left to the commit, which comes next.
func (r *run) hold(ctx context.Context, st engine.Step, told map[string]bool) (engine.Look, error) {
	look, err := lookHandOff(ctx, r, st)
	if err != nil || look.Settled {
		return look, err
	}
	ws, err := r.workloads(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	if err := r.recordNew(ctx, ws); err != nil {
		return engine.Look{}, err
	}
	for _, w := range ws {
		if w.Replicas == 0 {
			continue
		}
		if !told[w.Key()] {
			told[w.Key()] = true
			what := fmt.Sprintf("was scaled up to %d and is put back to 0", w.Replicas)
			if w.Kind == server.KindCronJob {
				what = "was resumed and is suspended again"
			}
			r.ev.Note(w.Key() + " " + what + ": its values are not applied yet")
		}
		if err := r.p.Workloads.Scale(ctx, w.Key(), 0); err != nil {
			return engine.Look{}, err
		}
	}
	return look, nil
}

// handedOver tells whether the tool has switched. Between the two nothing can
// be done but to wait: a part of the application may write to the target.
func (r *run) handedOver(ctx context.Context) (bool, error) {
	if r.move.HandOff == nil {
		return false, nil
	}
	ws, err := r.texts(ctx)
	if err != nil {
		return false, err
	}
	rel, err := r.release(ctx)
	if err != nil {
		return false, err
	}
	all, begun, first := true, false, ""
	for _, p := range r.move.Parts {
		why := r.referenced(ws, p)
		if why != "" {
			all = false
			first = cmp.Or(first, why)
		}
		_, target := p.servers(r.s, rel)
		begun = begun || why == "" || !rel.Store(p.Engine).Internal || namesAny(ws, p, target)
	}
	by := toolName(r.move.HandOff.By)
	switch {
	case all && r.move.Phase == MoveReturning:
		return false, fmt.Errorf("%s pointed the release at %s while the move was on its way back, and both sides may hold writes; take the values back, let %s apply that and run the same command again",
			by, r.move.Target(), by)
	case all:
		return true, nil
	case begun:
		return false, fmt.Errorf("%s is in the middle of the switch, the application is held at zero: %s", by, first)
	}
	return false, nil
}

// forwardHandedOver ends a failure after the tool has switched: Git says the
// target now, and a way back would be undone by the next sync.
func (r *run) forwardHandedOver(ctx context.Context, st engine.Step, cause error) error {
	cause = fmt.Errorf("%s has switched the release: %w", toolName(r.move.HandOff.By), cause)
	for _, p := range r.move.Parts {
		if err := r.commit(ctx, st, p); err != nil {
			return &forwardError{err: fmt.Errorf("%w; commit: %w", cause, err)}
		}
	}
	if startFailed(cause) { // its time was used up
		return &forwardError{err: cause, started: true}
	}
	if err := r.bringUp(ctx, st); err != nil {
		return &forwardError{err: fmt.Errorf("%w; %w", cause, err), started: startFailed(err)}
	}
	return &forwardError{err: cause, up: true}
}
