package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// SubmitPermissions are the rights that handing the work to an engine in the
// cluster takes, besides Permissions: nobody can give rights to a Role that he
// does not have himself.
func SubmitPermissions() []server.Permission {
	const group = "rbac.authorization.k8s.io"
	var out []server.Permission
	for _, resource := range []string{"roles", "rolebindings", "clusterroles", "clusterrolebindings"} {
		for _, verb := range []string{"get", "create", "delete"} {
			out = append(out, server.Permission{Verb: verb, Group: group, Resource: resource, Cluster: resource[0] == 'c'})
		}
	}
	return append(out, server.Permission{Verb: "patch", Group: group, Resource: "roles"})
}

// SubmitFinding is the finding about rights that a submission lacks, if any.
func SubmitFinding(denied engine.Observed[[]server.Permission]) []engine.Finding {
	found := preflightAccess(&spec.Spec{}, Observation{Denied: denied})
	for i := range found {
		found[i].Fix = "grant them (docs/in-cluster.md lists them), or run it here with --in-cluster=false"
	}
	return found
}
