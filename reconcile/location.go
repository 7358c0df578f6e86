package reconcile

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// The words that accept a danger.
const (
	AcceptOutage          = "outage"
	AcceptRemoveInternal  = "remove-internal-database"
	AcceptReplaceInternal = "replace-internal-data"
	AcceptReplaceExternal = "replace-external-data"
	AcceptDiscardInternal = "discard-internal-writes"
	AcceptDiscardExternal = "discard-external-writes"
)

// partsWanted are the datastores that do not live where the spec says, as the
// parts of the move that would take them there. All go in one direction: where
// the spec wants both, outwards comes first and a finding says so.
func partsWanted(s *spec.Spec, o *Observation) []Part {
	var parts []Part
	for _, e := range engines {
		d, live, to := declared(s, e), o.Release.Value.Store(e), spec.External
		if d == nil || d.external == nil || (d.location == spec.Internal) == live.Internal {
			continue
		}
		if d.location == spec.Internal {
			to = spec.Internal
		}
		if len(parts) > 0 && parts[0].To != to {
			continue
		}
		parts = append(parts, newPart(o, e, *d, to))
	}
	return parts
}

func newPart(o *Observation, e Engine, d declaration, to spec.Location) Part {
	lineage, live := o.store(e).Lineage, o.Release.Value.Store(e)
	p := Part{
		Engine: e, From: spec.Internal, To: to, Epoch: nextEpoch(lineage), External: d.external.at(), Outside: externalSide(*d.external),
		InternalSecret: internalSecret(o, e), Internal: live, Replaces: replaces(o, e, to),
	}
	if to == spec.Internal {
		p.From = spec.External
		p.Internal, p.InternalVersion = ReleaseStore{FullName: live.FullName}, 0
		if l := lineage; l.Is() {
			p.Internal, p.InternalVersion = l.Value.Internal, l.Value.InternalVersion
			p.Internal.FullName = live.FullName
		}
	} else if in := o.store(e).Inspection; in.Is() && in.Value.Source != nil && in.Value.Source.Database != nil {
		p.InternalVersion = in.Value.Source.Database.VersionNum
	}
	p.Fork = forkOf(o, e, to)
	p.OwnerMap = ownerMap(*d.external, o, e, to)
	return p
}

// replaces is the epoch at which the source took over from the target, when
// the cluster's record says that it did: what the target holds is old then.
func replaces(o *Observation, e Engine, to spec.Location) int {
	l := o.store(e).Lineage
	if !l.Is() || l.Value.Authoritative == to {
		return 0
	}
	if to == spec.Internal {
		if !keptVolume(o.store(e).Internal.Value) {
			return 0
		}
		return l.Value.Epoch
	}
	if in := o.store(e).Inspection; in.Is() && in.Value.Target != nil && in.Value.Target.Database != nil {
		if mark := in.Value.Target.Database.Lineage; mark != nil && mark.State == "superseded" && mark.Epoch == l.Value.Epoch {
			return l.Value.Epoch
		}
	}
	return 0
}

func keptVolume(store InternalStore) bool { return len(store.Volumes) > 0 }

func nextEpoch(l Observed[Lineage]) int { return l.Value.Epoch + 1 }

// switchChange is the Helm upgrade that points the release at the other side
// of each part and changes nothing else.
func switchChange(s *spec.Spec, rel Release, parts []Part) ReleaseChange {
	change := ReleaseChange{Set: map[string]any{}, HoldAtZero: true, Description: "circleci-dr switch " + MoveID(parts)}
	for _, p := range parts {
		if p.To == spec.Internal {
			change.Set[string(p.Engine)] = internalBlock(p.Engine, rel.ChartVersion, p.Internal)
			continue
		}
		change.Set[string(p.Engine)] = ValuesTree(DatastoreValues(s, p.Engine, rel.ChartVersion))[string(p.Engine)]
		name := rel.Store(p.Engine).FullName
		change.Keep = append(change.Keep, "StatefulSet/"+name, "Service/"+name, "Secret/"+name)
	}
	return change
}

// switched tells whether the release reads the side a part moves to.
func switched(s *spec.Spec, rel Release, p Part) bool {
	live := rel.Store(p.Engine)
	if p.To == spec.Internal {
		return live.Internal
	}
	d := declared(s, p.Engine)
	return d != nil && d.external != nil && d.external.isReadBy(live)
}

// planLocation plans where the datastores live. It is the policy of
// docs/moving-postgresql.md and docs/moving-back.md.
func planLocation(s *spec.Spec, o Observation) ([]Step, []Finding) {
	if openMove(o) {
		return planOpen(s, o)
	}
	parts := partsWanted(s, &o)
	var steps []Step
	var findings []Finding
	for _, e := range engines {
		d := declared(s, e)
		if d == nil {
			continue
		}
		st, found := planStore(s, o, e, *d)
		steps, findings = append(steps, st...), append(findings, found...)
	}
	findings = append(findings, superfluousChoice(s, o)...)
	if len(findings) > 0 {
		return nil, findings
	}
	if len(parts) > 0 {
		findings = append(findings, oneDirection(s, o, parts)...)
		steps = append(steps, moveSteps(s, o, parts)...)
	}
	return chain(steps), findings
}

