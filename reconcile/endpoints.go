package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// internalSuperuser is the superuser of the internal PostgreSQL (operator
// guide of Server 4.x).
const internalSuperuser = "postgres"

// sides says how a mover reaches both sides of the PostgreSQL datastore.
// Source is nil when there is no internal server to look at.
type sides struct {
	Source, Target             *Endpoint
	SourceSecret, TargetSecret *spec.SecretRef
	TargetCA                   *spec.SecretRef
}

func sidesOf(s *spec.Spec, rel Release, store Observed[InternalStore], mv Observed[Move]) sides {
	var out sides
	if pg := s.Datastores.PostgreSQL; pg != nil && pg.External != nil {
		e := pg.External
		out.Target = &Endpoint{Host: e.Host, Port: e.Port, Username: e.Username, TLSMode: string(e.TLS.Mode)}
		password := e.Password
		out.TargetSecret, out.TargetCA = &password, e.TLS.CA
	}
	if store.Is() && store.Value.StatefulSet.Is() {
		key := sourceSecret(rel, store.Value, mv)
		out.Source = &Endpoint{Host: rel.Postgres.FullName, Port: 5432, Username: internalSuperuser, TLSMode: "prefer"}
		out.SourceSecret = &spec.SecretRef{Secret: &key}
	}
	return out
}

// sourceSecret finds the key with the internal superuser's password: 4.x
// Secrets hold postgres-password, 3.x ones postgresql-password, and the
// vendor's page reads the wrong one of the two.
func sourceSecret(rel Release, store InternalStore, mv Observed[Move]) spec.SecretKey {
	if mv.Is() && mv.Value.Open() && mv.Value.SourceSecret.Name != "" {
		return mv.Value.SourceSecret
	}
	key := spec.SecretKey{Name: rel.Postgres.FullName, Key: "postgres-password"}
	if rel.Postgres.Internal && rel.Postgres.ExistingSecret != "" {
		key.Name = rel.Postgres.ExistingSecret
	}
	if store.Secret.Is() && !slices.Contains(store.Secret.Value.Keys, key.Key) &&
		slices.Contains(store.Secret.Value.Keys, "postgresql-password") {
		key.Key = "postgresql-password"
	}
	return key
}

// inspectJob is the Job that looks at both sides.
func inspectJob(in sides, installation string) MoverJob {
	req := MoverRequest{
		Operation: OpInspect, Engine: PostgreSQL, Source: in.Source, Target: in.Target,
		Installation: installation,
	}
	job := MoverJob{
		Request: req, Source: in.SourceSecret, Target: in.TargetSecret, TargetCA: in.TargetCA,
		Deadline: 3 * time.Minute,
	}
	job.Name = "circleci-dr-inspect-" + subjectOf(in, installation)[:10]
	return job
}

// subjectOf is the digest of what an inspection would look at.
func subjectOf(in sides, installation string) string {
	data, err := json.Marshal(struct {
		S            sides
		Installation string
	}{in, installation})
	if err != nil { // plain structs of strings and numbers always marshal
		panic(err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
