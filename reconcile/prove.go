package reconcile

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Prove compares the internal and the external side of a datastore now, both
// read whole. It is inconclusive where one of them is not there any more.
func Prove(ctx context.Context, s *spec.Spec, p server.Providers, e mover.Engine, progress mover.Progress) (mover.Proof, error) {
	var proof mover.Proof
	o := Observe(ctx, s, p, ObserveOptions{})
	if missing := unread(s, o); len(missing) > 0 {
		return proof, &UnreadableError{What: missing}
	}
	in := sidesOf(s, &o, e)
	inside, outside := in.Source, in.Target
	if in.Inwards {
		inside, outside = outside, inside
	}
	switch {
	case outside.Endpoint == nil:
		return proof, fmt.Errorf("prove: the spec names no external %s to compare with", e.Title())
	case inside.Endpoint == nil:
		return proof, &UnreadableError{What: []string{"internal " + e.Title() + ": it does not run, so there is nothing to compare with" + lastProof(o, e)}}
	}
	req := mover.Request{Operation: mover.OpProve, Installation: server.InstallationID(o.Cluster.Value, s.Server), Streams: s.Mover.Streams, Thorough: true}
	if part := o.Move.Value.part(e); part != nil && (part.To == spec.Internal) == in.Inwards {
		req.Move, req.Epoch, req.OwnerMap = part.ID(), part.Epoch, part.OwnerMap
	}
	job := in.Job("circleci-dr-prove-again-"+server.SubjectOf(in, req.Installation)[:10], req)
	job.Deadline = longTime
	raw, err := p.Movers.Run(ctx, job, progress)
	if err != nil {
		return proof, err
	}
	if err := json.Unmarshal(raw, &proof); err != nil {
		return proof, fmt.Errorf("read the proof: %w", err)
	}
	return proof, nil
}

func lastProof(o Observation, e mover.Engine) string {
	part := o.Move.Value.part(e)
	if part == nil || part.Proof == nil {
		return ""
	}
	return fmt.Sprintf(" (they were proven equal on %s, before the switch)", when(part.Proof.At))
}
