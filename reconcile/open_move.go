package reconcile

import (
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// planOpen plans how an unfinished move goes on, or back.
func planOpen(s *spec.Spec, o Observation) ([]engine.Step, []engine.Finding) {
	m, rel := o.Move.Value, o.Release.Value
	if m.Phase == MoveCommitted {
		var findings []engine.Finding
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
		if d := server.Declared(s, p.Engine); d == nil || d.Location != p.To || d.External == nil || !p.begunWith(*d.External) {
			return planOtherWay(o)
		}
		if chosen := o.Authoritative[p.Engine]; chosen != "" && (!p.Fork || chosen != p.To) {
			return nil, []engine.Finding{block("fork-choice", server.FieldOf(p.Engine, "location"), sourceForks, "leave "+choose(p.Engine, chosen)+" out, or end the move first",
				"move %s of %s to %s is not over, and %s would end it another way", m.ID, p.Engine.Title(), p.Target(), choose(p.Engine, chosen))}
		}
	}
	return remaining(s, o), nil
}

// committedLineage is what a committed move wrote, for a cluster whose record
// may have been lost since.
func committedLineage(m Move, p Part) server.Lineage {
	return server.Lineage{Epoch: p.Epoch, Authoritative: p.To, Endpoint: p.External, Move: m.ID, At: m.Opened}
}

// planOtherWay handles an unfinished move that the spec no longer wants.
func planOtherWay(o Observation) ([]engine.Step, []engine.Finding) {
	m := o.Move.Value
	if m.Phase == MoveCommitted {
		return nil, []engine.Finding{block("move-committed", server.FieldOf(m.Parts[0].Engine, "location"), sourceDocs,
			fmt.Sprintf("finish it: set the spec to %s %s and apply", m.Parts[0].To, m.Target()),
			"move %s is committed to %s and can only go forward", m.ID, m.Target())}
	}
	return []engine.Step{goBackStep(m, fmt.Sprintf("move %s to %s was begun and the spec no longer asks for it", m.ID, m.Target()))}, nil
}

func goBackStep(m Move, reason string) engine.Step {
	step := engine.NewStep(ActGoBack, m.ID, "Bring the application back on "+m.Source())
	step.Reason = reason
	step.Estimate = engine.Estimate{Low: 10 * time.Second, High: 2 * time.Minute}
	return step
}

// remaining is what is left of an unfinished move, by looking.
func remaining(s *spec.Spec, o Observation) []engine.Step {
	m := o.Move.Value
	if m.Phase == MoveReturning {
		back := goBackStep(m, fmt.Sprintf("the way back of move %s was cut off; it ends before the move begins anew", m.ID))
		return engine.Chain(append([]engine.Step{back}, moveSteps(s, o, m.Parts)...), beside)
	}
	var steps []engine.Step
	for _, st := range moveSteps(s, o, m.Parts) {
		if !settledInRecord(o, m, st) {
			steps = append(steps, st)
		}
	}
	return engine.Chain(steps, beside)
}

// settledInRecord tells from the move's record which steps are behind it.
func settledInRecord(o Observation, m Move, st engine.Step) bool {
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
			return !m.Resumed.IsZero() && server.AtRecorded(o.Workloads.Value, m.Replicas)
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
	case ActRehearse, ActUnrehearsed: // they come before the move is open
		return true
	case ActRead:
		return p.Read != nil
	case ActRecord:
		return len(m.Replicas) > 0 && recordStands(o.Workloads.Value, m)
	case ActQuiesce:
		return server.Stopped(o.Workloads.Value) && !m.Quiesced.IsZero()
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

// begunWith tells whether an external server is the one that a part of a move was
// begun with: the same server, reached as the same user.
func (p Part) begunWith(x server.ExternalServer) bool {
	return x.At() == p.External && (p.Outside.Endpoint == nil || p.Outside.Endpoint.Username == x.Endpoint.Username)
}