// planStore judges one datastore that no open move is about: what forbids a
// move, and the small repairs where none is wanted.
func planStore(s *spec.Spec, o Observation, e Engine, d declaration) ([]Step, []Finding) {
	rel, l := o.Release.Value, o.store(e).Lineage
	live := rel.Store(e)
	switch {
	case adopting(o, e):
		if steps := adoptSteps(s, o, e); len(steps) > 0 {
			return steps, nil
		}
		return nil, []Finding{block("fork-choice", e.field("external"), sourceForks, "keep "+e.field("external")+" in the file until that is done",
			"the internal %s was chosen and the external side not set aside yet: the file has to say how it is reached", e.title())}
	case wrongSide(o, e):
		return adoptSteps(s, o, e), judgeFork(s, o, e, d, l.Value)
	case d.location == spec.External && len(lateHandOff(o, e)) > 0:
		return nil, lateHandOff(o, e)
	case d.location == spec.External && !live.Internal:
		return settledExternal(s, o, e, d)
	case d.location == spec.Internal && !live.Internal:
		return nil, wayBackKnown(rel, e, d)
	}
	return nil, nil
}

// wayBackKnown asks that the file still says how to reach the server the data
// come back from.
func wayBackKnown(rel Release, e Engine, d declaration) []Finding {
	live := rel.Store(e)
	switch {
	case d.external == nil:
		return []Finding{block("external-block-missing", e.field("external"), sourceBack,
			fmt.Sprintf("keep %s in the file until the data are back: it says how to reach %s", e.field("external"), live.At()),
			"%s lives at %s and the spec wants it internal, but says nothing about the server it has to be copied from", e.title(), live.At())}
	case !d.external.isReadBy(live):
		return []Finding{block("other-external", e.field("external"), sourceBack, "write the server the release uses into the spec",
			"the release uses %s@%s, the spec says %s@%s", live.Username, live.At(), d.external.endpoint.Username, d.external.at())}
	}
	return nil
}

// oneDirection refuses a move of one datastore out and another in at once.
func oneDirection(s *spec.Spec, o Observation, parts []Part) []Finding {
	for _, e := range engines {
		d := declared(s, e)
		if d == nil || d.external == nil || (d.location == spec.Internal) == o.Release.Value.Store(e).Internal {
			continue
		}
		if d.location != parts[0].To {
			return []Finding{block("two-directions", e.field("location"), sourceBack, "move one of them first, then the other",
				"the spec wants %s %s and %s %s: one move goes in one direction", parts[0].Engine.title(), parts[0].To, e.title(), d.location)}
		}
	}
	return nil
}

// planOpen plans how an unfinished move goes on, or back.
func planOpen(s *spec.Spec, o Observation) ([]Step, []Finding) {
	m, rel := o.Move.Value, o.Release.Value
	if m.Phase == MoveCommitted {
		var findings []Finding
		for _, p := range m.Parts {
			if l := committedLineage(m, p); contradicts(rel.Store(p.Engine), l) {
				findings = append(findings, twoTruths(o, p.Engine, l))
			}
		}
		if len(findings) > 0 {
			return nil, findings
		}
	}
	for _, p := range m.Parts {
		if d := declared(s, p.Engine); d == nil || d.location != p.To || d.external == nil || d.external.at() != p.External {
			return planOtherWay(o)
		}
	}
	return remaining(s, o), nil
}

// committedLineage is what a committed move wrote, for a cluster whose record
// may have been lost since.
func committedLineage(m Move, p Part) Lineage {
	return Lineage{Epoch: p.Epoch, Authoritative: p.To, Endpoint: p.External, Move: m.ID, At: m.Opened}
}

// planOtherWay handles an unfinished move that the spec no longer wants.
func planOtherWay(o Observation) ([]Step, []Finding) {
	m := o.Move.Value
	if m.Phase == MoveCommitted {
		return nil, []Finding{block("move-committed", m.Parts[0].Engine.field("location"), sourceDocs,
			fmt.Sprintf("finish it: set the spec to %s %s and apply", m.Parts[0].To, m.Target()),
			"move %s is committed to %s and can only go forward", m.ID, m.Target())}
	}
	return []Step{goBackStep(m, fmt.Sprintf("move %s to %s was begun and the spec no longer asks for it", m.ID, m.Target()))}, nil
}

func goBackStep(m Move, reason string) Step {
	step := newStep(ActGoBack, m.ID, "Bring the application back on "+m.Source())
	step.Reason = reason
	step.Estimate = Estimate{Low: 10 * time.Second, High: 2 * time.Minute}
	return step
}

