package server

import (
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Sides are both sides of a datastore in the direction it moves, or would
// move. A side without an endpoint is not there to look at.
type Sides struct {
	Engine         mover.Engine
	Source, Target MoverSide
	// Inwards tells that the source is the external side.
	Inwards bool
}

// Oriented are the sides of a datastore that moves to a location, of the one in the
// release and the one outside.
func Oriented(e mover.Engine, to spec.Location, in, out MoverSide) Sides {
	if to == spec.Internal {
		return Sides{Engine: e, Source: out, Target: in, Inwards: true}
	}
	return Sides{Engine: e, Source: in, Target: out}
}

// InternalSide is the server in the release. Its TLS is the chart's own affair
// (postgresql.tls); inside the cluster it is used where it is offered.
func InternalSide(live ReleaseStore, e mover.Engine, key spec.SecretKey) MoverSide {
	t := KindOf(e)
	endpoint := &mover.Endpoint{Host: live.FullName, Port: t.port, Username: t.Superuser, TLSMode: "prefer"}
	t.inside(endpoint, live.FullName)
	return MoverSide{Endpoint: endpoint, Password: &spec.SecretRef{Secret: &key}}
}

// ExternalSide is the server outside, as the spec declares it.
func ExternalSide(x ExternalServer) MoverSide {
	endpoint, password := x.Endpoint, x.Password
	return MoverSide{Endpoint: &endpoint, Password: &password, CA: x.CA, Certificate: x.Certificate}
}

// SecretInside is the key of the chart's Secret with the internal superuser's
// password, as far as the Secret was seen. 4.x Secrets hold postgres-password, 3.x
// ones postgresql-password, and the vendor's page reads the wrong one of the two.
func SecretInside(live ReleaseStore, secret engine.Observed[SecretInfo], e mover.Engine) spec.SecretKey {
	t := KindOf(e)
	key := spec.SecretKey{Name: live.FullName, Key: t.ChartKeys[0]}
	if live.Internal && live.ExistingSecret != "" {
		key.Name = live.ExistingSecret
	}
	if secret.Is() {
		for _, k := range t.ChartKeys {
			if slices.Contains(secret.Value.Keys, k) {
				key.Key = k
				break
			}
		}
	}
	return key
}

// Job is a mover Job on these sides.
func (in Sides) Job(name string, req mover.Request) MoverJob {
	req.Engine, req.Source, req.Target = in.Engine, in.Source.Endpoint, in.Target.Endpoint
	return MoverJob{Name: name, Request: req, Source: in.Source, Target: in.Target}
}

// inspectTime ends the Job that inspects.
const inspectTime = 3 * time.Minute

// InspectJob is the Job that looks at both sides.
func InspectJob(in Sides, installation string) MoverJob {
	job := in.Job("circleci-dr-inspect-"+SubjectOf(in, installation)[:10], mover.Request{Operation: mover.OpInspect, Installation: installation})
	job.Deadline = inspectTime
	return job
}

// SubjectOf is the digest of what an inspection would look at.
func SubjectOf(in Sides, installation string) string {
	return engine.Fingerprint(struct {
		S            Sides
		Installation string
	}{in, installation})
}
