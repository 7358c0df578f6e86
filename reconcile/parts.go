package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// partsWanted are the datastores that do not live where the spec says, as the
// parts of the move that would take them there. All go in one direction: where
// the spec wants both, outwards comes first and a finding says so.
func partsWanted(s *spec.Spec, o *Observation) []Part {
	var parts []Part
	for _, e := range engines {
		d, live, to := server.Declared(s, e), o.Release.Value.Store(e), spec.External
		if d == nil || d.External == nil || (d.Location == spec.Internal) == live.Internal {
			continue
		}
		if d.Location == spec.Internal {
			to = spec.Internal
		}
		if len(parts) > 0 && parts[0].To != to {
			continue
		}
		p := newPart(o, e, *d, to)
		p.Trust = trustOf(s, *o, p)
		parts = append(parts, p)
	}
	return parts
}

func newPart(o *Observation, e mover.Engine, d server.Declaration, to spec.Location) Part {
	lineage, live := o.store(e).Lineage, o.Release.Value.Store(e)
	p := Part{
		Engine: e, From: spec.Internal, To: to, Epoch: nextEpoch(lineage), External: d.External.At(), Outside: server.ExternalSide(*d.External),
		InternalSecret: internalSecret(o, e), Internal: live, Replaces: replaces(o, e, to),
	}
	if to == spec.Internal {
		p.From = spec.External
		p.Internal, p.InternalVersion = server.ReleaseStore{FullName: live.FullName}, 0
		if l := lineage; l.Is() {
			p.Internal, p.InternalVersion = l.Value.Internal, l.Value.InternalVersion
			p.Internal.FullName = live.FullName
		}
	} else if in := o.store(e).Inspection; in.Is() && in.Value.Source != nil && in.Value.Source.Database != nil {
		p.InternalVersion = in.Value.Source.Database.VersionNum
	}
	p.Fork = forkOf(o, e, to)
	p.OwnerMap = ownerMap(*d.External, o, e, to)
	return p
}

// replaces is the epoch at which the source took over from the target, when
// the cluster's record says that it did: what the target holds is old then.
func replaces(o *Observation, e mover.Engine, to spec.Location) int {
	l := o.store(e).Lineage
	if !l.Is() || l.Value.Authoritative == to {
		return 0
	}
	if to == spec.Internal {
		if !keptVolume(o.store(e).Internal.Value) {
			return 0
		}
		return l.Value.Epoch
	}
	if in := o.store(e).Inspection; in.Is() && in.Value.Target != nil && in.Value.Target.Database != nil {
		if mark := in.Value.Target.Database.Lineage; mark != nil && mark.State == "superseded" && mark.Epoch == l.Value.Epoch {
			return l.Value.Epoch
		}
	}
	return 0
}

func keptVolume(store server.InternalStore) bool { return len(store.Volumes) > 0 }

func nextEpoch(l engine.Observed[server.Lineage]) int { return l.Value.Epoch + 1 }

// ownerMap renames the superuser of one side to that of the other, where the
// external admin role is no superuser, as a managed service gives it.
func ownerMap(x server.ExternalServer, o *Observation, e mover.Engine, to spec.Location) map[string]string {
	in := o.store(e).Inspection
	if !kindOf(e).renames || !in.Is() {
		return nil
	}
	outside, from, into := in.Value.Target, kindOf(e).Superuser, x.Endpoint.Username
	if to == spec.Internal {
		outside, from, into = in.Value.Source, into, from
	}
	if outside == nil || outside.Database == nil || outside.Database.Role.Superuser {
		return nil
	}
	return map[string]string{from: into}
}
