package mongo

import (
	"context"
	"maps"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// withdraw takes a commit back, unless the application has written to the
// target since. The target goes first: between the two halves no side says it
// is authoritative, and either a commit or a withdrawal goes on from there.
//
// A wrong "nothing was written" would lose data, a wrong "something was" only
// means forward. So every doubt counts as a write or as an error.
func (m *job) withdraw(ctx context.Context) error {
	l, err := m.target.readLineage(ctx)
	if err != nil {
		return err
	}
	ours := l != nil && l.Installation == m.req.Installation && l.Move == m.req.Move
	switch {
	case ours && l.State == stateAuthoritative:
		if err := m.takeBack(ctx, *l); err != nil {
			return err
		}
	case l.everAuthoritative():
		return failf(targetSide, mover.CodeInconclusive, "withdraw the commit: the target is %s by move %q, not by %q", l.State, l.Move, m.req.Move)
	}
	return m.reinstate(ctx)
}

// reinstate makes the source the truth again, if this move superseded it.
func (m *job) reinstate(ctx context.Context) error {
	l, err := m.source.readLineage(ctx)
	if err != nil {
		return err
	}
	if l == nil || l.State != stateSuperseded || l.Installation != m.req.Installation || l.Move != m.req.Move {
		return nil
	}
	l.State = stateAuthoritative
	return m.markBehindFence(ctx, *l)
}

// takeBack makes the target a mere copy again.
func (m *job) takeBack(ctx context.Context, l lineage) error {
	held, h, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer h.release(ctx)
	if err := m.unwritten(held, l); err != nil {
		return h.orTakenOver(ctx, err)
	}
	if err := h.guard(held); err != nil {
		return err
	}
	l.State, l.Baseline = stateCopied, nil
	return m.target.writeLineage(held, l)
}

// unwritten fails with CodeMoved unless the target is as the commit left it:
// its counters say so, and then the documents themselves, which must still be
// the source's. The counters are read once more at the end: somebody may have
// come meanwhile.
func (m *job) unwritten(ctx context.Context, l lineage) error {
	if len(l.Baseline) == 0 {
		return failf(targetSide, mover.CodeInconclusive, "withdraw the commit: the target holds no record of how it was then")
	}
	if _, err := m.target.endSessions(ctx); err != nil {
		return err
	}
	if err := m.sameAsCommitted(ctx, l); err != nil {
		return err
	}
	source, target, err := m.readFacts(ctx)
	if err != nil {
		return err
	}
	p := &proof{job: m}
	if err := p.compareDatabases(ctx, source.databases, target.databases); err != nil {
		return err
	}
	if len(p.Proof.Differences) > 0 {
		d := p.Proof.Differences[0]
		return failf(targetSide, mover.CodeMoved, "withdraw the commit: the sides differ since: %s %s.%s: %s", d.Kind, d.Database, d.Object, d.What)
	}
	return m.sameAsCommitted(ctx, l)
}

func (m *job) sameAsCommitted(ctx context.Context, l lineage) error {
	databases, err := m.target.databases(ctx)
	if err != nil {
		return err
	}
	now, err := m.target.readCounters(ctx, names(databases))
	if err != nil {
		return err
	}
	if !maps.Equal(l.Baseline, now) {
		return failf(targetSide, mover.CodeMoved, "withdraw the commit: the target was written to since")
	}
	return nil
}
