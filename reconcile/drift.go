package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
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
	if s.Server == nil || !slices.ContainsFunc(engines, func(e mover.Engine) bool { return server.Declares(s, e) }) {
		return nil, nil
	}
	if o.Release.IsNot() {
		return []DriftItem{{Class: "changed", Object: "release " + s.Server.Release, What: "is not there", Fix: "check server.namespace and server.release"}}, nil
	}
	if missing := unread(s, o); len(missing) > 0 {
		return nil, &UnreadableError{What: missing}
	}
	var out []DriftItem
	var missing []string
	out = append(out, driftMove(o)...)
	for _, e := range engines {
		if d := server.Declared(s, e); d != nil && !openMove(o) {
			out = append(out, driftLocation(o, e, *d)...)
		}
	}
	out = append(out, driftRelease(s, o)...)
	out = append(out, driftReplicas(o)...)
	for _, e := range engines {
		if d := server.Declared(s, e); d != nil {
			out = append(out, driftDatabases(o, e)...)
			out = append(out, driftValues(s, o, e)...)
			missing = append(missing, uninspected(o, e, *d, maxAge)...)
		}
	}
	missing = append(missing, unreadValues(s, o)...)
	if len(missing) > 0 {
		return out, &UnreadableError{What: missing}
	}
	return out, nil
}

// uninspected says why the recorded inspection tells nothing about now.
func uninspected(o Observation, e mover.Engine, d server.Declaration, maxAge time.Duration) (missing []string) {
	store, what := o.store(e), e.Title()+" servers: "
	if in := store.Inspection; in.Unread() {
		missing = append(missing, what+cmp.Or(in.Why, "they were not looked at"))
	} else if in.IsNot() && (store.Internal.Value.StatefulSet.Is() || d.External != nil) {
		missing = append(missing, what+"never inspected; run circleci-dr plan")
	} else if in.Is() && o.At.Sub(in.Value.At) > maxAge {
		missing = append(missing, fmt.Sprintf("%sthe newest inspection is %s old; run circleci-dr plan", what, o.At.Sub(in.Value.At).Round(time.Minute)))
	}
	return missing
}

func driftMove(o Observation) []DriftItem {
	if !openMove(o) {
		return nil
	}
	m := o.Move.Value
	what := "is unfinished since " + m.Opened.UTC().Format(time.RFC3339)
	if !m.Quiesced.IsZero() && m.Resumed.IsZero() {
		what += " and the application is stopped since " + m.Quiesced.UTC().Format(time.RFC3339)
	}
	return []DriftItem{{Class: "unfinished", Object: "move " + m.ID, What: what, Fix: "run circleci-dr apply again"}}
}

