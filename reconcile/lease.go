package reconcile

import (
	"context"
	"errors"
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

// leaseLost is how the lease of a context was lost, nil while it was not.
func leaseLost(ctx context.Context) error {
	for _, c := range leases(ctx) {
		if cause := context.Cause(c); errors.Is(cause, ErrLeaseLost) { //nolint:contextcheck // the lease has a context of its own
			return cause
		}
	}
	return nil
}
