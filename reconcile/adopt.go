package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Going on with the internal side of a fork. The application is there already,
// so nothing is stopped, switched or copied: the records are set right, the
// external databases set aside, and a fence that still stands inside is lifted.
// The servers are told first and the cluster's record last, as in a commit.

// adoptable says why the internal side cannot be gone on with, or "".
func adoptable(s *spec.Spec, o Observation, e mover.Engine) string {
	d := server.Declared(s, e)
	switch {
	case !kindOf(e).setsAside:
		return "only PostgreSQL's databases can be set aside where they are"
	case !o.Release.Value.Store(e).Internal:
		return "the release reads the external side"
	case d == nil || d.Location != spec.Internal:
		return "the spec wants it external"
	case d.External == nil || d.External.At() != o.store(e).Lineage.Value.Endpoint:
		return "the spec has to say how " + o.store(e).Lineage.Value.Endpoint + " is reached, because its databases are set aside"
	}
	for _, at := range []spec.Location{spec.Internal, spec.External} {
		if side := o.inspected(e, at); side == nil || side.Database == nil || side.Database.Lineage == nil {
			return "the " + string(at) + " side could not be inspected, or has no mark of ours"
		}
	}
	return carriedUnknown(o, e, spec.External)
}

// adopting tells whether the internal side was chosen and not everything
// followed yet: the cluster's record says so, or only the server itself does.
func adopting(o Observation, e mover.Engine) bool {
	l := o.store(e).Lineage
	if !l.Is() || !o.Release.Value.Store(e).Internal {
		return false
	}
	if l.Value.Authoritative == spec.Internal {
		return l.Value.Adopting
	}
	side := o.inspected(e, spec.Internal)
	if side == nil || side.Database == nil || side.Database.Lineage == nil {
		return false
	}
	mark := side.Database.Lineage
	return mark.State == "authoritative" && mark.Epoch == nextEpoch(l) && strings.HasSuffix(mark.Move, chosen)
}

// chosen ends the name of what a person's choice began in place of a move.
const chosen = "-chosen"

// partAdopted is what goes from outside to inside by choice.
func partAdopted(o *Observation, e mover.Engine, d server.Declaration) Part {
	p := newPart(o, e, d, spec.Internal)
	p.Fork, p.Replaces, p.OwnerMap = true, 0, nil
	if l := o.store(e).Lineage.Value; l.Adopting {
		p.Epoch = l.Epoch
	}
	return p
}

// adopted are the parts of every datastore whose internal side is gone on with.
func adopted(s *spec.Spec, o *Observation) []Part {
	var parts []Part
	for _, e := range engines {
		d := server.Declared(s, e)
		if d == nil || d.External == nil || openMove(*o) {
			continue
		}
		if adopting(*o, e) || wrongSide(*o, e) && o.Authoritative[e] == spec.Internal && adoptable(s, *o, e) == "" {
			parts = append(parts, partAdopted(o, e, *d))
		}
	}
	return parts
}

// adoptSteps is what is to be done for one datastore.
func adoptSteps(s *spec.Spec, o Observation, e mover.Engine) []engine.Step {
	for _, p := range adopted(s, &o) {
		if p.Engine == e {
			return []engine.Step{ofEngine(e, adoptStep(o, p))}
		}
	}
	return nil
}

func adoptStep(o Observation, p Part) engine.Step {
	st := engine.NewStep(ActAdopt, p.ID(), "Go on with the internal "+p.Engine.Title()+", and set the external databases aside")
	st.Risk, st.Accept = engine.Destructive, AcceptDiscardExternal
	st.Reason = "both sides took writes and the internal one was chosen: what the external one took is kept, and the application will not see it"
	outside := o.inspected(p.Engine, spec.External)
	st.Changes, st.Details = asideChanges(outside, " on "+p.External, mover.AsideSuffix(p.Epoch))
	st.Details = append(st.Details, writesText(p.External, outside), writesText(p.Target(), o.inspected(p.Engine, spec.Internal)),
		"the application stays up; a fence that still stands on the internal side is lifted")
	st.Estimate = shortly
	return st
}

func lookAdopt(ctx context.Context, r *run, st engine.Step) (engine.Look, error) {
	p := r.adopt[engineOf(st)]
	l, _ := engine.ReadRecord[server.Lineage](ctx, r.p.Records, server.RecordLineage(p.Engine))
	switch {
	case l.Unread():
		return engine.Look{}, fmt.Errorf("read record %s: %s", server.RecordLineage(p.Engine), l.Why)
	case l.Is() && l.Value.Authoritative == spec.Internal && l.Value.Epoch == p.Epoch && !l.Value.Adopting:
		why := fmt.Sprintf("the internal %s is authoritative at epoch %d", p.Engine.Title(), p.Epoch)
		return engine.Look{Settled: true, Why: why + "; kept outside as " + keptText(l.Value.SetAside, l.Value.LeftAlone)}, nil
	}
	return engine.Look{Why: "the records name the external side, or not everything followed"}, nil
}

func applyAdopt(ctx context.Context, r *run, st engine.Step) error {
	p := r.adopt[engineOf(st)]
	ask := func(op mover.Operation, in server.Sides) server.MoverJob {
		job := in.Job(fmt.Sprintf("circleci-dr-adopt-%s-%s", op, p.ID()), mover.Request{Operation: op, Installation: r.id, Move: p.ID() + chosen, Epoch: p.Epoch, Fork: true})
		job.Deadline = quickTime
		return job
	}
	both := r.sides(p)
	if _, err := runMover[json.RawMessage](ctx, r, st, ask(mover.OpCommit, both)); err != nil {
		return err
	}
	l := server.Lineage{Epoch: p.Epoch, Authoritative: spec.Internal, Endpoint: p.External, Move: p.ID() + chosen, At: r.p.Now(), Adopting: true,
		Internal: p.Internal, InternalVersion: p.InternalVersion, InternalSecret: p.InternalSecret}
	if err := engine.ReplaceRecord(ctx, r.p.Records, server.RecordLineage(p.Engine), l); err != nil {
		return err
	}
	kept, err := runMover[mover.SetAsideResult](ctx, r, st, ask(mover.OpSetAside, server.Sides{Engine: p.Engine, Source: both.Source, Inwards: true}))
	if err != nil {
		return fmt.Errorf("set the external databases aside: %w", err)
	}
	lift := ask(mover.OpUnfence, server.Sides{Engine: p.Engine, Source: both.Target})
	lift.Request.Fork = false // whatever stands there ends
	if _, err := runMover[json.RawMessage](ctx, r, st, lift); err != nil {
		return fmt.Errorf("let the internal side take writes again: %w", err)
	}
	l.Adopting, l.SetAside, l.LeftAlone = false, kept.Databases, kept.LeftAlone
	return engine.ReplaceRecord(ctx, r.p.Records, server.RecordLineage(p.Engine), l)
}