func driftLocation(o Observation, e mover.Engine, d server.Declaration) []DriftItem {
	rel, store := o.Release.Value, o.store(e)
	live, l, t := rel.Store(e), store.Lineage, kindOf(e)
	apply := "run circleci-dr plan"
	switch {
	case wrongSide(o, e):
		f := twoTruths(o, e, l.Value)
		from, to := "internal", live.At()
		if live.Internal {
			from, to = l.Value.Endpoint, "internal"
		}
		return []DriftItem{{Class: "changed", Object: "release " + rel.Name, What: f.What, From: from, To: to, Fix: f.Fix}}
	case d.Location == spec.External && live.Internal:
		return []DriftItem{{Class: "pending", Object: server.FieldOf(e, "location"), What: e.Title() + " is still internal", From: "internal", To: "external", Fix: apply}}
	case d.Location == spec.Internal && !live.Internal && l.Is():
		return []DriftItem{{Class: "pending", Object: server.FieldOf(e, "location"), What: e.Title() + " is still external", From: live.At(), To: "internal", Fix: apply}}
	case d.Location == spec.Internal && !live.Internal:
		return []DriftItem{{Class: "changed", Object: server.FieldOf(e, "location"), What: e.Title() + " is external", From: "internal", To: live.At(), Fix: apply}}
	case d.Location == spec.Internal:
		return nil
	}
	var out []DriftItem
	if !d.External.IsReadBy(live) {
		out = append(out, DriftItem{Class: "changed", Object: "release " + rel.Name, What: "uses another server than the spec", From: d.External.At(), To: live.At(), Fix: apply})
	}
	if live.ExistingSecret == t.Credentials && needsCredentials(o, e) {
		problem := "is gone"
		if store.Credentials.Is() {
			problem = store.Credentials.Value.Problem
		}
		out = append(out, DriftItem{Class: "changed", Object: "Secret " + t.Credentials, What: problem, Fix: "run circleci-dr apply: it writes the referenced password again"})
	}
	if st := store.Internal.Value.StatefulSet; st.Is() && l.Is() {
		out = append(out, DriftItem{Class: "changed", Object: "StatefulSet " + st.Value.Name,
			What: "the internal " + e.Title() + " is running again although the data moved to " + l.Value.Endpoint, Fix: "find out who started it before anything writes to it"})
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
	live := map[string]server.Workload{}
	for _, w := range o.Workloads.Value {
		live[w.Key()] = w
	}
	var out []DriftItem
	for _, key := range slices.Sorted(maps.Keys(o.Applied.Value.Replicas)) {
		was := o.Applied.Value.Replicas[key]
		w, there := live[key]
		switch {
		case was == 0:
		case !there && server.IsCronJob(key):
			out = append(out, DriftItem{Class: "changed", Object: key, What: "is gone", Fix: "helm upgrade brings it back, where it is of the release"})
		case !there:
			out = append(out, DriftItem{Class: "changed", Object: key, What: "is gone", From: strconv.Itoa(was) + " replicas", Fix: "helm upgrade brings it back"})
		case w.Kind == server.KindCronJob && w.Replicas == 0:
			out = append(out, DriftItem{Class: "changed", Object: key, What: "is suspended and no move stands open", From: "not suspended", To: "suspended",
				Fix: fmt.Sprintf(`kubectl patch %s --patch '{"spec":{"suspend":false}}'`, "cronjob"+key[len(server.KindCronJob):])})
		case w.Replicas == 0:
			out = append(out, DriftItem{Class: "changed", Object: key, What: "is scaled to zero and no move stands open", From: strconv.Itoa(was) + " replicas", To: "0 replicas",
				Fix: fmt.Sprintf("kubectl scale %s --replicas=%d", key, was)})
		}
	}
	return out
}

func driftDatabases(o Observation, e mover.Engine) []DriftItem {
	store := o.store(e)
	in, l := store.Inspection, store.Lineage
	if !in.Is() || openMove(o) {
		return nil
	}
	inside, outside := in.Value.Sides()
	side, where, object := outside, spec.External, "external "+e.Title()
	if o.Release.Value.Store(e).Internal {
		side, where, object = inside, spec.Internal, "internal "+e.Title()
	}
	if side == nil {
		return nil
	}
	var out []DriftItem
	if side.Database == nil {
		out = append(out, DriftItem{Class: "changed", Object: object, What: "could not be inspected from the cluster: " + side.Error, Fix: "run circleci-dr plan"})
	} else if mark := side.Database.Lineage; mark != nil && l.Is() && l.Value.Authoritative == where && mark.Epoch != l.Value.Epoch && !neverTold(o, e, mark.Epoch) {
		out = append(out, DriftItem{Class: "changed", Object: object, What: "belongs to another lineage epoch than the cluster's record",
			From: strconv.Itoa(l.Value.Epoch), To: strconv.Itoa(mark.Epoch), Fix: "find out who switched; nothing may be overwritten"})
	}
	return out
}

// neverTold tells whether a server's older epoch comes from a commit that went
// back before this server heard of it: the cluster counts that epoch as used.
func neverTold(o Observation, e mover.Engine, epoch int) bool {
	m, l := o.Move.Value, o.store(e).Lineage.Value
	p := m.part(e)
	return m.Phase == MoveReverted && p != nil && p.From == l.Authoritative && p.Epoch >= l.Epoch && epoch < l.Epoch
}
