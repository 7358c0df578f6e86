package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

func lookFence(_ context.Context, r *run, _ Step) (Look, error) {
	if f := r.move.Fence; f != nil && f.Fence.ID == r.move.FenceID() {
		return Look{true, "the internal database is read-only"}, nil
	}
	return Look{Why: "the internal database takes writes"}, nil
}

func applyFence(ctx context.Context, r *run, st Step) error {
	res, err := runMover[FenceResult](ctx, r, st, r.mover(OpFence))
	if err != nil {
		return err
	}
	return r.saveMove(ctx, func(m *Move) { m.Fence = &res })
}

func lookCopy(_ context.Context, r *run, _ Step) (Look, error) {
	if c := r.move.Copy; c != nil && c.Fence == r.move.FenceID() {
		return Look{true, fmt.Sprintf("%d tables are copied under this fence", c.Tables)}, nil
	}
	return Look{Why: "no finished copy under this fence"}, nil
}

func applyCopy(ctx context.Context, r *run, st Step) error {
	res, err := runMover[CopyResult](ctx, r, st, r.mover(OpCopy))
	if err != nil {
		return err
	}
	return r.saveMove(ctx, func(m *Move) { m.Copy = &res })
}

// lookProve trusts a proof of this run, and one that the switch was made on.
// Before the switch, an earlier run's proof is made again: the fence holds the
// source only, and anybody may have been at the target since.
func lookProve(ctx context.Context, r *run, _ Step) (Look, error) {
	switch p := r.move.Proof; {
	case p == nil || !p.Equal() || p.Fence != r.move.FenceID():
		return Look{Why: "there is no proof under this fence"}, nil
	case r.proved:
		return Look{true, "both sides were compared and are equal"}, nil
	}
	rel, err := r.release(ctx)
	if err != nil {
		return Look{}, err
	}
	if rel.Postgres.Internal {
		return Look{Why: "the proof is of an earlier run; the target may have changed since"}, nil
	}
	return Look{true, "both sides were equal when the release was switched"}, nil
}

// DifferentError means that the proof found the two sides unequal.
type DifferentError struct{ Proof Proof }

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

// String says one difference in one line.
func (d Difference) String() string {
	out := fmt.Sprintf("%s %s in database %s: %s", d.Kind, d.Object, d.Database, d.What)
	if d.Database == "" {
		out = fmt.Sprintf("%s %s: %s", d.Kind, d.Object, d.What)
	}
	if d.Source != "" || d.Target != "" {
		out += fmt.Sprintf(" (source %s, target %s)", orNone(d.Source), orNone(d.Target))
	}
	return out
}

func applyProve(ctx context.Context, r *run, st Step) error {
	job := r.mover(OpProve)
	if r.move.Proof != nil { // its Job still holds the result of then
		if err := r.p.Movers.Stop(ctx, job.Name); err != nil {
			return err
		}
	}
	res, err := runMover[Proof](ctx, r, st, job)
	if err != nil {
		return err
	}
	if !res.Equal() {
		// Kept, it would be adopted by the next attempt and fail it unasked.
		return errors.Join(&DifferentError{Proof: res}, r.p.Movers.Stop(ctx, job.Name))
	}
	if err := r.saveMove(ctx, func(m *Move) { m.Proof = &res }); err != nil {
		return err
	}
	r.proved = true
	return nil
}

func lookCommit(ctx context.Context, r *run, _ Step) (Look, error) {
	l, _ := readRecord[Lineage](ctx, r.p.Records, RecordLineage)
	switch {
	case l.Unread():
		return Look{}, fmt.Errorf("read record %s: %s", RecordLineage, l.Why)
	case l.Is() && l.Value.Epoch == r.move.Epoch && r.move.Phase == MoveCommitted && !r.move.Deciding:
		return Look{true, fmt.Sprintf("epoch %d is committed", l.Value.Epoch)}, nil
	}
	return Look{Why: "the new epoch is not committed"}, nil
}

// applyCommit writes the epoch on both servers first and in the cluster last:
// the cluster's record is what the next run believes.
func applyCommit(ctx context.Context, r *run, st Step) error {
	if err := r.saveMove(ctx, func(m *Move) { m.Deciding = true }); err != nil {
		return err
	}
	job := r.mover(OpCommit)
	if r.move.Proof != nil {
		job.Request.Counters = r.move.Proof.Counters
	}
	if _, err := runMover[json.RawMessage](ctx, r, st, job); err != nil {
		return err
	}
	l := Lineage{Epoch: r.move.Epoch, Authoritative: r.move.To, Endpoint: r.move.Target, Move: r.move.ID, At: r.p.Now()}
	if err := replaceRecord(ctx, r.p.Records, RecordLineage, l); err != nil {
		return err
	}
	return r.saveMove(ctx, func(m *Move) { m.Phase, m.Deciding = MoveCommitted, false })
}