// settledExternal is the state after a move, or an adopted external server.
func settledExternal(s *spec.Spec, o Observation, e Engine, d declaration) ([]Step, []Finding) {
	live := o.Release.Value.Store(e)
	if !d.external.isReadBy(live) {
		return nil, []Finding{block("other-external", e.field("external"), sourceDocs, "write the server the release uses into the spec; moving between external servers is not in this version",
			"the release uses %s@%s, the spec says %s@%s", live.Username, live.At(), d.external.endpoint.Username, d.external.at())}
	}
	if live.ExistingSecret == traitsOf[e].credentials && needsCredentials(o, e) {
		return []Step{credentialsStep(s, o, e)}, nil
	}
	return nil, nil
}

func needsCredentials(o Observation, e Engine) bool {
	c := o.store(e).Credentials
	return c.IsNot() || c.Is() && !c.Value.Matches
}

// remaining is what is left of an unfinished move, by looking.
func remaining(s *spec.Spec, o Observation) []Step {
	m := o.Move.Value
	if m.Phase == MoveReturning {
		back := goBackStep(m, fmt.Sprintf("the way back of move %s was cut off; it ends before the move begins anew", m.ID))
		return chain(append([]Step{back}, moveSteps(s, o, m.Parts)...))
	}
	var steps []Step
	for _, st := range moveSteps(s, o, m.Parts) {
		if !settledInRecord(o, m, st) {
			steps = append(steps, st)
		}
	}
	return chain(steps)
}

// settledInRecord tells from the move's record which steps are behind it.
func settledInRecord(o Observation, m Move, st Step) bool {
	p := m.part(engineOf(st))
	if st.Action == ActRemove {
		in := o.store(p.Engine).Internal
		return in.Is() && in.Value.StatefulSet.IsNot()
	}
	if m.Phase == MoveCommitted {
		switch st.Action {
		case ActCommit:
			return p.Committed && !m.Deciding
		case ActResume:
			return !m.Resumed.IsZero() && atRecorded(o.Workloads.Value, m.Replicas)
		case ActSettle:
			return false
		case ActSetAside:
			return len(p.SetAside) > 0
		case ActCredentials:
			return !needsCredentials(o, p.Engine)
		default:
			return true
		}
	}
	switch st.Action {
	case ActCredentials:
		return !needsCredentials(o, p.Engine)
	case ActRead:
		return p.Read != nil
	case ActRecord:
		return len(m.Replicas) > 0 && recordStands(o.Workloads.Value, m)
	case ActQuiesce:
		return stopped(o.Workloads.Value) && !m.Quiesced.IsZero()
	case ActFence:
		return p.Fence != nil && p.Fence.Fence.ID == m.FenceID(*p)
	case ActCopy:
		return p.Copy != nil && p.Copy.Fence == m.FenceID(*p)
	case ActProve:
		return p.To == spec.External && p.Proof != nil && p.Proof.Equal() && p.Proof.Fence == m.FenceID(*p) && !o.Release.Value.Store(p.Engine).Internal
	default:
		return false
	}
}

func stopped(ws []Workload) bool {
	for _, w := range ws {
		if w.Replicas != 0 || w.Pods != 0 {
			return false
		}
	}
	return true
}

// recordStands tells whether the recorded counts are still the ones to come
// back to: each workload remembers its own, and as long as the application was
// not stopped, nobody scaled it since.
func recordStands(ws []Workload, m Move) bool {
	for _, w := range ws {
		_, known := m.Replicas[w.Key()]
		if w.Recorded == nil && (known || m.Quiesced.IsZero()) {
			return false // one that a later release brought has nothing to remember
		}
		if m.Quiesced.IsZero() && w.Autoscaler == "" && w.Replicas != m.Replicas[w.Key()] {
			return false
		}
	}
	return true
}

// atRecorded tells whether every workload runs at its recorded count. An
// autoscaled one only has to be up: its autoscaler moves it.
func atRecorded(ws []Workload, want map[string]int) bool {
	for _, w := range ws {
		n, ok := want[w.Key()]
		switch {
		case !ok:
		case w.Autoscaler != "" && n > 0:
			if w.Replicas == 0 || w.Ready < w.Replicas {
				return false
			}
		case w.Replicas != n || w.Ready < n:
			return false
		}
	}
	return true
}

// ownerMap renames the superuser of one side to that of the other, where the
// external admin role is no superuser, as a managed service gives it.
func ownerMap(x externalServer, o *Observation, e Engine, to spec.Location) map[string]string {
	in := o.store(e).Inspection
	if e != PostgreSQL || !in.Is() {
		return nil
	}
	outside, from, into := in.Value.Target, traitsOf[e].superuser, x.endpoint.Username
	if to == spec.Internal {
		outside, from, into = in.Value.Source, into, from
	}
	if outside == nil || outside.Database == nil || outside.Database.Role.Superuser {
		return nil
	}
	return map[string]string{from: into}
}

func countsOf(ws []Workload) (counts map[string]int, text []string) {
	counts = map[string]int{}
	for _, w := range ws {
		n := w.Replicas
		if w.Recorded != nil && n == 0 { // stopped by us once; a live count is the truth
			n = *w.Recorded
		}
		counts[w.Key()] = n
	}
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		_, name, _ := strings.Cut(key, "/")
		text = append(text, name+" "+strconv.Itoa(counts[key]))
	}
	return counts, text
}
