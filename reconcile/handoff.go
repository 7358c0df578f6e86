package reconcile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// AcceptSuspended accepts that nobody could see whether the reconciliation is
// suspended: the person who writes it says that it is.
const AcceptSuspended = "reconciliation-suspended"

const sourceHandOff = "docs/hand-off.md"

// HandOff is what a tool other than Helm has to do in a move.
type HandOff struct {
	By spec.ManagedBy `json:"by"`
	// Values is what has to be committed, as YAML; Announced is when it was
	// first said.
	Values    string    `json:"values,omitempty"`
	Announced time.Time `json:"announced,omitzero"`
}

var toolNames = map[spec.ManagedBy]string{spec.ManagedByArgoCD: "Argo CD", spec.ManagedByFlux: "Flux", spec.ManagedByTerraform: "Terraform"}

// toolName is a tool as its makers write it.
func toolName(m spec.ManagedBy) string {
	if name := toolNames[m]; name != "" {
		return name
	}
	return string(m)
}

// managed is the tool that reconciles the release, where the file says so and
// the release shows it: with one of the two alone nobody knows enough.
func managed(s *spec.Spec, rel server.Release) spec.ManagedBy {
	if s.Server == nil {
		return ""
	}
	if by := s.Server.ManagedBy; by == rel.Manager && toolNames[by] != "" {
		return by
	}
	return ""
}

// handsOff tells whether a move leaves the switch to a tool: by its record
// once it is open, for marks may come and go meanwhile.
func handsOff(s *spec.Spec, o Observation) spec.ManagedBy {
	if !openMove(o) {
		return managed(s, o.Release.Value)
	}
	if h := o.Move.Value.HandOff; h != nil {
		return h.By
	}
	return ""
}

// preflightManager judges who reconciles the release, and whether it rests.
func preflightManager(s *spec.Spec, o Observation) []engine.Finding {
	rel := o.Release.Value
	by := handsOff(s, o)
	if by == "" {
		return unmanaged(s, rel)
	}
	if parts := partsWanted(s, &o); len(parts) > 0 && parts[0].To == spec.Internal {
		return []engine.Finding{block("hand-off-inwards", "server.managedBy", sourceHandOff,
			"take the release out of "+toolName(by)+" for the move, remove server.managedBy and the marks on its objects, and plan again",
			"%s reconciles the release, and a way back needs a helm upgrade before there is anything to copy to", toolName(by))}
	}
	if openMove(o) || by == spec.ManagedByTerraform {
		return nil // what comes next is that it resumes; Terraform does nothing by itself
	}
	switch r := o.Reconciliation; {
	case r.Is() && r.Value.Suspended:
		return nil
	case r.Is():
		return []engine.Finding{block("reconciliation-active", "server.managedBy", sourceHandOff, suspendHint(by, rel.ManagerObject),
			"%s is not suspended (%s): %s would start the application again in the middle of the move", r.Value.Object, r.Value.How, toolName(by))}
	default:
		return []engine.Finding{{ID: "reconciliation-unknown", Field: "server.managedBy", Source: sourceHandOff,
			Fix:  suspendHint(by, rel.ManagerObject) + "; then accept with the word " + AcceptSuspended,
			What: fmt.Sprintf("whether %s is suspended could not be checked: %s", cmp.Or(rel.ManagerObject.String(), toolName(by)), cmp.Or(r.Why, "there is no such object in this cluster"))}}
	}
}

// checkCredentials refuses a Secret that lacks what the switched release reads
// and that somebody else keeps: it is referenced, never written.
func checkCredentials(o Observation, e mover.Engine) []engine.Finding {
	c := o.store(e).Credentials
	if !c.Is() || c.Value.Matches || c.Value.Owner == "" {
		return nil
	}
	return []engine.Finding{block("secret-owned", server.FieldOf(e, "external", "password"), sourceHandOff,
		"add to the source of Secret "+c.Value.Name+" what is missing, under the keys "+strings.Join(credentialKeys(o, e), " and "),
		"%s keeps Secret %s, so it is not written, and it does not fit: %s", c.Value.Owner, c.Value.Name, c.Value.Problem)}
}

// unmanaged blocks where the file and the release do not agree on who
// reconciles it.
func unmanaged(s *spec.Spec, rel server.Release) []engine.Finding {
	manager, evidence, fix := rel.Manager, rel.Evidence, ""
	declared := s.Server.ManagedBy
	switch {
	case toolNames[rel.Manager] != "":
		fix = "declare server.managedBy: " + string(rel.Manager) + " to hand the switch off to it"
	case toolNames[declared] != "":
		manager, evidence = declared, "server.managedBy says so, and "+cmp.Or(rel.Evidence, "the release shows no sign of it")
		fix = "correct server.managedBy, or see that the tool marks the release's objects"
	default:
		return nil
	}
	return []engine.Finding{block("release-managed", "server.managedBy", sourceHandOff, fix,
		"%s reconciles the release (%s) and would undo or fight a helm upgrade", toolName(manager), evidence)}
}

func suspendHint(by spec.ManagedBy, m server.ManagerObject) string {
	name := cmp.Or(m.Name, "NAME")
	if by == spec.ManagedByArgoCD {
		return "argocd app set " + name + " --sync-policy none"
	}
	return "flux suspend " + strings.ToLower(cmp.Or(m.Kind, "HelmRelease")) + " " + name + " -n " + cmp.Or(m.Namespace, "NAMESPACE")
}

