package server

import (
	"context"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// Starts says why the application does not start.
type Starts interface {
	// Ailing explains, for each of these workloads (Workload.Key) that has a pod
	// which is not ready, the pod that is worst off. What it gives may be shown: no
	// secret is in it.
	Ailing(ctx context.Context, workloads []string) engine.Observed[[]engine.Ailment]
}
