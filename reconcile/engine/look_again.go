package engine

import (
	"context"
	"fmt"
	"time"
)

// lookAgain is the look that decides. Only pods come and go by themselves, so
// only where a step is about them is there more than one.
func (r *Run) lookAgain(ctx context.Context, act Action, st Step) error {
	until := r.out.Now().Add(act.Patience)
	for {
		look, err := act.Look(ctx, st)
		if err != nil || look.Settled {
			return err
		}
		if !r.out.Now().Before(until) {
			return fmt.Errorf("%s: the call succeeded, but looking again shows: %s", st.ID, look.Why)
		}
		r.ev.StepProgress(st, Event{Phase: "starting", Message: look.Why})
		if err := r.out.Wait(ctx, time.Second); err != nil {
			return err
		}
	}
}
