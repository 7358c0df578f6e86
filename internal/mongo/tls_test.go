package mongo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

// TestTLS moves to a server that asks for a certificate, in every mode, and
// with the certificate as the only login.
func TestTLS(t *testing.T) {
	t.Parallel()
	p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4"}), target: mongotest.New(t, mongotest.Options{Release: "5.0", ReplicaSet: "rs0", ClientCertificate: true})}
	simple(t, p.source)
	p.target.Command(t, "$external", `{"createUser": "CN=mover,O=clients", "roles": [{"role": "root", "db": "admin"}]}`)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	byAddress := "127.0.0.1:" + p.target.Address()[len("localhost:"):]
	stranger := mongotest.New(t, mongotest.Options{Release: "4.4", ClientCertificate: true})
	for _, row := range []struct {
		name   string
		change func(e *reconcile.Endpoint)
		code   string // empty moves
	}{
		{"verify-full", func(*reconcile.Endpoint) {}, ""},
		{"no mode is verify-full", func(e *reconcile.Endpoint) { e.TLSMode = "" }, ""},
		{"verify-ca with another name", func(e *reconcile.Endpoint) { e.TLSMode, e.Hosts, e.ReplicaSet = "verify-ca", []string{byAddress}, "" }, ""},
		{"require without a CA", func(e *reconcile.Endpoint) { e.TLSMode, e.CAFile = "require", "" }, ""},
		{"certificate for a password", func(e *reconcile.Endpoint) {
			e.Mechanism, e.Username, e.PasswordFile, e.AuthSource = mechanismX509, "", "", ""
		}, ""},
		{"verify-full with another name", func(e *reconcile.Endpoint) { e.Hosts, e.ReplicaSet = []string{byAddress}, "" }, reconcile.CodeUnreachable},
		{"verify-full with another CA", func(e *reconcile.Endpoint) { e.CAFile = stranger.CAFile }, reconcile.CodeUnreachable},
		{"verify-ca with another CA", func(e *reconcile.Endpoint) { e.TLSMode, e.CAFile = "verify-ca", stranger.CAFile }, reconcile.CodeUnreachable},
		{"require with another CA", func(e *reconcile.Endpoint) { e.TLSMode, e.CAFile = "require", stranger.CAFile }, reconcile.CodeUnreachable},
		{"no certificate", func(e *reconcile.Endpoint) { e.CertificateFile = "" }, reconcile.CodeUnreachable},
		{"certificate of another CA", func(e *reconcile.Endpoint) { e.CertificateFile = stranger.CertificateFile }, reconcile.CodeUnreachable},
		{"no TLS", func(e *reconcile.Endpoint) { e.TLSMode = "disable" }, reconcile.CodeUnreachable},
	} {
		t.Run(row.name, func(t *testing.T) {
			req := p.request(reconcile.OpCopy)
			row.change(req.Target)
			if row.code != "" {
				codeIs(t, req, row.code, targetSide)
				return
			}
			run[reconcile.CopyResult](t, req)
			req.Operation = reconcile.OpProve
			if proof := run[reconcile.Proof](t, req); !proof.Equal() {
				t.Errorf("not equal: %q", differences(proof))
			}
			req.Operation = reconcile.OpInspect
			if got := run[reconcile.InspectResult](t, req).Target.Database; got == nil || got.TLSVersion != "TLSv1.3" || !got.Role.Superuser || !shown(got.Presented, req.Target.Hosts[0]) {
				t.Errorf("inspected %+v", got)
			}
		})
	}
}

// shown tells whether a host showed its certificate, which no system trusts.
func shown(all []reconcile.Presented, host string) bool {
	return slices.ContainsFunc(all, func(p reconcile.Presented) bool {
		return p.Host == host && !p.Announced && strings.HasPrefix(p.Chain, "-----BEGIN CERTIFICATE-----") && !p.System && p.Error == ""
	})
}

