package server

import (
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// RecordApplied names the record of what the last apply left behind, in the
// release's namespace; lineage and inspection have one for each datastore.
const RecordApplied = "applied"

// RecordLineage names the lineage record of a datastore.
func RecordLineage(e mover.Engine) string { return "lineage-" + string(e) }

// RecordInspection names the record of the newest look at a datastore.
func RecordInspection(e mover.Engine) string { return "inspection-" + string(e) }

// InstallationID names an installation across clusters and namespaces.
func InstallationID(c Cluster, s *spec.Server) string {
	return fmt.Sprintf("%s/%s/%s", c.UID, s.Namespace, s.Release)
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
	// everything followed; SetAside is what is kept of the external one, and
	// LeftAlone what no move had carried there.
	Adopting  bool     `json:"adopting,omitempty"`
	SetAside  []string `json:"setAside,omitempty"`
	LeftAlone []string `json:"leftAlone,omitempty"`
}

// Applied is what the last successful apply left behind; drift is measured
// against it.
type Applied struct {
	At           time.Time                     `json:"at"`
	By           string                        `json:"by"`
	SpecDigest   string                        `json:"specDigest"`
	Plan         string                        `json:"plan"`
	Revision     int                           `json:"revision"`
	ChartVersion string                        `json:"chartVersion"`
	ConfigDigest string                        `json:"configDigest"`
	Stores       map[mover.Engine]AppliedStore `json:"stores,omitempty"`
	Replicas     map[string]int                `json:"replicas,omitempty"`
}

// AppliedStore is where a datastore lived after the last apply.
type AppliedStore struct {
	Location spec.Location `json:"location"`
	Endpoint string        `json:"endpoint,omitempty"`
}
