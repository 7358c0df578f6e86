package server

import (
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

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
	// Trust is what the application is told to trust.
	Trust Trust `json:"trust,omitzero"`
	// Reads are the keys of our own Secrets that its workloads read.
	Reads []SecretRead `json:"reads,omitempty"`
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
func (r Release) Store(e mover.Engine) ReleaseStore {
	if k := known(e); k != nil {
		return *k.Released(&r)
	}
	return ReleaseStore{} // of a kind that the chart does not have
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
	return mover.Endpoint{Host: r.Host, Port: r.Port, Hosts: r.Hosts}.At()
}
