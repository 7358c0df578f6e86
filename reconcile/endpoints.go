package reconcile

import (
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// sides are both sides of a datastore in the direction it moves, or would
// move. A side without an endpoint is not there to look at.
type sides struct {
	Engine         mover.Engine
	Source, Target server.MoverSide
	// Inwards tells that the source is the external side.
	Inwards bool
}

// heading is where a datastore moves, or would move: inwards only where the
// spec wants it inside and the release has it outside.
func heading(s *spec.Spec, o *Observation, e mover.Engine) spec.Location {
	if m := o.Move; m.Is() && m.Value.Open() {
		if p := m.Value.part(e); p != nil {
			return p.To
		}
	}
	if d := declared(s, e); d != nil && d.location == spec.Internal && o.Release.Is() && !o.Release.Value.Store(e).Internal {
		return spec.Internal
	}
	return spec.External
}

// sidesOf says how both sides are reached, as far as they are there: the
// internal one only while its StatefulSet is.
func sidesOf(s *spec.Spec, o *Observation, e mover.Engine) sides {
	var in, out server.MoverSide
	if store := o.store(e).Internal; store.Is() && store.Value.StatefulSet.Is() {
		in = internalSide(o.Release.Value.Store(e), e, internalSecret(o, e))
	}
	if d := declared(s, e); d != nil && d.external != nil {
		out = externalSide(*d.external)
	}
	return oriented(e, heading(s, o, e), in, out)
}

func oriented(e mover.Engine, to spec.Location, in, out server.MoverSide) sides {
	if to == spec.Internal {
		return sides{Engine: e, Source: out, Target: in, Inwards: true}
	}
	return sides{Engine: e, Source: in, Target: out}
}

// internalSide is the server in the release. Its TLS is the chart's own affair
// (postgresql.tls); inside the cluster it is used where it is offered.
func internalSide(live server.ReleaseStore, e mover.Engine, key spec.SecretKey) server.MoverSide {
	t := KindOf(e)
	endpoint := &mover.Endpoint{Host: live.FullName, Port: t.port, Username: t.superuser, TLSMode: "prefer"}
	t.inside(endpoint, live.FullName)
	return server.MoverSide{Endpoint: endpoint, Password: &spec.SecretRef{Secret: &key}}
}

func externalSide(x externalServer) server.MoverSide {
	endpoint, password := x.endpoint, x.password
	return server.MoverSide{Endpoint: &endpoint, Password: &password, CA: x.ca, Certificate: x.certificate}
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
	return secretInside(live, o.store(e).Internal.Value.Secret, e)
}

// secretInside is the key of the chart's Secret with the internal superuser's
// password, as far as the Secret was seen. 4.x Secrets hold postgres-password, 3.x
// ones postgresql-password, and the vendor's page reads the wrong one of the two.
func secretInside(live server.ReleaseStore, secret engine.Observed[server.SecretInfo], e mover.Engine) spec.SecretKey {
	t := KindOf(e)
	key := spec.SecretKey{Name: live.FullName, Key: t.chartKeys[0]}
	if live.Internal && live.ExistingSecret != "" {
		key.Name = live.ExistingSecret
	}
	if secret.Is() {
		for _, k := range t.chartKeys {
			if slices.Contains(secret.Value.Keys, k) {
				key.Key = k
				break
			}
		}
	}
	return key
}

// job is a mover Job on these sides.
func (in sides) job(name string, req mover.Request) server.MoverJob {
	req.Engine, req.Source, req.Target = in.Engine, in.Source.Endpoint, in.Target.Endpoint
	return server.MoverJob{Name: name, Request: req, Source: in.Source, Target: in.Target}
}

// inspectTime ends the Job that inspects.
const inspectTime = 3 * time.Minute

// inspectJob is the Job that looks at both sides.
func inspectJob(in sides, installation string) server.MoverJob {
	job := in.job("circleci-dr-inspect-"+subjectOf(in, installation)[:10], mover.Request{Operation: mover.OpInspect, Installation: installation})
	job.Deadline = inspectTime
	return job
}

// subjectOf is the digest of what an inspection would look at.
func subjectOf(in sides, installation string) string {
	return engine.Fingerprint(struct {
		S            sides
		Installation string
	}{in, installation})
}
