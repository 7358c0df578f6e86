package engine

import (
	"context"
	"errors"
	"time"
)

// ErrDeadline is the cause of a context that ended because the time given to a
// move was up. Before the commit it takes the move back.
var ErrDeadline = errors.New("the deadline passed before the switch was committed")

// Limit gives a context that also ends when the time given to an apply is up,
// with ErrDeadline as its cause. It is the caller's, who has the clock.
type Limit func(context.Context) (context.Context, context.CancelFunc)

// The deadline of a plan that nobody gave one: long enough for a bad day, short
// enough that a stopped application does not stay so for one.
const (
	deadlineFactor = 3
	deadlineLeast  = 30 * time.Minute
)

// DeadlineFor is how long an apply nobody watches may take before it goes
// back: three times what the plan expects at most, and at least half an hour.
func DeadlineFor(p Plan) time.Duration {
	return max(deadlineFactor*p.Total.High, deadlineLeast).Round(time.Second)
}

// bound is the context of one step.
func (r *Run) bound(ctx context.Context, act Action) (context.Context, context.CancelFunc) {
	unbounded, bound := func() {}, Bounded
	if act.Bound != nil {
		bound = act.Bound()
	}
	if r.opt.Limit == nil || bound == Unbounded {
		return ctx, unbounded
	}
	bounded, cancel := r.opt.Limit(ctx)
	if bound == BegunOnly && bounded.Err() == nil {
		cancel()
		return ctx, unbounded
	}
	return bounded, cancel
}
