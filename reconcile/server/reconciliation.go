package server

import "strings"

// Reconciliation is what the object by which a tool reconciles the release
// says of itself.
type Reconciliation struct {
	// Object names it, such as HelmRelease flux-system/circleci-server.
	Object    string `json:"object"`
	Suspended bool   `json:"suspended"`
	// How is the field that says so.
	How string `json:"how"`
}

// ManagerObject is the object by which a tool reconciles the release, as the
// marks on the release's objects name it. Without a namespace they leave it
// open.
type ManagerObject struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String names it for people.
func (m ManagerObject) String() string {
	return strings.TrimSpace(m.Kind + " " + strings.TrimPrefix(m.Namespace+"/"+m.Name, "/"))
}
