package reconcile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Use is what somebody wants to do with the rights: a command, or a group of
// commands that need the same.
type Use string

// The uses. UseRead is what drift and status need: it holds no verb that
// changes anything. UseRoad is what a plan needs to try the application's own road;
// without it that is left out, which is said: a role of an older version, and a
// move that it began, go on.
const (
	UseRead     Use = "read"
	UseRoad     Use = "road"
	UseSupport  Use = "support"
	UseUnlock   Use = "unlock"
	UsePlan     Use = "plan"
	UseProve    Use = "prove"
	UseRehearse Use = "rehearse"
	UseApply    Use = "apply"
)

// Uses are all of them, from the smallest to the greatest.
var Uses = []Use{UseRead, UseRoad, UseSupport, UseUnlock, UsePlan, UseProve, UseRehearse, UseApply}

// builtOn says which other uses' rights a use includes.
var builtOn = map[Use][]Use{UseSupport: {UseRead}, UsePlan: {UseRead, UseRoad}, UseProve: {UseRead}, UseRehearse: {UsePlan}, UseApply: {UsePlan}}

// all are a use and those it is built on, from the smallest to itself.
func (u Use) all() []Use {
	var out []Use
	for _, below := range builtOn[u] {
		out = append(out, below.all()...)
	}
	return append(out, u)
}

// rights is the one list of what commands may do; preflight, the documentation
// and the roles that rbac prints all come from it. Each entry says what a use
// adds to the one it is built on. (internal/helm says what Helm itself needs.)
//
// A plan asks the API server what Helm's patches would do, as dry runs, and
// Kubernetes wants the same right for those as for the real ones.
var rights = []struct {
	group, resource string
	cluster         bool
	verbs           map[Use]string
}{
	{"", "secrets", false, map[Use]string{UseRead: "get list", UsePlan: "create update patch delete", UseProve: "create update patch delete"}},
	{"", "configmaps", false, map[Use]string{UseRead: "get list", UsePlan: "create update patch", UseApply: "delete"}},
	{"", "services", false, map[Use]string{UseRead: "get list", UsePlan: "create patch", UseApply: "delete"}},
	{"", "serviceaccounts", false, map[Use]string{UseRead: "get list", UsePlan: "create patch", UseApply: "delete"}},
	{"", "persistentvolumeclaims", false, map[Use]string{UseRead: "get list", UseApply: "patch"}},
	{"", "pods", false, map[Use]string{UseRead: "get list"}},
	// The last lines of a pod that is not ready, and the mover's own.
	{"", "pods/log", false, map[Use]string{UseRead: "get"}},
	// Only an event says why a pod is not made, lacks a Secret or fails its probe.
	{"", "events", false, map[Use]string{UseRead: "list"}},
	{"apps", "deployments", false, map[Use]string{UseRead: "get list", UsePlan: "create patch", UseApply: "delete"}},
	{"apps", "statefulsets", false, map[Use]string{UseRead: "get list", UsePlan: "create patch", UseApply: "delete"}},
	// Those of the application are suspended while it is stopped.
	{"batch", "cronjobs", false, map[Use]string{UseRead: "get list", UsePlan: "create patch", UseApply: "delete"}},
	// Where the application's pods stand, and who would take a pod for one of them.
	{"apps", "replicasets", false, map[Use]string{UseRoad: "list"}},
	{"apps", "daemonsets", false, map[Use]string{UseRoad: "list"}},
	{"policy", "poddisruptionbudgets", false, map[Use]string{UseRoad: "list"}},
	{"networking.k8s.io", "networkpolicies", false, map[Use]string{UseRoad: "list"}},
	// An engine in the cluster is a Job, and who looks is told of one.
	{"batch", "jobs", false, map[Use]string{UseRead: "get list", UsePlan: "watch create delete", UseProve: "watch create delete"}},
	{"autoscaling", "horizontalpodautoscalers", false, map[Use]string{UseRead: "get list", UsePlan: "create patch", UseApply: "delete"}},
	{"coordination.k8s.io", "leases", false, map[Use]string{UseRead: "get", UseUnlock: "get delete", UseProve: "create update delete", UseRehearse: "create update delete", UseApply: "create update delete"}},
	{"", "persistentvolumes", true, map[Use]string{UseRead: "get", UseApply: "patch"}},
	{"", "namespaces", true, map[Use]string{UseRead: "get"}},
}

// Permissions are the rights an apply of this spec may use; they include those
// of a plan. Asking for them costs nothing and changes nothing.
func Permissions(s *spec.Spec) []server.Permission { return PermissionsFor(s, UseApply) }

// wanted are the rights an observation asks for: who only reads need not be
// told what else there is.
func wanted(s *spec.Spec, use Use) []server.Permission {
	if use == UseRead {
		return PermissionsFor(s, UseRead)
	}
	return Permissions(s)
}

// PermissionsFor are the rights of one use.
func PermissionsFor(s *spec.Spec, use Use) []server.Permission {
	if s.Server == nil {
		return nil
	}
	var out []server.Permission
	for _, r := range rights {
		for _, u := range use.all() {
			for _, verb := range strings.Fields(r.verbs[u]) {
				out = append(out, server.Permission{Verb: verb, Group: r.group, Resource: r.resource, Cluster: r.cluster})
			}
		}
	}
	return out
}

// preflightAccess blocks on missing rights. Whoever only plans need not have
// the rights to apply: that somebody lacks those is said and blocks nothing,
// for apply asks again.
func preflightAccess(s *spec.Spec, o Observation) []engine.Finding {
	if o.Denied.Unread() {
		return []engine.Finding{block("access-unknown", "", sourceDocs, "allow selfsubjectaccessreviews, or ask the cluster's owner",
			"could not find out which rights this user has: %s", o.Denied.Why)}
	}
	plan, road := PermissionsFor(s, UsePlan), PermissionsFor(s, UseRoad)
	var now, later []string
	for _, p := range o.Denied.Value {
		if slices.Contains(road, p) { // the road is not tried then, which it says itself
			continue
		}
		if o.For != UsePlan || slices.Contains(plan, p) {
			now = append(now, p.String())
		} else {
			later = append(later, p.String())
		}
	}
	slices.Sort(now)
	slices.Sort(later)
	var out []engine.Finding
	if len(now) > 0 {
		out = append(out, block("access-denied", "", sourceDocs, "grant them in the release's namespace (circleci-dr rbac prints the roles)",
			"this user lacks %d rights the plan uses: %s", len(now), strings.Join(now, ", ")))
	}
	if len(later) > 0 {
		out = append(out, engine.Finding{ID: "access-apply", Source: sourceDocs, Fix: "apply as somebody who has them (circleci-dr rbac --command apply)",
			What: "this user may plan but not apply, for want of " + strconv.Itoa(len(later)) + " rights: " + strings.Join(later, ", ")})
	}
	return out
}
