package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// CoverageSeen is the coverage beside live state: what nobody could look at is
// not called enforced.
func CoverageSeen(s *spec.Spec, o Observation) []engine.Coverage {
	out := CoverageOf(s)
	for i, c := range out {
		if c.State != engine.Enforced || o.Release.Is() && (c.Block != valuesField || !o.Values.Unread()) {
			continue
		}
		out[i].State = engine.Unseen
		if c.Block == valuesField {
			out[i].Note = o.Values.Why
		}
	}
	return out
}

// StatusAway is a status of a cluster that could be asked nothing at all; ask is
// the command that shows a person the same.
func StatusAway(why error, ask string) []StatusLine {
	return []StatusLine{{Topic: "cluster", Alarm: true, Text: why.Error() + "; nothing was looked at", Command: ask}}
}

// valuesUncovered says what an installation risks whose values files nobody
// compares with the spec.
func valuesUncovered(s *spec.Spec) string {
	switch by := s.Server.ManagedBy; by {
	case "", spec.ManagedByHelm:
	default:
		return "nothing compares the values that " + toolName(by) + " applies with this file"
	}
	for _, e := range engines {
		if d := server.Declared(s, e); d != nil && d.Location == spec.External {
			return "your next helm upgrade -f may bring the old database back"
		}
	}
	return "nothing compares your Helm values files with this file"
}
