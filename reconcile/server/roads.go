package server

import (
	"context"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Roads knows from where in the network the application's pods speak.
type Roads interface {
	// Stands gives for the application's workloads where a pod of ours can stand
	// in their place; workloads that stand alike have one.
	Stands(ctx context.Context) engine.Observed[[]Stand]
	// Policies judges by the namespace's network policies whether the pods of
	// the stands, and our own, may connect to hosts. What is allowed is not told.
	Policies(ctx context.Context, stands []Stand, hosts []mover.Reached) engine.Observed[[]PolicyVerdict]
}

// Stand is a place in the network from which workloads speak: what policies
// select them, as which account and on which nodes they run.
type Stand struct {
	// Workload is the one whose pods are imitated, Kind/name; Workloads are all
	// that stand there.
	Workload  string   `json:"workload"`
	Workloads []string `json:"workloads"`
	// Labels are its pods' own but for those that a Service, a workload or a
	// PodDisruptionBudget would take a pod of ours for one of theirs by. Dropped
	// are the keys left out.
	Labels  map[string]string `json:"labels,omitempty"`
	Dropped []string          `json:"dropped,omitempty"`
	// Refused says why there are no such labels.
	Refused string `json:"refused,omitempty"`
}

// PolicyVerdict is what network policies say of the way to one host.
type PolicyVerdict struct {
	// Subject is the workload whose pods are meant, empty for our own.
	Subject string `json:"subject,omitempty"`
	Host    string `json:"host"`
	// Policies select the pods and allow the way nowhere.
	Policies []string `json:"policies"`
	// Undecided says why it cannot be told; empty for a way that is denied.
	Undecided string `json:"undecided,omitempty"`
	// Why says what is denied.
	Why string `json:"why,omitempty"`
}
