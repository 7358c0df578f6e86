package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// flapTime is how long the last look waits for pods that were ready and are not:
// on a busy node a probe is answered late now and then, and nothing is wrong.
const flapTime = time.Minute

// patience is how long the last look of an action waits: of those that are about
// pods, which come and go by themselves.
var patience = map[ActionKind]time.Duration{ActResume: flapTime, ActSettle: flapTime}

// lookAgain is the look that decides. Only pods come and go by themselves, so
// only where a step is about them is there more than one.
func (r *run) lookAgain(ctx context.Context, act action, st Step) error {
	until := r.p.Now().Add(patience[st.Action])
	for {
		look, err := act.look(ctx, r, st)
		if err != nil || look.Settled {
			return err
		}
		if !r.p.Now().Before(until) {
			return fmt.Errorf("%s: the call succeeded, but looking again shows: %s", st.ID, look.Why)
		}
		r.ev.StepProgress(st, mover.Event{Phase: "starting", Message: look.Why})
		if err := r.p.Wait(ctx, time.Second); err != nil {
			return err
		}
	}
}
