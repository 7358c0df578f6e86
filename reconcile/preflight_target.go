package reconcile

import (
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// checkTargetFree refuses a target that holds anything but an earlier copy of
// this very installation, or what the source itself took over from.
func checkTargetFree(o Observation, p Part, dst mover.Database) []engine.Finding {
	if o.Cluster.Is() && dst.Lineage != nil {
		l := dst.Lineage
		if l.Installation != server.InstallationID(o.Cluster.Value, &spec.Server{Namespace: o.Release.Value.Namespace, Release: o.Release.Value.Name}) {
			return []engine.Finding{block("target-of-other", server.HostFieldOf(p.Engine), docsOf(p.Engine), "use another server",
				"the target belongs to another installation (%s)", l.Installation)}
		}
		if (l.State == "authoritative" || l.State == "superseded") && p.Replaces == 0 {
			return []engine.Finding{block("target-was-authoritative", server.FieldOf(p.Engine, "external"), docsOf(p.Engine),
				"look at both sides; a side that was ever switched to is never overwritten unless this side took over from it",
				"the target was switched to at epoch %d and may hold newer data", l.Epoch)}
		}
		if !slices.Contains([]string{"copying", "copied", "superseded"}, l.State) {
			return []engine.Finding{block("target-state", server.FieldOf(p.Engine, "external"), docsOf(p.Engine), "use the version of circleci-dr that wrote it, or another server",
				"the target says it is %q, which this version does not know", l.State)}
		}
		if l.State != "superseded" || len(dst.Carried) == 0 {
			return nil // a copy of ours that was cut off, or what the source took over from
		}
	}
	var names []string
	for _, db := range dst.Databases {
		if !db.Empty && !slices.Contains(dst.Carried, db.Name) {
			names = append(names, db.Name)
		}
	}
	if len(names) > 0 {
		slices.Sort(names)
		return []engine.Finding{block("target-not-empty", server.HostFieldOf(p.Engine), docsOf(p.Engine), "use an empty server, or drop what you know you do not need",
			"the target holds databases that are not ours: %s", strings.Join(names, ", "))}
	}
	return nil
}
