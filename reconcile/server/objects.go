package server

import (
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// String gives a right the way kubectl auth can-i asks for it.
func (p Permission) String() string {
	resource := p.Resource
	if p.Group != "" {
		name, sub, has := strings.Cut(resource, "/")
		resource = name + "." + p.Group
		if has {
			resource += "/" + sub
		}
	}
	return p.Verb + " " + resource
}

// Cluster is the identity of a Kubernetes cluster.
type Cluster struct {
	// UID is the UID of the kube-system namespace.
	UID     string `json:"uid"`
	Version string `json:"version"`
	Server  string `json:"server"`
}

// Belongings are the kinds of a datastore's own objects in the release: those without
// which its server does not run, and which Stores.Protect has Helm keep.
var Belongings = []string{"StatefulSet", "Service", "Secret", "ConfigMap", "ServiceAccount"}

// InternalStore is a datastore's own objects in the release.
type InternalStore struct {
	StatefulSet engine.Observed[StatefulSet] `json:"statefulSet"`
	Secret      engine.Observed[SecretInfo]  `json:"secret"`
	Services    []string                     `json:"services,omitempty"`
	Volumes     []Volume                     `json:"volumes,omitempty"`
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
	// By names what provides it, such as ebs.csi.aws.com or hostPath; empty where
	// nothing says so. Disk tells that this is known to give a disk of just Bytes:
	// a directory of a node has the room of what it lies on.
	By   string `json:"by,omitempty"`
	Disk bool   `json:"disk,omitempty"`
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
	// Others says of every other key what it holds.
	Others map[string]KeyContent `json:"others,omitempty"`
}

// KeyContent is what may be known of a key that is not the password itself.
type KeyContent string

// What a key can hold: a connection string with the password, one with another
// password, or anything else.
const (
	HoldsPassword      KeyContent = "password"
	HoldsOtherPassword KeyContent = "other-password"
	HoldsElse          KeyContent = "else"
)

// Permission is one right on one kind of object.
type Permission struct {
	Verb     string `json:"verb"`
	Group    string `json:"group"`
	Resource string `json:"resource"`
	// Cluster is true for objects without a namespace.
	Cluster bool `json:"cluster,omitempty"`
}
