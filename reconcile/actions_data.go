package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// lookRead trusts a reading of this run only, or of the run that opened the
// move: it has to be no older than the outage it was made for.
func lookRead(_ context.Context, r *run, st engine.Step) (engine.Look, error) {
	p := r.part(st)
	if res := orValue(r.readOf(p.Engine), p.Read); res != nil {
		return engine.Look{Settled: true, Why: fmt.Sprintf("%s was read whole: %s in %d tables", p.Source(), mover.Bytes(res.Bytes), res.Tables)}, nil
	}
	return engine.Look{Why: p.Source() + " was not read yet"}, nil
}

func orValue[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func applyRead(ctx context.Context, r *run, st engine.Step) error {
	p := r.part(st)
	job := r.mover(mover.OpRead, p)
	job.Name = "circleci-dr-read-" + p.ID()
	res, err := runMover[mover.ReadResult](ctx, r, st, job)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read[p.Engine] = &res
	return nil
}

func (r *run) readOf(e mover.Engine) *mover.ReadResult {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read[e]
}

func lookFence(_ context.Context, r *run, st engine.Step) (engine.Look, error) {
	p := r.part(st)
	if f := p.Fence; f != nil && f.Fence.ID == r.move.FenceID(p) {
		return engine.Look{Settled: true, Why: p.Source() + " is " + f.Fence.Says()}, nil
	}
	return engine.Look{Why: p.Source() + " takes writes"}, nil
}

func applyFence(ctx context.Context, r *run, st engine.Step) error {
	p := r.part(st)
	res, err := runMover[mover.FenceResult](ctx, r, st, r.mover(mover.OpFence, p))
	if err != nil {
		return err
	}
	return r.savePart(ctx, p.Engine, func(p *Part) { p.Fence = &res })
}

func lookCopy(_ context.Context, r *run, st engine.Step) (engine.Look, error) {
	p := r.part(st)
	if c := p.Copy; c != nil && c.Fence == r.fenceID(p) {
		return engine.Look{Settled: true, Why: fmt.Sprintf("%d tables are copied under this fence", c.Tables)}, nil
	}
	return engine.Look{Why: "no finished copy under this fence"}, nil
}

func (r *run) fenceID(p Part) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.move.FenceID(p)
}

func applyCopy(ctx context.Context, r *run, st engine.Step) error {
	p := r.part(st)
	if kindOf(p.Engine).unfencedCopy {
		if err := r.lift(ctx, st, p); err != nil {
			return err
		}
	}
	res, err := runMover[mover.CopyResult](ctx, r, st, r.mover(mover.OpCopy, p))
	if err != nil {
		return err
	}
	return r.savePart(ctx, p.Engine, func(p *Part) { p.Copy = &res })
}

// lift takes the fence off a target that was the source of an earlier move: it
// stands there since that side lost its turn. The mover writes in spite of a
// fence of PostgreSQL, so that one stays until the commit: on the way back the
// release reads the target already, and somebody may start the application.
func (r *run) lift(ctx context.Context, st engine.Step, p Part) error {
	if p.Epoch < 2 { // no move came before; that this one replaces something a second attempt does not know
		return nil
	}
	in := r.sides(p)
	in.Source, in.Target = in.Target, server.MoverSide{}
	job := in.Job("circleci-dr-lift-"+r.fenceID(p), mover.Request{Operation: mover.OpUnfence, Installation: r.id, Move: p.ID(), Epoch: p.Epoch})
	job.Deadline = quickTime
	if _, err := runMover[json.RawMessage](ctx, r, st, job); err != nil {
		return fmt.Errorf("let %s take writes again: %w", p.Target(), err)
	}
	return nil
}

