package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// Prove compares the internal and the external database now, both read whole.
// It is inconclusive where one of them is not there any more.
func Prove(ctx context.Context, s *spec.Spec, p Providers, progress Progress) (Proof, error) {
	var proof Proof
	o := Observe(ctx, s, p, ObserveOptions{})
	if missing := unread(s, o); len(missing) > 0 {
		return proof, &UnreadableError{What: missing}
	}
	in := sidesOf(s, o.Release.Value, o.Postgres.Internal, o.Postgres.Move)
	switch {
	case in.Target == nil:
		return proof, errors.New("prove: the spec names no external PostgreSQL to compare with")
	case in.Source == nil:
		return proof, &UnreadableError{What: []string{"internal PostgreSQL: it does not run, so there is nothing to compare with" + lastProof(o)}}
	}
	m := o.Postgres.Move.Value
	req := MoverRequest{
		Operation: OpProve, Engine: PostgreSQL, Source: in.Source, Target: in.Target, Installation: InstallationID(o.Cluster.Value, s.Server),
		Move: m.ID, Epoch: m.Epoch, Streams: s.Mover.Streams, OwnerMap: m.OwnerMap, Thorough: true,
	}
	raw, err := p.Movers.Run(ctx, MoverJob{
		Name: "circleci-dr-prove-again-" + subjectOf(in, req.Installation)[:10], Request: req,
		Source: in.SourceSecret, Target: in.TargetSecret, TargetCA: in.TargetCA, Deadline: 72 * time.Hour,
	}, progress)
	if err != nil {
		return proof, err
	}
	if err := json.Unmarshal(raw, &proof); err != nil {
		return proof, fmt.Errorf("read the proof: %w", err)
	}
	return proof, nil
}

func lastProof(o Observation) string {
	m := o.Postgres.Move
	if !m.Is() || m.Value.Proof == nil {
		return ""
	}
	return fmt.Sprintf(" (they were proven equal on %s, before the switch)", when(m.Value.Proof.At))
}