// handOffStep takes the place of the switch where a tool has to do it.
func handOffStep(s *spec.Spec, o Observation, parts []Part, by spec.ManagedBy) engine.Step {
	rel := o.Release.Value
	st := engine.NewStep(ActHandOff, rel.Name, "Hand the switch off to "+toolName(by))
	st.Risk, st.Accept = engine.Outage, AcceptOutage
	rests := by == spec.ManagedByTerraform || o.Reconciliation.Is() && o.Reconciliation.Value.Suspended
	if !rests && !openMove(o) {
		st.Accept = AcceptSuspended
	}
	for _, p := range parts {
		st.Changes = append(st.Changes, switchChanges(s, rel, p)...)
		st.Details = append(st.Details, trustLines(rel, p)...)
	}
	st.Reason = toolName(by) + " reconciles the release and would undo a helm upgrade behind its back"
	st.Details = append([]string{
		"the application is held at 0 until every workload references the target",
		"then commit these values and let " + toolName(by) + " apply them: " + strings.Join(strings.Fields(valuesLine(s, rel, parts)), " "),
	}, st.Details...)
	st.Estimate = engine.Estimate{Low: time.Minute, High: 30 * time.Minute, Assumption: "somebody commits the values and resumes the reconciliation"}.Down()
	return st
}

// wantedTree is the values change that points the release at the target.
func wantedTree(s *spec.Spec, rel server.Release, parts []Part) map[string]any {
	return switchChange(s, rel, parts).Set
}

// valuesText is it as YAML.
func valuesText(s *spec.Spec, rel server.Release, parts []Part) string {
	var b strings.Builder
	writeYAML(&b, wantedTree(s, rel, parts), "")
	return b.String()
}

// valuesLine is it on one line, in YAML's flow style.
func valuesLine(s *spec.Spec, rel server.Release, parts []Part) string {
	line := flowYAML(wantedTree(s, rel, parts))
	return strings.TrimSuffix(strings.TrimPrefix(line, "{"), "}")
}

func writeYAML(b *strings.Builder, tree map[string]any, indent string) {
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		if below, ok := tree[key].(map[string]any); ok {
			b.WriteString(indent + key + ":\n")
			writeYAML(b, below, indent+"  ")
			continue
		}
		b.WriteString(indent + key + ": " + scalarYAML(tree[key]) + "\n")
	}
}

func flowYAML(tree map[string]any) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		if below, ok := tree[key].(map[string]any); ok {
			out = append(out, key+": "+flowYAML(below))
			continue
		}
		out = append(out, key+": "+scalarYAML(tree[key]))
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// scalarYAML quotes every string: a host name may read as a number, and
// double-quoted YAML takes what Go's quoting gives for printable text.
func scalarYAML(v any) string {
	if list, ok := v.([]any); ok {
		out := make([]string, len(list))
		for i, entry := range list {
			out[i] = scalarYAML(entry)
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	if text, ok := v.(string); ok {
		return strconv.Quote(text)
	}
	return server.ValueText(v)
}

// asRun is the release as it runs. Argo CD renders charts itself and keeps no
// Helm record: where one is left of an earlier time, what every workload names
// is the truth. User and Secret are what the file says, which were handed off
// together with the host.
func asRun(s *spec.Spec, rel server.Release, ws []server.Workload, move Move) server.Release {
	if managed(s, rel) != spec.ManagedByArgoCD {
		return rel
	}
	for _, e := range engines {
		d := server.Declared(s, e)
		if d == nil || d.External == nil || !rel.Store(e).Internal || !runsOutside(s, rel, ws, move, e, *d) {
			continue
		}
		x := d.External.Endpoint
		store := server.ReleaseStore{Hosts: x.Hosts, Username: x.Username, ExistingSecret: kindOf(e).Credentials, FullName: rel.Store(e).FullName}
		if len(x.Hosts) == 0 {
			store.Host, store.Port = x.Host, x.Port
		}
		*kindOf(e).Released(&rel) = store
	}
	return rel
}

// runsOutside tells whether the workloads name the external server and not the
// internal one. What named it before is on the record of the move that pointed
// them there; without one, no workload may name the internal server at all.
func runsOutside(s *spec.Spec, rel server.Release, ws []server.Workload, move Move, e mover.Engine, d server.Declaration) bool {
	p := Part{Engine: e, To: spec.External, External: d.External.At(), Outside: server.ExternalSide(*d.External), Internal: rel.Store(e)}
	source, target := p.servers(s, rel)
	if was := move.part(e); was != nil && was.To == spec.External {
		p.Named = was.Named
	} else if slices.ContainsFunc(ws, func(w server.Workload) bool { return len(server.PlacesNaming(w, source)) > 0 }) {
		return false
	}
	return notSwitched(ws, p, source, target) == ""
}

// lateHandOff refuses to build on a release that was pointed at the target
// only after the move had gone back: what the target holds is an old copy.
func lateHandOff(o Observation, e mover.Engine) []engine.Finding {
	m, rel := o.Move.Value, o.Release.Value
	p := m.part(e)
	if !o.Move.Is() || m.Phase != MoveReverted || m.HandOff == nil || p == nil || rel.Store(e).Internal {
		return nil
	}
	return []engine.Finding{block("handed-off-late", server.FieldOf(e, "location"), sourceHandOff,
		"stop the application, take the values of the move back, let "+toolName(m.HandOff.By)+" apply that, look at both sides, then plan again",
		"move %s went back on %s, and the release was pointed at %s all the same: it holds the copy of then, and writes may be on both sides",
		m.ID, when(m.Resumed), p.External)}
}
