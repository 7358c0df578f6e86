package reconcile

import (
	"cmp"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// unread lists what MakePlan needs and could not be read.
func unread(s *spec.Spec, o Observation) []string {
	var out reasons
	add := func(what string, k engine.Knowledge, why string) {
		if k == engine.Unknown {
			out = out.with(what, cmp.Or(why, "it was not looked at"))
		}
	}
	add("cluster", o.Cluster.Known, o.Cluster.Why)
	add("release", o.Release.Known, o.Release.Why)
	add("application workloads", o.Workloads.Known, o.Workloads.Why)
	add("other writers of the application", o.Writers.Known, o.Writers.Why)
	add("last-applied record", o.Applied.Known, o.Applied.Why)
	if !o.Release.Is() {
		return out.texts()
	}
	add("move record", o.Move.Known, o.Move.Why)
	for _, e := range engines {
		d := o.store(e)
		add("lineage record of "+e.Title(), d.Lineage.Known, d.Lineage.Why)
		if !observed(s, &o, e) {
			continue
		}
		if readsOurSecret(s, o.Release.Value, e) {
			add("Secret "+kindOf(e).Credentials, d.Credentials.Known, d.Credentials.Why)
		}
		add("internal "+e.Title(), d.Internal.Known, d.Internal.Why)
		if d.Internal.Is() {
			add("StatefulSet "+o.Release.Value.Store(e).FullName, d.Internal.Value.StatefulSet.Known, d.Internal.Value.StatefulSet.Why)
		}
	}
	return out.texts()
}

// reasons are why things could not be read, each reason once: one list that is
// refused leaves more than one thing unread.
type reasons []struct{ what, why string }

func (r reasons) with(what, why string) reasons {
	for i := range r {
		if r[i].why == why {
			r[i].what += ", " + what
			return r
		}
	}
	return append(r, struct{ what, why string }{what, why})
}

func (r reasons) texts() []string {
	var out []string
	for _, one := range r {
		out = append(out, one.what+": "+one.why)
	}
	return out
}

// readsOurSecret tells whether the release reads the Secret we keep, or will.
func readsOurSecret(s *spec.Spec, rel server.Release, e mover.Engine) bool {
	d, live := server.Declared(s, e), rel.Store(e)
	return d != nil && d.Location == spec.External && (live.Internal || live.ExistingSecret == kindOf(e).Credentials)
}

// UnreadableError means that live state could not be read, so that nothing can
// be said about it.
type UnreadableError struct{ What []string }

// Error lists everything that could not be read.
func (e *UnreadableError) Error() string {
	return "live state could not be read: " + strings.Join(e.What, "; ")
}
