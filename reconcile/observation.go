package reconcile

import (
	"fmt"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// Observation is live state, read once per plan.
type Observation struct {
	At time.Time `json:"at"`
	// For is what it was made for; empty is for an apply.
	For       Use                  `json:"for,omitempty"`
	Cluster   Observed[Cluster]    `json:"cluster"`
	Release   Observed[Release]    `json:"release"`
	Workloads Observed[[]Workload] `json:"workloads"`
	Postgres  DatastoreObservation `json:"postgresql"`
	Mongo     DatastoreObservation `json:"mongodb"`
	// Move is the cluster's own record of the newest move.
	Move Observed[Move] `json:"move"`
	// Preview is the Helm upgrade that would switch; only read when needed.
	Preview Observed[Preview]     `json:"preview"`
	Applied Observed[Applied]     `json:"applied"`
	Journal Observed[Journal]     `json:"journal"`
	Lease   Observed[LeaseHolder] `json:"lease"`
	// Measured is how long steps took here before; a plan needs it not.
	Measured Observed[Measured] `json:"measured"`
	// Values are the user's own values files; absent when none is declared.
	Values Observed[DeclaredValues] `json:"values"`
	// Denied are the permissions the plan would need and we do not have.
	Denied Observed[[]Permission] `json:"denied"`
	// Reconciliation is the tool's own object, where the release is handed off.
	Reconciliation Observed[Reconciliation] `json:"reconciliation"`
	// Authoritative is the side that a person chose where both took writes.
	Authoritative map[Engine]spec.Location `json:"authoritative,omitempty"`
	// RunnerIsPatient says why the process that asks is itself a job of the
	// installation it would stop; empty when it is not.
	RunnerIsPatient string `json:"runnerIsPatient,omitempty"`
}

// DatastoreObservation is everything about one datastore.
type DatastoreObservation struct {
	Internal   Observed[InternalStore] `json:"internal"`
	Inspection Observed[Inspection]    `json:"inspection"`
	// Credentials is the Secret the switched release reads.
	Credentials Observed[Credentials] `json:"credentials"`
	// Lineage is the cluster's own record of whose turn it is.
	Lineage Observed[Lineage] `json:"lineage"`
}

// store is what was observed of one engine.
func (o *Observation) store(e Engine) *DatastoreObservation {
	if e == MongoDB {
		return &o.Mongo
	}
	return &o.Postgres
}

// Cluster is the identity of a Kubernetes cluster.
type Cluster struct {
	// UID is the UID of the kube-system namespace.
	UID     string `json:"uid"`
	Version string `json:"version"`
	Server  string `json:"server"`
}

// Release is a detached copy of what a Helm release record says.
type Release struct {
	Name         string       `json:"name"`
	Namespace    string       `json:"namespace"`
	Revision     int          `json:"revision"`
	Status       string       `json:"status"`
	Description  string       `json:"description"`
	Chart        string       `json:"chart"`
	ChartVersion string       `json:"chartVersion"`
	AppVersion   string       `json:"appVersion"`
	ConfigDigest string       `json:"configDigest"`
	Domain       string       `json:"domain"`
	Postgres     ReleaseStore `json:"postgresql"`
	Mongo        ReleaseStore `json:"mongodb"`
	// Manager is who reconciles the release, found by labels and annotations,
	// and Evidence says which.
	Manager  spec.ManagedBy `json:"manager"`
	Evidence string         `json:"evidence,omitempty"`
	// ManagerObject is the tool's own object, empty for Helm and Terraform.
	ManagerObject ManagerObject `json:"managerObject,omitzero"`
	// ImagePullSecrets and Tolerations and NodeSelector are the release's
	// global values, which the mover's pods take over.
	ImagePullSecrets []string          `json:"imagePullSecrets,omitempty"`
	NodeSelector     map[string]string `json:"nodeSelector,omitempty"`
	Tolerations      []spec.Toleration `json:"tolerations,omitempty"`
}

// Pending tells whether another Helm operation holds the release.
func (r Release) Pending() bool {
	switch r.Status {
	case "pending-install", "pending-upgrade", "pending-rollback", "uninstalling":
		return true
	}
	return false
}

// Store is the release's values of one engine.
func (r Release) Store(e Engine) ReleaseStore {
	if e == MongoDB {
		return r.Mongo
	}
	return r.Postgres
}

// ReleaseStore is one datastore in the release's values, with chart defaults
// applied (CircleCI Server 4.x values table).
type ReleaseStore struct {
	Internal bool `json:"internal"`
	// Host is postgresql.postgresqlHost; Port belongs to it.
	Host string `json:"host,omitempty"`
	Port int    `json:"port,omitempty"`
	// Hosts is mongodb.hosts, host:port each.
	Hosts          []string `json:"hosts,omitempty"`
	Username       string   `json:"username"`
	ExistingSecret string   `json:"existingSecret"`
	SecureMode     bool     `json:"secureMode,omitempty"`
	// FullName is the name of the internal StatefulSet and Service.
	FullName string `json:"fullName"`
}

// At is the address the release's values name, for people.
func (r ReleaseStore) At() string {
	return Endpoint{Host: r.Host, Port: r.Port, Hosts: r.Hosts}.at()
}

// Workload is one Deployment or StatefulSet with layer=application.
type Workload struct {
	Kind     string `json:"kind"`
	Name     string `json:"name"`
	Replicas int    `json:"replicas"`
	Ready    int    `json:"ready"`
	// Pods are pods that exist, terminating ones included.
	Pods int `json:"pods"`
	// Recorded is the count our annotation remembers, nil without one.
	Recorded   *int   `json:"recorded,omitempty"`
	Autoscaler string `json:"autoscaler,omitempty"`
	// Hosts are the database hosts its pod template names for each engine,
	// directly or through a ConfigMap.
	Hosts map[Engine][]string `json:"hosts,omitempty"`
	// Trouble says why pods do not become ready (ImagePullBackOff …).
	Trouble string `json:"trouble,omitempty"`
}

// Key names a workload inside its namespace.
func (w Workload) Key() string { return w.Kind + "/" + w.Name }

// InternalStore is a datastore's own objects in the release.
type InternalStore struct {
	StatefulSet Observed[StatefulSet] `json:"statefulSet"`
	Secret      Observed[SecretInfo]  `json:"secret"`
	Services    []string              `json:"services,omitempty"`
	Volumes     []Volume              `json:"volumes,omitempty"`
	// Protected tells that everything Protect does is in place.
	Protected bool `json:"protected"`
	// Unprotected lists what Protect would still have to do.
	Unprotected []string `json:"unprotected,omitempty"`
}

// StatefulSet is the part of a datastore's StatefulSet the planner reads.
type StatefulSet struct {
	Name     string `json:"name"`
	Replicas int    `json:"replicas"`
	Ready    int    `json:"ready"`
	Image    string `json:"image"`
}

// Volume is a claim and the volume bound to it.
type Volume struct {
	Claim         string `json:"claim"`
	Name          string `json:"name"`
	ReclaimPolicy string `json:"reclaimPolicy"`
	Bytes         int64  `json:"bytes"`
	// KeptSince is when we left the volume behind, zero while it is in use.
	KeptSince time.Time `json:"keptSince,omitzero"`
}

// SecretInfo is what may be known of a Secret without its content.
type SecretInfo struct {
	Name string   `json:"name"`
	Keys []string `json:"keys"`
	// Owner is the controller that owns it (External Secrets …), or empty.
	Owner string `json:"owner,omitempty"`
	// Ours tells that circleci-dr made it.
	Ours bool `json:"ours"`
}

// Credentials is the Secret the switched release would read its password
// from, compared with what the spec refers to.
type Credentials struct {
	Name string `json:"name"`
	// Matches tells that every key the chart may read is there and equal to
	// the referenced password.
	Matches bool `json:"matches"`
	// Problem names what is wrong, without any content.
	Problem string `json:"problem,omitempty"`
	// Owner is who else keeps the Secret, so that we may not write it; empty
	// when it is ours.
	Owner string `json:"owner,omitempty"`
}

// Inspection is the newest look at both sides, made in the cluster.
type Inspection struct {
	InspectResult
	// Subject is the digest of what was asked, so that a record of other
	// endpoints is never taken for this one.
	Subject string `json:"subject"`
	// Inwards tells that the source is the external side.
	Inwards bool `json:"inwards,omitempty"`
}

// sides are what was seen of the server in the cluster and the one outside.
func (i Inspection) sides() (inside, outside *InspectedSide) {
	if i.Inwards {
		return i.Target, i.Source
	}
	return i.Source, i.Target
}

// Lineage is the cluster's record of which side of a datastore is
// authoritative.
type Lineage struct {
	Epoch         int           `json:"epoch"`
	Authoritative spec.Location `json:"authoritative"`
	// Endpoint is the address of the external side of this epoch.
	Endpoint string    `json:"endpoint,omitempty"`
	Move     string    `json:"move,omitempty"`
	At       time.Time `json:"at"`
	// Internal is what the release said while the datastore was internal, and
	// InternalVersion what its server was: both are needed on the way back.
	Internal        ReleaseStore `json:"internal"`
	InternalVersion int          `json:"internalVersion,omitempty"`
	// InternalSecret is the key with the internal superuser's password.
	InternalSecret spec.SecretKey `json:"internalSecret"`
	// Adopting stands while the internal side of a fork was chosen and not
	// everything followed; SetAside is what is kept of the external one.
	Adopting bool     `json:"adopting,omitempty"`
	SetAside []string `json:"setAside,omitempty"`
}

// Move is a migration of one or more datastores in the same direction, from
// its first change to its last: one outage, one switch.
type Move struct {
	ID      string    `json:"id"`
	Attempt int       `json:"attempt"`
	Phase   MovePhase `json:"phase"`
	Opened  time.Time `json:"opened"`
	// Parts are the datastores that move, in the order of engines.
	Parts []Part `json:"parts"`
	// Replicas is the second copy of the recorded counts, by Workload.Key.
	Replicas map[string]int `json:"replicas,omitempty"`
	// Quiesced is when the application was stopped, zero while it is up.
	Quiesced time.Time `json:"quiesced,omitzero"`
	Resumed  time.Time `json:"resumed,omitzero"`
	// Revision is the Helm revision to go back to.
	Revision int `json:"revision,omitempty"`
	// Announced is what the plan said that opened the move: one that goes on
	// with it announces the rest only.
	Announced Estimate `json:"announced,omitzero"`
	// Plan is the id of the plan that opened the move.
	Plan string `json:"plan,omitempty"`
	// LastError is why the last attempt went back, for status.
	LastError string `json:"lastError,omitempty"`
	// Deciding stands while the servers are told, or told to forget, that the
	// target is authoritative: until it is cleared nobody knows what they say.
	Deciding bool `json:"deciding,omitempty"`
	// HandOff is set where a tool other than Helm switches the release.
	HandOff *HandOff `json:"handOff,omitempty"`
}

// Part is one datastore of a move.
type Part struct {
	Engine Engine        `json:"engine"`
	From   spec.Location `json:"from"`
	To     spec.Location `json:"to"`
	// Epoch is the lineage epoch the move would reach.
	Epoch int `json:"epoch"`
	// External is the address of the external side, Outside how it is reached:
	// the file may have lost it when an unfinished move has to go back.
	External string       `json:"external"`
	Outside  MoverSide    `json:"outside"`
	Fence    *FenceResult `json:"fence,omitempty"`
	Copy     *CopyResult  `json:"copy,omitempty"`
	Proof    *Proof       `json:"proof,omitempty"`
	// Read is when the source was last read whole, before the target's data
	// are given up.
	Read *ReadResult `json:"read,omitempty"`
	// Committed tells that both servers know of the switch.
	Committed bool `json:"committed,omitempty"`
	// OwnerMap is the ownership map the plan printed.
	OwnerMap map[string]string `json:"ownerMap,omitempty"`
	// InternalSecret is the key that holds the internal superuser's password.
	InternalSecret spec.SecretKey `json:"internalSecret"`
	// Internal is what the release says, or said, while it is internal, and
	// InternalVersion what that server is.
	Internal        ReleaseStore `json:"internal"`
	InternalVersion int          `json:"internalVersion,omitempty"`
	// Fork tells that both sides took writes and the target was chosen: nothing
	// is copied, and the source's databases are set aside.
	Fork bool `json:"fork,omitempty"`
	// SetAside are the names under which the source's databases are kept.
	SetAside []string `json:"setAside,omitempty"`
	// Replaces is the epoch at which the source took over from the target,
	// whose old data the copy drops; 0 when the target is empty.
	Replaces int `json:"replaces,omitempty"`
}

// ID names a part: engine and epoch.
func (p Part) ID() string { return fmt.Sprintf("%s-e%d", p.Engine, p.Epoch) }

// Target is where the part moves to, for people.
func (p Part) Target() string { return p.sideName(p.To) }

// Source is where the part comes from, for people.
func (p Part) Source() string { return p.sideName(p.From) }

func (p Part) sideName(l spec.Location) string {
	if l == spec.External {
		return p.External
	}
	return "the internal " + p.Engine.title()
}

// part finds a datastore's part, nil when it does not move.
func (m *Move) part(e Engine) *Part {
	for i := range m.Parts {
		if m.Parts[i].Engine == e {
			return &m.Parts[i]
		}
	}
	return nil
}

// Back tells whether the move leads into the cluster.
func (m Move) Back() bool { return len(m.Parts) > 0 && m.Parts[0].To == spec.Internal }

// Target is where the move leads, for people.
func (m Move) Target() string { return eachPart(m.Parts, Part.Target) }

// Source is where the move comes from, for people.
func (m Move) Source() string { return eachPart(m.Parts, Part.Source) }

func eachPart(parts []Part, name func(Part) string) string {
	var out []string
	for _, p := range parts {
		out = append(out, name(p))
	}
	return strings.Join(out, " and ")
}

// Open tells whether the move has begun and neither finished nor gone back.
func (m Move) Open() bool {
	return m.Phase == MoveOpen || m.Phase == MoveCommitted || m.Phase == MoveReturning
}

// AttemptID names the move's current attempt.
func (m Move) AttemptID() string { return m.ID + "-a" + itoa(m.Attempt) }

// FenceID names the fence of one part in the current attempt.
func (m Move) FenceID(p Part) string { return p.ID() + "-a" + itoa(m.Attempt) }

// MovePhase is how far a move got.
type MovePhase string

// The phases. Until MoveCommitted every failure goes back to the source.
const (
	MoveOpen      MovePhase = "open"
	MoveCommitted MovePhase = "committed"
	MoveFinished  MovePhase = "finished"
	// MoveReturning is a move on its way back. Its copy and its proof count for
	// nothing any more: the fence may be lifted and the source written to.
	MoveReturning MovePhase = "returning"
	// MoveReverted is a move that went back to its source by itself.
	MoveReverted MovePhase = "reverted"
)

// Applied is what the last successful apply left behind; drift is measured
// against it.
type Applied struct {
	At           time.Time               `json:"at"`
	By           string                  `json:"by"`
	SpecDigest   string                  `json:"specDigest"`
	Plan         string                  `json:"plan"`
	Revision     int                     `json:"revision"`
	ChartVersion string                  `json:"chartVersion"`
	ConfigDigest string                  `json:"configDigest"`
	Stores       map[Engine]AppliedStore `json:"stores,omitempty"`
	Replicas     map[string]int          `json:"replicas,omitempty"`
}

// AppliedStore is where a datastore lived after the last apply.
type AppliedStore struct {
	Location spec.Location `json:"location"`
	Endpoint string        `json:"endpoint,omitempty"`
}

// Permission is one right on one kind of object.
type Permission struct {
	Verb     string `json:"verb"`
	Group    string `json:"group"`
	Resource string `json:"resource"`
	// Cluster is true for objects without a namespace.
	Cluster bool `json:"cluster,omitempty"`
}

// LeaseHolder is who holds the right to change.
type LeaseHolder struct {
	Owner   string    `json:"owner"`
	Purpose string    `json:"purpose"`
	Since   time.Time `json:"since"`
	Renewed time.Time `json:"renewed"`
	Seconds int       `json:"seconds"`
}

// Preview is what a Helm upgrade would really do to the cluster, object by
// object, found by the three-way patch that Helm itself would send.
type Preview struct {
	Chart        string `json:"chart"`
	ChartVersion string `json:"chartVersion"`
	ChartDigest  string `json:"chartDigest"`
	// Faithful tells that the chart, rendered with the release's own config,
	// gives the release's own manifest.
	Faithful bool `json:"faithful"`
	// Unfaithful says where it does not.
	Unfaithful []string        `json:"unfaithful,omitempty"`
	Objects    []ObjectPreview `json:"objects"`
}

// ObjectPreview is what would happen to one object.
type ObjectPreview struct {
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Action is create, update or delete.
	Action string `json:"action"`
	// Template is the chart template it comes from, such as
	// circleci-server/charts/postgresql/templates/statefulset.yaml.
	Template string `json:"template"`
	// Layer is the object's layer label.
	Layer string `json:"layer,omitempty"`
	// Rendered are fields that differ between the old and new manifest;
	// Drifted ones differ only because somebody changed the live object.
	Rendered []Change `json:"rendered,omitempty"`
	Drifted  []Change `json:"drifted,omitempty"`
}