// A client that goes by what the replica set says of itself dials the names its
// members have there: they are asked too, and one that cannot be reached says why.
func TestAnnouncedHostsAreAskedForTheirCertificates(t *testing.T) {
	t.Parallel()
	target := mongotest.New(t, mongotest.Options{Release: "5.0", ReplicaSet: "rs0", ClientCertificate: true})
	s, err := newServer(targetSide, endpoint(target), "test")
	if err != nil {
		t.Fatal(err)
	}
	host := target.Address()
	s.hello.Hosts = []string{strings.ToUpper(host), "127.0.0.1" + host[strings.LastIndex(host, ":"):], "member.invalid:27017"}
	got := s.presented(t.Context())
	if len(got) != 3 || !shown(got, host) || got[1].Chain != got[0].Chain || !got[1].Announced || got[2].Chain != "" || got[2].Error == "" {
		t.Errorf("presented %+v", got)
	}
	s.direct = true
	if got := s.presented(t.Context()); len(got) != 1 {
		t.Errorf("a client that stays with one host was shown %+v", got)
	}
	reachSaysHowFarItCame(t, reconcile.MoverRequest{Operation: reconcile.OpReach, Engine: reconcile.MongoDB, Target: endpoint(target)})
}

// reachSaysHowFarItCame: from where a pod stands, the names, the connection, the
// login, and the names that the set announces.
func reachSaysHowFarItCame(t *testing.T, req reconcile.MoverRequest) {
	t.Helper()
	if got := run[reconcile.ReachResult](t, req); got.Login != "" || got.Hosts[0].Error != "" || len(got.Hosts[0].Addresses) == 0 {
		t.Errorf("all the way: %+v", got)
	}
	m, err := newJob(req, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.target.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.target.direct, m.target.hello.Hosts = false, []string{req.Target.Hosts[0], "member.invalid:27017"}
	got := m.reach(t.Context())
	if len(got.Hosts) != 2 || got.Hosts[0].Announced || !got.Hosts[1].Announced || got.Hosts[1].Host != "member.invalid:27017" || got.Hosts[1].Error == "" || len(got.Hosts[1].Addresses) != 0 {
		t.Errorf("a member that cannot be resolved: %+v", got)
	}
	m.close(t.Context())
	for _, row := range []struct {
		change func(*reconcile.Endpoint)
		holds  func(reconcile.ReachResult) bool
	}{
		{func(e *reconcile.Endpoint) { e.Username = "nobody" }, func(r reconcile.ReachResult) bool {
			return r.Login != "" && r.Hosts[0].Error == "" && !strings.Contains(r.Login, mongotest.Password)
		}},
		{func(e *reconcile.Endpoint) { e.Hosts = []string{"no-such-host.invalid:27017"} }, func(r reconcile.ReachResult) bool {
			return r.Login == "" && r.Hosts[0].Error != "" && len(r.Hosts[0].Addresses) == 0
		}},
	} {
		e := *req.Target
		changed := req
		changed.Target = &e
		row.change(&e)
		if got := run[reconcile.ReachResult](t, changed); !row.holds(got) {
			t.Errorf("got %+v", got)
		}
	}
}

// TestUsersOfADatabase logs in as users that are not admin's.
func TestUsersOfADatabase(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "6.0")
	simple(t, p.source)
	p.source.User(t, "circle_ghe", "inner", `[{"role": "root", "db": "admin"}]`)
	p.target.User(t, "accounts", "outer", `[{"role": "root", "db": "admin"}]`)
	other := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(other, []byte(mongotest.Password), 0o600); err != nil { // without a newline
		t.Fatal(err)
	}
	request := func(op reconcile.Operation) reconcile.MoverRequest {
		req := p.request(op)
		req.Source.Username, req.Source.AuthSource, req.Source.PasswordFile = "inner", "circle_ghe", other
		req.Target.Username, req.Target.AuthSource, req.Target.Mechanism = "outer", "accounts", "SCRAM-SHA-256"
		return req
	}
	run[reconcile.FenceResult](t, request(reconcile.OpFence))
	run[reconcile.CopyResult](t, request(reconcile.OpCopy))
	if proof := run[reconcile.Proof](t, request(reconcile.OpProve)); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}