// lookProve trusts a proof of this run, and one that the switch was made on.
// Before the switch, an earlier run's proof is made again: the fence holds the
// source only, and anybody may have been at the target since.
func lookProve(ctx context.Context, r *run, st engine.Step) (engine.Look, error) {
	part := r.part(st)
	r.mu.Lock()
	proved := r.proved[part.Engine]
	r.mu.Unlock()
	switch p := part.Proof; {
	case p == nil || !p.Equal() || p.Fence != r.fenceID(part):
		return engine.Look{Why: "there is no proof under this fence"}, nil
	case proved:
		return engine.Look{Settled: true, Why: "both sides were compared and are equal"}, nil
	case part.To == spec.Internal:
		return engine.Look{Why: "the proof is of an earlier run; the target may have changed since"}, nil
	}
	rel, err := r.release(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	if rel.Store(part.Engine).Internal {
		return engine.Look{Why: "the proof is of an earlier run; the target may have changed since"}, nil
	}
	return engine.Look{Settled: true, Why: "both sides were equal when the release was switched"}, nil
}

// proven refuses to go on unless every part that moves there was compared and
// found equal under its fence, whatever the steps before this one were. A fork
// copies nothing: there the record of the target decides.
func (r *run) proven(to spec.Location) error {
	for _, p := range r.move.Parts {
		if p.To != to || p.Fork {
			continue
		}
		if p.Proof == nil || !p.Proof.Equal() || p.Proof.Fence != r.fenceID(p) {
			return fmt.Errorf("the data of %s on %s were not proven equal to those on %s, so nothing is pointed there", p.Engine.Title(), p.Target(), p.Source())
		}
	}
	return nil
}

// DifferentError means that the proof found the two sides unequal.
type DifferentError struct{ Proof mover.Proof }

// Error names the first differences; the report has all of them.
func (e *DifferentError) Error() string {
	var parts []string
	for _, d := range e.Proof.Differences {
		parts = append(parts, d.String())
	}
	if len(parts) == 0 {
		return "the proof compared nothing, so it proves nothing"
	}
	places := "places"
	if len(parts) == 1 {
		places = "place"
	}
	return fmt.Sprintf("source and target differ in %d %s: %s", len(parts), places, strings.Join(clip(parts, 12), "; "))
}

func applyProve(ctx context.Context, r *run, st engine.Step) error {
	part := r.part(st)
	job := r.mover(mover.OpProve, part)
	if part.Proof != nil { // its Job still holds the result of then
		if err := r.p.Movers.Stop(ctx, job.Name); err != nil {
			return err
		}
	}
	res, err := runMover[mover.Proof](ctx, r, st, job)
	if err != nil {
		return err
	}
	if !res.Equal() {
		// Kept, it would be adopted by the next attempt and fail it unasked.
		return errors.Join(&DifferentError{Proof: res}, r.p.Movers.Stop(context.WithoutCancel(ctx), job.Name))
	}
	if err := r.savePart(ctx, part.Engine, func(p *Part) { p.Proof = &res }); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.proved[part.Engine] = true
	return nil
}

func lookCommit(ctx context.Context, r *run, st engine.Step) (engine.Look, error) {
	p := r.part(st)
	name := server.RecordLineage(p.Engine)
	l, _ := engine.ReadRecord[server.Lineage](ctx, r.p.Records, name)
	switch {
	case l.Unread():
		return engine.Look{}, fmt.Errorf("read record %s: %s", name, l.Why)
	case l.Is() && l.Value.Epoch == p.Epoch && r.move.Phase == MoveCommitted && p.Committed && !r.move.Deciding:
		return engine.Look{Settled: true, Why: fmt.Sprintf("epoch %d is committed", l.Value.Epoch)}, nil
	}
	return engine.Look{Why: "the new epoch is not committed"}, nil
}

func applyCommit(ctx context.Context, r *run, st engine.Step) error {
	p := r.part(st)
	if err := r.proven(p.To); err != nil {
		return err
	}
	return r.commit(ctx, st, p)
}

// commit writes the epoch on both servers first and in the cluster last: the
// cluster's record is what the next run believes. A move of several parts is
// decided with the first: from then on the others follow.
func (r *run) commit(ctx context.Context, st engine.Step, p Part) error {
	if err := r.saveMove(ctx, func(m *Move) { m.Deciding = true }); err != nil {
		return err
	}
	// One of a killed run would take the commit back when it ends.
	if err := r.p.Movers.Stop(ctx, JobName(mover.OpWithdraw, r.move, p)); err != nil {
		return err
	}
	job := r.mover(mover.OpCommit, p)
	if p.Proof != nil {
		job.Request.Counters = p.Proof.Counters
	}
	if _, err := runMover[json.RawMessage](ctx, r, st, job); err != nil {
		return err
	}
	if kindOf(p.Engine).unfencedCommit {
		if err := r.lift(ctx, st, p); err != nil {
			return err
		}
	}
	l := server.Lineage{
		Epoch: p.Epoch, Authoritative: p.To, Endpoint: p.External, Move: r.move.ID, At: r.p.Now(),
		Internal: p.Internal, InternalVersion: p.InternalVersion, InternalSecret: p.InternalSecret,
	}
	if err := engine.ReplaceRecord(ctx, r.p.Records, server.RecordLineage(p.Engine), l); err != nil {
		return err
	}
	return r.saveMove(ctx, func(m *Move) {
		m.part(p.Engine).Committed = true
		m.Phase, m.Deciding = MoveCommitted, false
	})
}
