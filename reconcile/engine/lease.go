package engine

import (
	"context"
	"errors"
	"time"
)

// ErrLeaseLost is the cause of a context whose lease went to somebody else:
// work stops at once and nothing is brought back, because another run may be
// doing that already.
var ErrLeaseLost = errors.New("the lease was lost to another run")

type leaseKey struct{}

// WithLease has a context carry the one that ends with its lease. A context
// that was interrupted keeps that cause for ever, and the lease may be lost
// after it.
func WithLease(ctx, lease context.Context) context.Context {
	return context.WithValue(ctx, leaseKey{}, lease)
}

// leases are the contexts that tell of a lost lease.
func leases(ctx context.Context) []context.Context {
	if lease, ok := ctx.Value(leaseKey{}).(context.Context); ok {
		return []context.Context{ctx, lease}
	}
	return []context.Context{ctx}
}

// LeaseLost is how the lease of a context was lost, nil while it was not.
func LeaseLost(ctx context.Context) error {
	for _, c := range leases(ctx) {
		if cause := context.Cause(c); errors.Is(cause, ErrLeaseLost) { //nolint:contextcheck // the lease has a context of its own
			return cause
		}
	}
	return nil
}

// Uninterrupted is a context that outlives an interruption, as restoring
// service must, and ends when the lease does.
func Uninterrupted(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	timed, release := context.WithTimeout(context.WithoutCancel(ctx), limit)
	out, cancel := context.WithCancelCause(timed)
	var stops []func() bool
	for _, c := range leases(ctx) {
		stops = append(stops, context.AfterFunc(c, func() {
			if cause := LeaseLost(ctx); cause != nil {
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

// LeaseHolder is who holds the right to change.
type LeaseHolder struct {
	Owner   string    `json:"owner"`
	Purpose string    `json:"purpose"`
	Since   time.Time `json:"since"`
	Renewed time.Time `json:"renewed"`
	Seconds int       `json:"seconds"`
}

// LeaseReader reads who holds the lease; absent means nobody.
type LeaseReader interface {
	Holder(ctx context.Context) Observed[LeaseHolder]
}
