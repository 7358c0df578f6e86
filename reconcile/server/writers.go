package server

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// Neighbours reads what is in the release's namespace beside the workloads that
// are scaled.
type Neighbours interface {
	// Jobs are the application's Jobs that are not over: a Job belongs to it when
	// the Job, the pods it starts or the CronJob that made it has
	// layer=application. It is asked every second while they end.
	Jobs(ctx context.Context) engine.Observed[[]Writer]
}

// Application is the application layer as one read of the namespace shows it.
type Application struct {
	Workloads engine.Observed[[]Workload]
	Writers   engine.Observed[[]Writer]
}

// Writer is one of the application's own Jobs, or another owner of pods with
// layer=application that scaling does not stop: a DaemonSet, a Rollout, a pod
// on its own.
type Writer struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	Pods int    `json:"pods"`
}

// String names it with its pods; a Job may have none for a while.
func (w Writer) String() string {
	switch w.Pods {
	case 0:
		return w.Kind + "/" + w.Name
	case 1:
		return w.Kind + "/" + w.Name + " (1 pod)"
	}
	return fmt.Sprintf("%s/%s (%d pods)", w.Kind, w.Name, w.Pods)
}

// KindJob is the kind of writers that end by themselves.
const KindJob = "Job"

// JobsAmong names the Jobs among writers, which end by themselves, and the others.
func JobsAmong(all []Writer) (jobs, others []string) {
	for _, w := range all {
		if w.Kind == KindJob {
			jobs = append(jobs, w.String())
		} else {
			others = append(others, w.String())
		}
	}
	return jobs, others
}
