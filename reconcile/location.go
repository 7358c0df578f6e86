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

const locationField = "datastores.postgresql.location"

// The words that accept a danger.
const (
	AcceptOutage         = "outage"
	AcceptRemoveInternal = "remove-internal-database"
)

func wantsSwitch(s *spec.Spec, rel Release) bool {
	pg := s.Datastores.PostgreSQL
	return pg != nil && pg.Location == spec.External && pg.External != nil && rel.Postgres.Internal
}

func nextEpoch(l Observed[Lineage]) int { return l.Value.Epoch + 1 }

// switchChange is the Helm upgrade that points the release at the external
// server and changes nothing else.
func switchChange(s *spec.Spec, rel Release, move string) ReleaseChange {
	e := s.Datastores.PostgreSQL.External
	block := map[string]any{
		"internal":       false,
		"postgresqlHost": e.Host,
		"postgresqlPort": e.Port,
		"auth":           map[string]any{"username": e.Username, "existingSecret": CredentialsName},
	}
	if atLeast(rel.ChartVersion, 4, 9) { // the key appeared in 4.9
		block["secureMode"] = e.TLS.Mode != spec.TLSDisable
	}
	name := rel.Postgres.FullName
	return ReleaseChange{
		Set:        map[string]any{"postgresql": block},
		Keep:       []string{"StatefulSet/" + name, "Service/" + name, "Secret/" + name},
		HoldAtZero: true, Description: "circleci-dr switch " + move,
	}
}

// switched tells whether the release reads the external server of the spec.
func switched(s *spec.Spec, rel Release) bool {
	pg := s.Datastores.PostgreSQL
	if pg == nil || pg.External == nil || rel.Postgres.Internal {
		return false
	}
	e := pg.External
	return rel.Postgres.Host == e.Host && rel.Postgres.Port == e.Port && rel.Postgres.Username == e.Username
}

// planLocation plans where PostgreSQL lives. It is the policy of docs/moving-postgresql.md.
func planLocation(s *spec.Spec, o Observation) ([]Step, []Finding) {
	pg := s.Datastores.PostgreSQL
	rel, move := o.Release.Value, o.Postgres.Move
	switch {
	case pg == nil && openMove(o):
		return planOtherWay(o)
	case pg == nil:
		return nil, nil
	case openMove(o) && move.Value.Phase == MoveCommitted && rel.Postgres.Internal:
		return nil, []Finding{twoTruths(rel, committedLineage(move.Value))}
	case openMove(o) && pg.Location == spec.External && move.Value.Target == endpointOf(pg.External):
		return remaining(s, o), nil
	case openMove(o):
		return planOtherWay(o)
	case pg.Location == spec.External && rel.Postgres.Internal:
		if l := o.Postgres.Lineage; l.Is() && l.Value.Authoritative == spec.External {
			return nil, []Finding{twoTruths(rel, l.Value)}
		}
		return moveOut(s, o), nil
	case pg.Location == spec.External:
		return settledExternal(s, o)
	case !rel.Postgres.Internal:
		return nil, []Finding{block("move-back", locationField, sourceDocs, "set "+locationField+" to external, as it is",
			"PostgreSQL lives at %s:%d and the spec says internal: moving back is not in this version", rel.Postgres.Host, rel.Postgres.Port)}
	}
	return nil, nil
}

// twoTruths is the release that was pointed back at the old database after a
// switch: both sides may hold writes, and nobody may choose silently.
func twoTruths(rel Release, l Lineage) Finding {
	return block("two-truths", locationField, sourceDocs,
		fmt.Sprintf("stop the application, then point the release at %s again: helm get values %s -n %s shows the block to restore", l.Endpoint, rel.Name, rel.Namespace),
		"the release reads the internal PostgreSQL again although %s is authoritative since %s (epoch %d); writes made meanwhile are on the wrong side",
		l.Endpoint, l.At.UTC().Format(time.RFC3339), l.Epoch)
}

// committedLineage is what a committed move wrote, for a cluster whose record
// may have been lost since.
func committedLineage(m Move) Lineage {
	return Lineage{Epoch: m.Epoch, Authoritative: m.To, Endpoint: m.Target, Move: m.ID, At: m.Opened}
}

// planOtherWay handles an unfinished move that the spec no longer wants.
func planOtherWay(o Observation) ([]Step, []Finding) {
	m := o.Postgres.Move.Value
	if m.Phase == MoveCommitted {
		return nil, []Finding{block("move-committed", locationField, sourceDocs, "finish it: set the spec to "+string(m.To)+" "+m.Target+" and apply",
			"move %s is committed to %s and can only go forward", m.ID, m.Target)}
	}
	return []Step{goBackStep(fmt.Sprintf("move %s to %s was begun and the spec no longer asks for it", m.ID, m.Target))}, nil
}

func goBackStep(reason string) Step {
	step := newStep(ActGoBack, string(PostgreSQL), "Bring the application back on the internal PostgreSQL")
	step.Reason = reason
	step.Estimate = Estimate{Low: 10 * time.Second, High: 2 * time.Minute}
	return step
}

