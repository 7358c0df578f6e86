package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// DriftItem is one thing that is not as the spec and the last apply left it.
type DriftItem struct {
	// Class is pending (never applied), changed (moved by somebody else) or
	// unfinished (a move of ours stands open).
	Class  string `json:"class"`
	Object string `json:"object"`
	What   string `json:"what"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Fix    string `json:"fix"`
}

// Drift compares live state with the spec and the last-applied record. It
// reports what matters, not what moves: replica counts only at zero.
// maxAge is how old a recorded inspection may be. Where only the databases
// could not be looked at, it gives both: what has drifted for certain, and the
// error that says what is not known.
func Drift(s *spec.Spec, o Observation, maxAge time.Duration) ([]DriftItem, error) {
	if s.Server == nil || s.Datastores.PostgreSQL == nil {
		return nil, nil
	}
	if o.Release.IsNot() {
		return []DriftItem{{Class: "changed", Object: "release " + s.Server.Release, What: "is not there", Fix: "check server.namespace and server.release"}}, nil
	}
	if missing := unread(s, o); len(missing) > 0 {
		return nil, &UnreadableError{What: missing}
	}
	var out []DriftItem
	out = append(out, driftMove(o)...)
	out = append(out, driftLocation(s, o)...)
	out = append(out, driftRelease(s, o)...)
	out = append(out, driftReplicas(o)...)
	out = append(out, driftDatabases(o)...)
	out = append(out, driftValues(s, o)...)
	if missing := append(uninspected(s, o, maxAge), unreadValues(s, o)...); len(missing) > 0 {
		return out, &UnreadableError{What: missing}
	}
	return out, nil
}

// uninspected says why the recorded inspection tells nothing about now.
func uninspected(s *spec.Spec, o Observation, maxAge time.Duration) (missing []string) {
	if in := o.Postgres.Inspection; in.Unread() {
		missing = append(missing, "databases: "+orElse(in.Why, "they were not looked at"))
	} else if in.IsNot() && (o.Postgres.Internal.Value.StatefulSet.Is() || s.Datastores.PostgreSQL.External != nil) {
		missing = append(missing, "databases: never inspected; run circleci-dr plan")
	} else if in.Is() && o.At.Sub(in.Value.At) > maxAge {
		missing = append(missing, fmt.Sprintf("databases: the newest inspection is %s old; run circleci-dr plan", o.At.Sub(in.Value.At).Round(time.Minute)))
	}
	return missing
}

func driftMove(o Observation) []DriftItem {
	if !openMove(o) {
		return nil
	}
	m := o.Postgres.Move.Value
	what := "is unfinished since " + m.Opened.UTC().Format(time.RFC3339)
	if !m.Quiesced.IsZero() && m.Resumed.IsZero() {
		what += " and the application is stopped since " + m.Quiesced.UTC().Format(time.RFC3339)
	}
	return []DriftItem{{Class: "unfinished", Object: "move " + m.ID, What: what, Fix: "run circleci-dr apply again"}}
}

func driftLocation(s *spec.Spec, o Observation) []DriftItem {
	rel, pg := o.Release.Value, s.Datastores.PostgreSQL
	l := o.Postgres.Lineage
	apply := "run circleci-dr plan"
	switch {
	case openMove(o):
		return nil
	case pg.Location == spec.External && rel.Postgres.Internal && l.Is() && l.Value.Authoritative == spec.External:
		f := twoTruths(rel, l.Value)
		return []DriftItem{{Class: "changed", Object: "release " + rel.Name, What: f.What, From: l.Value.Endpoint, To: "internal", Fix: f.Fix}}
	case pg.Location == spec.External && rel.Postgres.Internal:
		return []DriftItem{{Class: "pending", Object: locationField, What: "PostgreSQL is still internal", From: "internal", To: "external", Fix: apply}}
	case pg.Location == spec.Internal && !rel.Postgres.Internal:
		return []DriftItem{{Class: "changed", Object: locationField, What: "PostgreSQL is external", From: "internal",
			To: fmt.Sprintf("%s:%d", rel.Postgres.Host, rel.Postgres.Port), Fix: apply}}
	case pg.Location == spec.Internal:
		return nil
	}
	var out []DriftItem
	if !switched(s, rel) {
		out = append(out, DriftItem{Class: "changed", Object: "release " + rel.Name, What: "uses another server than the spec",
			From: endpointOf(pg.External), To: fmt.Sprintf("%s:%d", rel.Postgres.Host, rel.Postgres.Port), Fix: apply})
	}
	if rel.Postgres.ExistingSecret == CredentialsName && needsCredentials(o) {
		problem := "is gone"
		if o.Postgres.Credentials.Is() {
			problem = o.Postgres.Credentials.Value.Problem
		}
		out = append(out, DriftItem{Class: "changed", Object: "Secret " + CredentialsName, What: problem, Fix: "run circleci-dr apply: it writes the referenced password again"})
	}
	if st := o.Postgres.Internal.Value.StatefulSet; st.Is() && l.Is() {
		out = append(out, DriftItem{Class: "changed", Object: "StatefulSet " + st.Value.Name,
			What: "the internal PostgreSQL is running again although the data moved to " + l.Value.Endpoint, Fix: "find out who started it before anything writes to it"})
	}
	return out
}

func driftRelease(s *spec.Spec, o Observation) []DriftItem {
	rel := o.Release.Value
	var out []DriftItem
	if want := s.Server.Version; want != "" && want != rel.ChartVersion {
		out = append(out, DriftItem{Class: "changed", Object: "release " + rel.Name, What: "runs another chart version than the spec",
			From: want, To: rel.ChartVersion, Fix: "set server.version to what is deployed"})
	}
	if rel.Pending() && !openMove(o) {
		out = append(out, DriftItem{Class: "changed", Object: "release " + rel.Name, What: "is stuck in status " + rel.Status, Fix: "helm rollback, once nobody works on it"})
	}
	if a := o.Applied; a.Is() && a.Value.ConfigDigest != rel.ConfigDigest && !openMove(o) {
		out = append(out, DriftItem{Class: "changed", Object: "values of release " + rel.Name, What: "were changed since the last apply",
			From: fmt.Sprintf("revision %d", a.Value.Revision), To: fmt.Sprintf("revision %d (%s)", rel.Revision, rel.Description),
			Fix: fmt.Sprintf("compare helm get values --revision %d and %d; run circleci-dr apply to accept them", a.Value.Revision, rel.Revision)})
	}
	return out
}

func driftReplicas(o Observation) []DriftItem {
	if openMove(o) || !o.Applied.Is() {
		return nil
	}
	live := map[string]Workload{}
	for _, w := range o.Workloads.Value {
		live[w.Key()] = w
	}
	var out []DriftItem
	for _, key := range slices.Sorted(maps.Keys(o.Applied.Value.Replicas)) {
		was := o.Applied.Value.Replicas[key]
		w, there := live[key]
		switch {
		case was == 0:
		case !there:
			out = append(out, DriftItem{Class: "changed", Object: key, What: "is gone", From: itoa(was) + " replicas", Fix: "helm upgrade brings it back"})
		case w.Replicas == 0:
			out = append(out, DriftItem{Class: "changed", Object: key, What: "is scaled to zero and no move stands open", From: itoa(was) + " replicas", To: "0 replicas",
				Fix: fmt.Sprintf("kubectl scale %s --replicas=%d", key, was)})
		}
	}
	return out
}

func driftDatabases(o Observation) []DriftItem {
	in := o.Postgres.Inspection
	if !in.Is() || openMove(o) {
		return nil
	}
	var out []DriftItem
	if side := in.Value.Target; side != nil && side.Database == nil && !o.Release.Value.Postgres.Internal {
		out = append(out, DriftItem{Class: "changed", Object: "external PostgreSQL", What: "could not be inspected from the cluster: " + side.Error, Fix: "run circleci-dr plan"})
	}
	if side := in.Value.Target; side != nil && side.Database != nil && side.Database.Lineage != nil && o.Postgres.Lineage.Is() &&
		o.Postgres.Lineage.Value.Authoritative == spec.External && side.Database.Lineage.Epoch != o.Postgres.Lineage.Value.Epoch {
		out = append(out, DriftItem{Class: "changed", Object: "external PostgreSQL", What: "belongs to another lineage epoch than the cluster's record",
			From: itoa(o.Postgres.Lineage.Value.Epoch), To: itoa(side.Database.Lineage.Epoch), Fix: "find out who switched; nothing may be overwritten"})
	}
	return out
}
