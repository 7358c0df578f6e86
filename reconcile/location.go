package reconcile

import (
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
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
	AcceptUnrehearsed     = "unrehearsed"
	AcceptNoWayBack       = "no-way-back"
)

// planLocation plans where the datastores live. It is the policy of
// docs/moving-postgresql.md and docs/moving-back.md.
func planLocation(s *spec.Spec, o Observation) ([]engine.Step, []engine.Finding) {
	if openMove(o) {
		return planOpen(s, o)
	}
	parts := partsWanted(s, &o)
	var steps []engine.Step
	var findings []engine.Finding
	for _, e := range engines {
		d := server.Declared(s, e)
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
	return engine.Chain(steps, beside), findings
}

// planStore judges one datastore that no open move is about: what forbids a
// move, and the small repairs where none is wanted.
func planStore(s *spec.Spec, o Observation, e mover.Engine, d server.Declaration) ([]engine.Step, []engine.Finding) {
	rel, l := o.Release.Value, o.store(e).Lineage
	live := rel.Store(e)
	switch {
	case adopting(o, e):
		if steps := adoptSteps(s, o, e); len(steps) > 0 {
			return steps, nil
		}
		return nil, []engine.Finding{block("fork-choice", server.FieldOf(e, "external"), sourceForks, "keep "+server.FieldOf(e, "external")+" in the file until that is done",
			"the internal %s was chosen and the external side not set aside yet: the file has to say how it is reached", e.Title())}
	case wrongSide(o, e):
		return adoptSteps(s, o, e), judgeFork(s, o, e, d, l.Value)
	case d.Location == spec.External && len(lateHandOff(o, e)) > 0:
		return nil, lateHandOff(o, e)
	case d.Location == spec.External && !live.Internal:
		return settledExternal(s, o, e, d)
	case d.Location == spec.Internal && !live.Internal:
		return nil, wayBackKnown(rel, e, d)
	}
	return nil, nil
}

// wayBackKnown asks that the file still says how to reach the server the data
// come back from.
func wayBackKnown(rel server.Release, e mover.Engine, d server.Declaration) []engine.Finding {
	live := rel.Store(e)
	switch {
	case d.External == nil:
		return []engine.Finding{block("external-block-missing", server.FieldOf(e, "external"), sourceBack,
			fmt.Sprintf("keep %s in the file until the data are back: it says how to reach %s", server.FieldOf(e, "external"), live.At()),
			"%s lives at %s and the spec wants it internal, but says nothing about the server it has to be copied from", e.Title(), live.At())}
	case !d.External.IsReadBy(live):
		return []engine.Finding{block("other-external", server.FieldOf(e, "external"), sourceBack, "write the server the release uses into the spec",
			"the release uses %s@%s, the spec says %s@%s", live.Username, live.At(), d.External.Endpoint.Username, d.External.At())}
	}
	return nil
}

// oneDirection refuses a move of one datastore out and another in at once.
func oneDirection(s *spec.Spec, o Observation, parts []Part) []engine.Finding {
	for _, e := range engines {
		d := server.Declared(s, e)
		if d == nil || d.External == nil || (d.Location == spec.Internal) == o.Release.Value.Store(e).Internal {
			continue
		}
		if d.Location != parts[0].To {
			return []engine.Finding{block("two-directions", server.FieldOf(e, "location"), sourceBack, "move one of them first, then the other",
				"the spec wants %s %s and %s %s: one move goes in one direction", parts[0].Engine.Title(), parts[0].To, e.Title(), d.Location)}
		}
	}
	return nil
}

// settledExternal is the state after a move, or an adopted external server.
func settledExternal(s *spec.Spec, o Observation, e mover.Engine, d server.Declaration) ([]engine.Step, []engine.Finding) {
	live := o.Release.Value.Store(e)
	if !d.External.IsReadBy(live) {
		return nil, []engine.Finding{block("other-external", server.FieldOf(e, "external"), sourceDocs, "write the server the release uses into the spec; moving between external servers is not in this version",
			"the release uses %s@%s, the spec says %s@%s", live.Username, live.At(), d.External.Endpoint.Username, d.External.At())}
	}
	if live.ExistingSecret == kindOf(e).Credentials && needsCredentials(o, e) {
		return []engine.Step{credentialsStep(s, o, e)}, nil
	}
	return nil, nil
}

func needsCredentials(o Observation, e mover.Engine) bool {
	c := o.store(e).Credentials
	return c.IsNot() || c.Is() && !c.Value.Matches
}

// switchChange is the Helm upgrade that points the release at the other side
// of each part, has the application trust it, and changes nothing else.
func switchChange(s *spec.Spec, rel server.Release, parts []Part) server.ReleaseChange {
	change := server.ReleaseChange{Set: map[string]any{}, HoldAtZero: true, Description: "circleci-dr switch " + MoveID(parts)}
	for _, p := range parts {
		if p.To == spec.Internal {
			change.Set[string(p.Engine)] = server.InternalBlock(p.Engine, rel.ChartVersion, p.Internal)
			continue
		}
		change.Set[string(p.Engine)] = server.ValuesTree(server.DatastoreValues(s, p.Engine, rel.ChartVersion))[string(p.Engine)]
		name := rel.Store(p.Engine).FullName
		change.Keep = append(change.Keep, "StatefulSet/"+name, "Service/"+name, "Secret/"+name)
	}
	if list := entrusted(rel.Trust, parts); len(list) > 0 {
		change.Set[server.TrustBlock] = map[string]any{"certificates": list}
	}
	return change
}

// switched tells whether the release reads the side a part moves to.
func switched(s *spec.Spec, rel server.Release, p Part) bool {
	live := rel.Store(p.Engine)
	if p.To == spec.Internal {
		return live.Internal
	}
	d := server.Declared(s, p.Engine)
	return d != nil && d.External != nil && d.External.IsReadBy(live)
}
