package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// heading is where a datastore moves, or would move: inwards only where the
// spec wants it inside and the release has it outside.
func heading(s *spec.Spec, o *Observation, e mover.Engine) spec.Location {
	if m := o.Move; m.Is() && m.Value.Open() {
		if p := m.Value.part(e); p != nil {
			return p.To
		}
	}
	if d := server.Declared(s, e); d != nil && d.Location == spec.Internal && o.Release.Is() && !o.Release.Value.Store(e).Internal {
		return spec.Internal
	}
	return spec.External
}

// sidesOf says how both sides are reached, as far as they are there: the
// internal one only while its StatefulSet is.
func sidesOf(s *spec.Spec, o *Observation, e mover.Engine) server.Sides {
	var in, out server.MoverSide
	if store := o.store(e).Internal; store.Is() && store.Value.StatefulSet.Is() {
		in = server.InternalSide(o.Release.Value.Store(e), e, internalSecret(o, e))
	}
	if d := server.Declared(s, e); d != nil && d.External != nil {
		out = server.ExternalSide(*d.External)
	}
	return server.Oriented(e, heading(s, o, e), in, out)
}

// internalSecret finds the key with the internal superuser's password: the one
// on record where a move is open or over, else the one that the chart's Secret
// has.
func internalSecret(o *Observation, e mover.Engine) spec.SecretKey {
	if m := o.Move; m.Is() && m.Value.Open() {
		if p := m.Value.part(e); p != nil && p.InternalSecret.Name != "" {
			return p.InternalSecret
		}
	}
	live := o.Release.Value.Store(e)
	if l := o.store(e).Lineage; !live.Internal && l.Is() && l.Value.InternalSecret.Name != "" {
		return l.Value.InternalSecret
	}
	return server.SecretInside(live, o.store(e).Internal.Value.Secret, e)
}
