package reconcile

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// bound is how the deadline holds for a step of a move. What brings service back,
// and what comes after the commit, has none: there is only forward then. The
// commit itself is begun in time or not at all, and then it ends.
func (r *run) bound(kind engine.ActionKind) engine.Bound {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case kind == ActGoBack, r.move.Phase == MoveCommitted:
		return engine.Unbounded
	case kind == ActCommit:
		return engine.BegunOnly
	}
	return engine.Bounded
}

// Unfinished tells whether a move stands open, by its record alone.
func Unfinished(ctx context.Context, r engine.Records) (bool, error) {
	m, _ := engine.ReadRecord[Move](ctx, r, RecordMove)
	if m.Unread() {
		return false, fmt.Errorf("read record %s: %s", RecordMove, m.Why)
	}
	return m.Value.Open(), nil
}
