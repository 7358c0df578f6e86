package reconcile

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// unread lists what MakePlan needs and could not be read.
func unread(s *spec.Spec, o Observation) []string {
	var out []string
	add := func(what string, k engine.Knowledge, why string) {
		if k == engine.Unknown {
			if why == "" {
				why = "it was not looked at"
			}
			out = append(out, what+": "+why)
		}
	}
	add("cluster", o.Cluster.Known, o.Cluster.Why)
	add("release", o.Release.Known, o.Release.Why)
	add("application workloads", o.Workloads.Known, o.Workloads.Why)
	add("other writers of the application", o.Writers.Known, o.Writers.Why)
	add("last-applied record", o.Applied.Known, o.Applied.Why)
	if !o.Release.Is() {
		return out
	}
	add("move record", o.Move.Known, o.Move.Why)
	for _, e := range engines {
		d := o.store(e)
		add("lineage record of "+e.Title(), d.Lineage.Known, d.Lineage.Why)
		if !observed(s, &o, e) {
			continue
		}
		if readsOurSecret(s, o.Release.Value, e) {
			add("Secret "+traitsOf[e].credentials, d.Credentials.Known, d.Credentials.Why)
		}
		add("internal "+e.Title(), d.Internal.Known, d.Internal.Why)
		if d.Internal.Is() {
			add("StatefulSet "+o.Release.Value.Store(e).FullName, d.Internal.Value.StatefulSet.Known, d.Internal.Value.StatefulSet.Why)
		}
	}
	return out
}

// readsOurSecret tells whether the release reads the Secret we keep, or will.
func readsOurSecret(s *spec.Spec, rel server.Release, e mover.Engine) bool {
	d, live := declared(s, e), rel.Store(e)
	return d != nil && d.location == spec.External && (live.Internal || live.ExistingSecret == traitsOf[e].credentials)
}

// UnreadableError means that live state could not be read, so that there can
// be no plan.
type UnreadableError struct{ What []string }

// Error lists everything that could not be read.
func (e *UnreadableError) Error() string {
	return "cannot plan on live state that could not be read: " + strings.Join(e.What, "; ")
}