// settledExternal is the state after a move, or an adopted external server.
func settledExternal(s *spec.Spec, o Observation) ([]Step, []Finding) {
	rel := o.Release.Value
	var steps []Step
	if !switched(s, rel) {
		return nil, []Finding{block("other-external", targetField, sourceDocs, "write the server the release uses into the spec; moving between external servers is not in this version",
			"the release uses %s@%s:%d, the spec says %s@%s", rel.Postgres.Username, rel.Postgres.Host, rel.Postgres.Port,
			s.Datastores.PostgreSQL.External.Username, endpointOf(s.Datastores.PostgreSQL.External))}
	}
	if rel.Postgres.ExistingSecret == CredentialsName && needsCredentials(o) {
		steps = append(steps, credentialsStep(s, o))
	}
	return steps, nil
}

func needsCredentials(o Observation) bool {
	c := o.Postgres.Credentials
	return c.IsNot() || c.Is() && !c.Value.Matches
}

// moveOut is the whole move. Its first steps may find their work done; they
// stand in the plan all the same, so that a plan made after a failed attempt
// reads like the first one.
func moveOut(s *spec.Spec, o Observation) []Step {
	rel := o.Release.Value
	e := s.Datastores.PostgreSQL.External
	m := Move{ID: MoveID(PostgreSQL, nextEpoch(o.Postgres.Lineage)), Target: endpointOf(e)}
	if openMove(o) {
		m.ID = o.Postgres.Move.Value.ID
	}
	z := measured(o)
	steps := []Step{
		credentialsStep(s, o), protectStep(o), recordStep(o), quiesceStep(o, z),
		fenceStep(rel), copyStep(s, o, z), proveStep(z), switchStep(s, rel, o),
		commitStep(m), resumeStep(o, m.Target), settleStep(), removeStep(o),
	}
	return chain(steps)
}

// chain makes each step need the one before it.
func chain(steps []Step) []Step {
	for i := 1; i < len(steps); i++ {
		steps[i].Needs = []StepID{steps[i-1].ID}
	}
	return steps
}

// remaining is what is left of an unfinished move, by looking.
func remaining(s *spec.Spec, o Observation) []Step {
	m := o.Postgres.Move.Value
	if m.Phase == MoveReturning {
		back := goBackStep(fmt.Sprintf("the way back of move %s was cut off; it ends before the move begins anew", m.ID))
		return chain(append([]Step{back}, moveOut(s, o)...))
	}
	done := map[ActionKind]bool{ActCredentials: !needsCredentials(o)}
	if m.Phase == MoveCommitted {
		for _, k := range []ActionKind{ActProtect, ActRecord, ActQuiesce, ActFence, ActCopy, ActProve, ActSwitch} {
			done[k] = true
		}
		done[ActCommit] = !m.Deciding
		done[ActResume] = !m.Resumed.IsZero() && atRecorded(o.Workloads.Value, m.Replicas)
	} else {
		done[ActRecord] = len(m.Replicas) > 0 && recordStands(o.Workloads.Value, m)
		done[ActQuiesce] = stopped(o.Workloads.Value) && !m.Quiesced.IsZero()
		done[ActFence] = m.Fence != nil && m.Fence.Fence.ID == m.FenceID()
		done[ActCopy] = m.Copy != nil && m.Copy.Fence == m.FenceID()
		done[ActProve] = m.Proof != nil && m.Proof.Equal() && m.Proof.Fence == m.FenceID() && !o.Release.Value.Postgres.Internal
	}
	done[ActRemove] = o.Postgres.Internal.Is() && o.Postgres.Internal.Value.StatefulSet.IsNot()
	var steps []Step
	for _, st := range moveOut(s, o) {
		if !done[st.Action] {
			st.Needs = nil
			steps = append(steps, st)
		}
	}
	return chain(steps)
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

func measured(o Observation) sizes {
	var z sizes
	if in := o.Postgres.Inspection; in.Is() && in.Value.Source != nil && in.Value.Source.Database != nil {
		for _, db := range in.Value.Source.Database.Databases {
			z.bytes += db.Bytes
			z.tables += db.Tables
		}
	}
	if m := o.Postgres.Move; m.Is() && m.Value.Copy != nil && m.Value.Copy.Duration > 0 {
		z.rate = float64(m.Value.Copy.Bytes) / m.Value.Copy.Duration.Seconds()
	}
	for _, w := range o.Workloads.Value {
		z.pods += w.Replicas
	}
	return z
}

// ownerMap renames the internal superuser on a target whose admin role is no
// superuser, as a managed service gives it.
func ownerMap(s *spec.Spec, o Observation) map[string]string {
	in := o.Postgres.Inspection
	if !in.Is() || in.Value.Target == nil || in.Value.Target.Database == nil || in.Value.Target.Database.Role.Superuser {
		return nil
	}
	return map[string]string{internalSuperuser: s.Datastores.PostgreSQL.External.Username}
}

func newStep(kind ActionKind, object, title string) Step {
	return Step{ID: StepID(string(kind) + "/" + object), Action: kind, Title: title, Risk: Safe}
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
