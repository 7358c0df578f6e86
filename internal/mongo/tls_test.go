package mongo

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestTLS moves to a server that asks for a certificate, in every mode, and
// with the certificate as the only login.
func TestTLS(t *testing.T) {
	t.Parallel()
	p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4"}), target: mongotest.New(t, mongotest.Options{Release: "5.0", ReplicaSet: "rs0", ClientCertificate: true})}
	simple(t, p.source)
	p.target.Command(t, "$external", `{"createUser": "CN=mover,O=clients", "roles": [{"role": "root", "db": "admin"}]}`)
	do[mover.FenceResult](t, p, mover.OpFence)
	byAddress := "127.0.0.1:" + p.target.Address()[len("localhost:"):]
	stranger := mongotest.New(t, mongotest.Options{Release: "4.4", ClientCertificate: true})
	for _, row := range []struct {
		name   string
		change func(e *mover.Endpoint)
		code   string // empty moves
	}{
		{"verify-full", func(*mover.Endpoint) {}, ""},
		{"no mode is verify-full", func(e *mover.Endpoint) { e.TLSMode = "" }, ""},
		{"verify-ca with another name", func(e *mover.Endpoint) { e.TLSMode, e.Hosts, e.ReplicaSet = "verify-ca", []string{byAddress}, "" }, ""},
		{"require without a CA", func(e *mover.Endpoint) { e.TLSMode, e.CAFile = "require", "" }, ""},
		{"certificate for a password", func(e *mover.Endpoint) {
			e.Mechanism, e.Username, e.PasswordFile, e.AuthSource = mechanismX509, "", "", ""
		}, ""},
		{"verify-full with another name", func(e *mover.Endpoint) { e.Hosts, e.ReplicaSet = []string{byAddress}, "" }, mover.CodeUnreachable},
		{"verify-full with another CA", func(e *mover.Endpoint) { e.CAFile = stranger.CAFile }, mover.CodeUnreachable},
		{"verify-ca with another CA", func(e *mover.Endpoint) { e.TLSMode, e.CAFile = "verify-ca", stranger.CAFile }, mover.CodeUnreachable},
		{"require with another CA", func(e *mover.Endpoint) { e.TLSMode, e.CAFile = "require", stranger.CAFile }, mover.CodeUnreachable},
		{"no certificate", func(e *mover.Endpoint) { e.CertificateFile = "" }, mover.CodeUnreachable},
		{"certificate of another CA", func(e *mover.Endpoint) { e.CertificateFile = stranger.CertificateFile }, mover.CodeUnreachable},
		{"no TLS", func(e *mover.Endpoint) { e.TLSMode = "disable" }, mover.CodeUnreachable},
	} {
		t.Run(row.name, func(t *testing.T) {
			req := p.request(mover.OpCopy)
			row.change(req.Target)
			if row.code != "" {
				codeIs(t, req, row.code, targetSide)
				return
			}
			run[mover.CopyResult](t, req)
			req.Operation = mover.OpProve
			if proof := run[mover.Proof](t, req); !proof.Equal() {
				t.Errorf("not equal: %q", differences(proof))
			}
			req.Operation = mover.OpInspect
			if got := run[mover.InspectResult](t, req).Target.Database; got == nil || got.TLSVersion != "TLSv1.3" || !got.Role.Superuser || !shown(got.Presented, req.Target.Hosts[0]) {
				t.Errorf("inspected %+v", got)
			}
		})
	}
}

// shown tells whether a host showed its certificate, which no system trusts.
func shown(all []mover.Presented, host string) bool {
	return slices.ContainsFunc(all, func(p mover.Presented) bool {
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
	reachSaysHowFarItCame(t, mover.Request{Operation: mover.OpReach, Engine: mover.MongoDB, Target: endpoint(target)})
}

// reachSaysHowFarItCame: from where a pod stands, the names, the connection, the
// login, and the names that the set announces.
func reachSaysHowFarItCame(t *testing.T, req mover.Request) {
	t.Helper()
	if got := run[mover.ReachResult](t, req); got.Login != "" || got.Hosts[0].Error != "" || len(got.Hosts[0].Addresses) == 0 {
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
		change func(*mover.Endpoint)
		holds  func(mover.ReachResult) bool
	}{
		{func(e *mover.Endpoint) { e.Username = "nobody" }, func(r mover.ReachResult) bool {
			return r.Login != "" && r.Hosts[0].Error == "" && !strings.Contains(r.Login, mongotest.Password)
		}},
		{func(e *mover.Endpoint) { e.Hosts = []string{"no-such-host.invalid:27017"} }, func(r mover.ReachResult) bool {
			return r.Login == "" && r.Hosts[0].Error != "" && len(r.Hosts[0].Addresses) == 0
		}},
	} {
		e := *req.Target
		changed := req
		changed.Target = &e
		row.change(&e)
		if got := run[mover.ReachResult](t, changed); !row.holds(got) {
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
	request := func(op mover.Operation) mover.Request {
		req := p.request(op)
		req.Source.Username, req.Source.AuthSource, req.Source.PasswordFile = "inner", "circle_ghe", other
		req.Target.Username, req.Target.AuthSource, req.Target.Mechanism = "outer", "accounts", "SCRAM-SHA-256"
		return req
	}
	run[mover.FenceResult](t, request(mover.OpFence))
	run[mover.CopyResult](t, request(mover.OpCopy))
	if proof := run[mover.Proof](t, request(mover.OpProve)); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}
