package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// MakePlan decides what is missing. It is pure: the same spec and observation
// give the same plan. tool is the version of this program.
func MakePlan(s *spec.Spec, o Observation) (engine.Plan, error) {
	p := engine.Plan{Format: engine.PlanFormat, Name: s.Name, MadeAt: o.At, Coverage: CoverageOf(s), Authoritative: chosenIn(o)}
	if s.Server == nil {
		p.Binding = engine.Binding{SpecDigest: s.Digest(), Tool: o.Tool}
		p.ID = engine.PlanID(p)
		return p, nil
	}
	if missing := unread(s, o); len(missing) > 0 {
		if o.Denied.Is() { // all at once: a single refused read names only its own
			for _, f := range preflightAccess(s, o) {
				missing = append(missing, f.What)
			}
		}
		return engine.Plan{}, &UnreadableError{What: missing}
	}
	if o.Release.IsNot() {
		p.Binding = engine.Binding{SpecDigest: s.Digest(), ClusterUID: o.Cluster.Value.UID, Tool: o.Tool}
		p.Findings = []engine.Finding{block("no-release", "server.release", sourceDocs, "check server.kubeContext, server.namespace and server.release",
			"there is no Helm release %s in namespace %s", s.Server.Release, s.Server.Namespace)}
		p.ID = engine.PlanID(p)
		return p, nil
	}
	steps, findings := planLocation(s, o)
	parts := partsWanted(s, &o)
	if openMove(o) {
		parts = o.Move.Value.Parts
	}
	steps = nameEngines(timed(s, o, steps, parts))
	p.Steps, p.Findings = steps, append(findings, findingsFor(s, o, steps)...)
	p.Moves = movesOf(parts, steps)
	if openMove(o) && len(p.Moves) > 0 {
		p.Findings = append(p.Findings, wayBackOfOpen(o, parts)...)
	}
	acceptNoWayBack(p, parts)
	p.Findings = append(p.Findings, valuesFindings(s, o)...)
	p.Findings = append(p.Findings, upgradesAhead(s, o)...)
	if openMove(o) {
		p.Resumes = o.Move.Value.ID
	}
	p.Notices = notices(s, o)
	p.Binding, p.Names = bindingOf(s, o), NamesOf(s, o).InPlan()
	p.Total = total(steps)
	if p.Total.DownHigh > 0 {
		p.Total.Assumption = joinNonEmpty("; ", p.Total.Assumption, lastDowntime(o.Measured.Value, directionOf(parts)))
	}
	p.ID = engine.PlanID(p)
	return p, nil
}

// movesOf says what the steps move; steps that move nothing any more are what is
// left to do after a move.
func movesOf(parts []Part, steps []engine.Step) []string {
	var out []string
	for _, p := range parts {
		if commitOf(p, steps) >= 0 {
			from, to := string(p.From), string(p.To)
			if p.To == spec.External {
				to = p.External
			} else {
				from = p.External
			}
			out = append(out, fmt.Sprintf("%s %s → %s", p.Engine.Title(), from, to))
		}
	}
	return out
}

// acceptNoWayBack has the commit that closes the way back accepted by a word of
// its own. Only PostgreSQL moves to another release series.
func acceptNoWayBack(plan engine.Plan, parts []Part) {
	if len(plan.NoWayBack()) == 0 {
		return
	}
	for _, p := range parts {
		if i := commitOf(p, plan.Steps); kindOf(p.Engine).closes && i >= 0 {
			plan.Steps[i].Accept = AcceptNoWayBack
			plan.Steps[i].Reason += "; there is no way back from a newer major version"
		}
	}
}

// commitOf is where the commit of a part stands among the steps, -1 when it does
// not.
func commitOf(p Part, steps []engine.Step) int {
	id := commitStep(p).ID
	return slices.IndexFunc(steps, func(st engine.Step) bool { return st.ID == id })
}

// findingsFor is preflight before a move; an unfinished one has had its
// preflight, and what it left behind would fail it.
func findingsFor(s *spec.Spec, o Observation, steps []engine.Step) []engine.Finding {
	if len(steps) == 0 {
		return checkVersion(s, o.Release.Value)
	}
	if parts := partsWanted(s, &o); len(parts) > 0 && !openMove(o) {
		return preflight(s, o, parts)
	}
	return append(preflightRelease(s, o), preflightAccess(s, o)...)
}

