package reconcile

import "github.com/circleci-dr/circleci-dr/spec"

// Permissions are the rights a plan for this spec may use (internal/helm says
// which ones Helm itself needs). Asking costs nothing and changes nothing.
func Permissions(s *spec.Spec) []Permission {
	if s.Server == nil {
		return nil
	}
	var out []Permission
	add := func(group, resource string, verbs ...string) {
		for _, v := range verbs {
			out = append(out, Permission{Verb: v, Group: group, Resource: resource})
		}
	}
	add("", "secrets", "get", "list", "create", "update", "patch", "delete")
	add("", "configmaps", "get", "list", "create", "update", "patch", "delete")
	add("", "services", "get", "list", "create", "patch", "delete")
	add("", "serviceaccounts", "get", "list", "create", "patch", "delete")
	add("", "persistentvolumeclaims", "get", "list", "patch")
	add("", "pods", "get", "list")
	add("", "pods/log", "get")
	add("apps", "deployments", "get", "list", "create", "patch", "delete")
	add("apps", "statefulsets", "get", "list", "create", "patch", "delete")
	add("batch", "jobs", "get", "list", "watch", "create", "delete")
	add("autoscaling", "horizontalpodautoscalers", "get", "list", "create", "patch", "delete")
	add("coordination.k8s.io", "leases", "get", "create", "update", "delete")
	out = append(out,
		Permission{Verb: "get", Resource: "persistentvolumes", Cluster: true},
		Permission{Verb: "patch", Resource: "persistentvolumes", Cluster: true},
		Permission{Verb: "get", Resource: "namespaces", Cluster: true})
	return out
}
