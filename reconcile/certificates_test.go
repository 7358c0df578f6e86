package reconcile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/pkitest"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// authority is a private authority with what it vouches for.
type authority struct {
	*pkitest.Authority
	pem string
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	a, err := pkitest.NewAuthority(name)
	if err != nil {
		t.Fatal(err)
	}
	return authority{a, string(a.PEM)}
}

// shows is what a host with a certificate for these names shows.
func (a authority) shows(t *testing.T, host string, names ...string) mover.Presented {
	t.Helper()
	pair, err := a.Issue(x509.Certificate{Subject: pkix.Name{CommonName: "server"}, DNSNames: names})
	if err != nil {
		t.Fatal(err)
	}
	return mover.Presented{Host: host, Chain: string(pair.Certificate)}
}

func inBase64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestTheApplicationsTrustIsJudgedBeforeTheOutage(t *testing.T) {
	ours, other := newAuthority(t, "Our own"), newAuthority(t, "Another")
	m0 := ours.shows(t, "m0.example.com:27017", "m0.example.com")
	public := m0
	public.System = true
	announced := ours.shows(t, "m1.internal:27017", "m1.example.com")
	announced.Announced = true
	gone := mover.Presented{Host: "m2.internal:27017", Announced: true, Error: "no such host"}
	der, _ := pem.Decode([]byte(ours.pem))
	ca := spec.SecretRef{File: "ca.pem"}
	no := false
	mongo := func(change func(*spec.MongoDBExternal)) *spec.Spec {
		s := &spec.Spec{Datastores: spec.Datastores{MongoDB: &spec.MongoDB{Location: spec.External, External: &spec.MongoDBExternal{
			Hosts: []string{"m0.example.com:27017"}, TLS: spec.MongoDBTLS{CA: &ca}}}}}
		if change != nil {
			change(s.Datastores.MongoDB.External)
		}
		return s
	}
	for _, row := range []struct {
		name  string
		s     *spec.Spec
		shown []mover.Presented
		trust server.Trust
		ca    engine.Observed[string]
		want  []string
		says  string
	}{
		{"trusted by the values", mongo(nil), []mover.Presented{m0}, server.Trust{Certificates: []string{inBase64(other.pem), inBase64(ours.pem)}}, engine.Found(ours.pem), nil, ""},
		{"in PEM as it is", mongo(nil), []mover.Presented{m0}, server.Trust{Certificates: []string{ours.pem}}, engine.Found(ours.pem), nil, ""},
		{"in base64 of DER", mongo(nil), []mover.Presented{m0}, server.Trust{Certificates: []string{base64.StdEncoding.EncodeToString(der.Bytes)}}, engine.Found(ours.pem), nil, ""},
		{"trusted by the system", mongo(nil), []mover.Presented{public}, server.Trust{}, engine.NotThere[string](), nil, ""},
		{"taken on sight", mongo(nil), []mover.Presented{m0}, server.Trust{Imports: []string{"M0.example.com:27017"}}, engine.Found(ours.pem), nil, ""},
		{"nobody was told", mongo(nil), []mover.Presented{m0}, server.Trust{}, engine.Found(ours.pem), []string{"certificate-untrusted!"}, "have the application trust the authority in datastores.mongodb.external.tls.ca"},
		{"another was told", mongo(nil), []mover.Presented{m0}, server.Trust{Certificates: []string{inBase64(other.pem), "no certificate"}}, engine.Found(other.pem), []string{"certificate-untrusted!"}, "comes from CN=Our own"},
		{"the file's authority could not be read", mongo(nil), []mover.Presented{m0}, server.Trust{}, engine.CouldNot[string](errors.New("x")), []string{"certificate-untrusted!"}, "add the certificate of that authority"},
		{"a member has another name", mongo(nil), []mover.Presented{m0, announced}, server.Trust{Certificates: []string{inBase64(ours.pem)}}, engine.Found(ours.pem), []string{"certificate-name!"}, "m1.internal:27017, a name that the replica set has for a member,"},
		{"a member cannot be asked", mongo(nil), []mover.Presented{m0, gone}, server.Trust{Certificates: []string{inBase64(ours.pem)}}, engine.Found(ours.pem), []string{"host-unseen"}, "no such host"},
		{"the application is told not to verify", mongo(func(x *spec.MongoDBExternal) { x.Options = "w=1&tlsInsecure=true" }), []mover.Presented{m0}, server.Trust{}, engine.Found(ours.pem), nil, ""},
		{"no TLS", mongo(func(x *spec.MongoDBExternal) { x.TLS.Enabled = &no }), []mover.Presented{m0}, server.Trust{}, engine.Found(ours.pem), nil, ""},
		{"PostgreSQL, where nobody knows", externalSpec(), []mover.Presented{ours.shows(t, "pg.example.com:5432", "elsewhere")}, server.Trust{}, engine.Found(ours.pem), []string{"certificate-untrusted"}, "is not documented"},
	} {
		e := mover.PostgreSQL
		if row.s.Datastores.MongoDB != nil {
			e = mover.MongoDB
		}
		o := Observation{At: time.Now()}
		o.Release.Value.Trust = row.trust
		o.store(e).Authority = row.ca
		wantFindings(t, row.name, checkTrust(row.s, o, Part{Engine: e}, mover.Database{Presented: row.shown}), row.want, row.says)
	}
}

// A certificate that has run out is one nobody trusts, whoever signed it.
func TestAnExpiredCertificateIsNamed(t *testing.T) {
	ours := newAuthority(t, "Our own")
	s := externalSpec()
	o := Observation{At: time.Now().AddDate(30, 0, 0)}
	o.Release.Value.Trust.Certificates = []string{ours.pem}
	got := checkTrust(s, o, Part{Engine: mover.PostgreSQL}, mover.Database{Presented: []mover.Presented{ours.shows(t, "pg:5432", "pg")}})
	if len(got) != 1 || !strings.Contains(got[0].What, "expired") {
		t.Errorf("got %+v", got)
	}
}