func bindingOf(s *spec.Spec, o Observation) engine.Binding {
	rel := o.Release.Value
	b := engine.Binding{
		SpecDigest: s.Digest(), ClusterUID: o.Cluster.Value.UID,
		Release: rel.Namespace + "/" + rel.Name, Revision: rel.Revision,
		Chart: rel.Chart + "-" + rel.ChartVersion, Tool: o.Tool,
	}
	if pv := o.Preview; pv.Is() && pv.Value.ChartDigest != "" {
		b.Chart += "@" + pv.Value.ChartDigest
	}
	adds := map[mover.Engine][]string{}
	if !openMove(o) {
		for _, p := range partsWanted(s, &o) {
			adds[p.Engine] = server.CertificateNames(p.Trust)
		}
	}
	for _, e := range engines {
		d := server.Declared(s, e)
		if d == nil {
			continue
		}
		b.Epoch += o.store(e).Lineage.Value.Epoch
		if d.External != nil {
			b.Target = joinNonEmpty(" ", b.Target, d.External.Endpoint.Username+"@"+d.External.At())
			b.Secret = joinNonEmpty(", ", b.Secret, describeRef(d.External.Password))
		}
		if in := o.store(e).Inspection; in.Is() {
			b.Source = joinNonEmpty(" ", b.Source, identityOf(in.Value.Source))
			b.Target = joinNonEmpty(" ", b.Target, identityOf(in.Value.Target))
		}
		if len(adds[e]) > 0 {
			b.Target += " trusted by " + strings.Join(slices.Sorted(slices.Values(adds[e])), ", ")
		}
	}
	return b
}

func identityOf(side *mover.InspectedSide) string {
	if side == nil || side.Database == nil {
		return ""
	}
	return side.Database.SystemIdentifier
}

func notices(s *spec.Spec, o Observation) []string {
	var out []string
	if openMove(o) {
		m := o.Move.Value
		state := "the application is up"
		if !m.Quiesced.IsZero() && m.Resumed.IsZero() {
			state = "the application is stopped since " + m.Quiesced.UTC().Format("2006-01-02 15:04:05 MST")
		}
		out = append(out, fmt.Sprintf("move %s to %s was cut off and goes on (%s)", m.ID, m.Target(), state))
	}
	if m := o.Move; m.Is() && m.Value.Phase == MoveReverted && m.Value.LastError != "" {
		out = append(out, "the last attempt went back to "+m.Value.Source()+": "+m.Value.LastError)
	}
	if o.Measured.Unread() {
		out = append(out, "how long steps took here before could not be read, so the estimates are wide: "+cmp.Or(o.Measured.Why, "it was not looked at"))
	}
	if !openMove(o) {
		for _, p := range partsWanted(s, &o) {
			for _, text := range []string{rehearsalNotice(s, o, p), dressNotice(s, o, p)} {
				if text != "" {
					out = append(out, text)
				}
			}
		}
	}
	out = append(out, choicesMade(o)...)
	for _, e := range engines {
		d := server.Declared(s, e)
		if d != nil && d.Location == spec.External && o.Release.Is() && !o.Release.Value.Store(e).Internal && !o.store(e).Lineage.Is() {
			out = append(out, e.Title()+" was already external when first seen: settled, unproven")
		}
	}
	return out
}

// chosenIn is the choice an observation was made with, as a plan keeps it.
func chosenIn(o Observation) map[string]string {
	var out map[string]string
	for e, side := range o.Authoritative {
		if out == nil {
			out = map[string]string{}
		}
		out[string(e)] = string(side)
	}
	return out
}

// ChosenIn is the side that a person chose for each datastore when the plan was
// made, to observe with again.
func ChosenIn(p engine.Plan) map[mover.Engine]spec.Location {
	var out map[mover.Engine]spec.Location
	for e, side := range p.Authoritative {
		if out == nil {
			out = map[mover.Engine]spec.Location{}
		}
		out[mover.Engine(e)] = spec.Location(side)
	}
	return out
}
