package reconcile

import (
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Observation is live state, read once per plan.
type Observation struct {
	At time.Time `json:"at"`
	// Tool is the version of the program that looks.
	Tool string `json:"tool,omitempty"`
	// For is what it was made for; empty is for an apply.
	For       Use                                `json:"for,omitempty"`
	Cluster   engine.Observed[server.Cluster]    `json:"cluster"`
	Release   engine.Observed[server.Release]    `json:"release"`
	Workloads engine.Observed[[]server.Workload] `json:"workloads"`
	// Writers are pods of the application that no Workload owns.
	Writers engine.Observed[[]server.Writer] `json:"writers"`
	// Ailing are pods that are not ready; only who reads status asks, and only
	// where there are any.
	Ailing   engine.Observed[[]engine.Ailment] `json:"ailing,omitzero"`
	Postgres DatastoreObservation              `json:"postgresql"`
	Mongo    DatastoreObservation              `json:"mongodb"`
	// Move is the cluster's own record of the newest move.
	Move engine.Observed[Move] `json:"move"`
	// Preview is the Helm upgrade that would switch; only read when needed.
	Preview engine.Observed[server.Preview]     `json:"preview"`
	Applied engine.Observed[server.Applied]     `json:"applied"`
	Journal engine.Observed[engine.Journal]     `json:"journal"`
	Lease   engine.Observed[engine.LeaseHolder] `json:"lease"`
	// Measured is how long steps took here before; a plan needs it not.
	Measured engine.Observed[engine.Measured] `json:"measured"`
	// Values are the user's own values files; absent when none is declared.
	Values engine.Observed[server.DeclaredValues] `json:"values"`
	// Denied are the permissions the plan would need and we do not have.
	Denied engine.Observed[[]server.Permission] `json:"denied"`
	// Reconciliation is the tool's own object, where the release is handed off.
	Reconciliation engine.Observed[server.Reconciliation] `json:"reconciliation"`
	// Authoritative is the side that a person chose where both took writes.
	Authoritative map[mover.Engine]spec.Location `json:"authoritative,omitempty"`
	// RunnerIsPatient says why the process that asks is itself a job of the
	// installation it would stop; empty when it is not.
	RunnerIsPatient string `json:"runnerIsPatient,omitempty"`
}

// DatastoreObservation is everything about one datastore.
type DatastoreObservation struct {
	Internal   engine.Observed[server.InternalStore] `json:"internal"`
	Inspection engine.Observed[server.Inspection]    `json:"inspection"`
	// Rehearsal is the newest one of a move out.
	Rehearsal engine.Observed[Rehearsed] `json:"rehearsal"`
	// Credentials is the Secret the switched release reads.
	Credentials engine.Observed[server.Credentials] `json:"credentials"`
	// Authority are the certificates that external.tls.ca points at, in PEM;
	// absent where the file names none.
	Authority engine.Observed[string] `json:"authority,omitzero"`
	// Lineage is the cluster's own record of whose turn it is.
	Lineage engine.Observed[server.Lineage] `json:"lineage"`
}

// store is what was observed of one engine.
func (o *Observation) store(e mover.Engine) *DatastoreObservation {
	return kindOf(e).observed(o)
}
