package mongo

import (
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestOptionsOfTheApplicationAreItsOwn: options that fit the application's
// queries would end a copy; ours take none of them.
func TestOptionsOfTheApplicationAreItsOwn(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	simple(t, p.source)
	const meant = "socketTimeoutMS=1&timeoutMS=1&serverSelectionTimeoutMS=1&connectTimeoutMS=1&maxIdleTimeMS=1&maxPoolSize=1&waitQueueTimeoutMS=1&wTimeoutMS=1&w=0&journal=false" +
		"&readConcernLevel=linearizable&readPreference=secondary&maxStalenessSeconds=90&retryReads=false&retryWrites=true&compressors=zlib&heartbeatFrequencyMS=500&localThresholdMS=0&appName=app"
	for _, op := range []mover.Operation{mover.OpInspect, mover.OpFence, mover.OpCopy, mover.OpProve, mover.OpCommit, mover.OpWithdraw, mover.OpUnfence} {
		req := p.request(op)
		req.Source.Options, req.Target.Options = meant, meant
		switch result := run[any](t, req).(type) {
		case mover.InspectResult:
			if result.Source.Error+result.Target.Error+result.Target.Database.Settings["trial"] != "" {
				t.Errorf("source %q, target %q, trial %q", result.Source.Error, result.Target.Error, result.Target.Database.Settings["trial"])
			}
		case mover.Proof:
			if !result.Equal() {
				t.Errorf("not equal: %q", differences(result))
			}
		}
	}
}

// TestOptionsThatConcernUs are those that say how the server is reached.
func TestOptionsThatConcernUs(t *testing.T) {
	for _, row := range []struct {
		hosts                    []string
		set, options, mode, want string
		direct                   bool
	}{
		{hosts: []string{"a:1"}, direct: true, mode: "verify-full", want: "verify-full"},
		{hosts: []string{"a:1"}, options: "directConnection=false", mode: "verify-full", want: "verify-full"},
		{hosts: []string{"a:1"}, set: "rs0", mode: "disable", want: "disable"},
		{hosts: []string{"a:1"}, set: "rs0", options: "directConnection=true&tlsInsecure=true", direct: true, mode: "disable", want: "disable"},
		{hosts: []string{"a:1", "b:1"}, options: "tlsAllowInvalidHostnames=true&replicaSet=rs0", mode: "verify-full", want: "verify-ca"},
		{hosts: []string{"a:1"}, options: "TLSInsecure=true&socketTimeoutMS=1", direct: true, mode: "verify-full", want: "require"},
	} {
		s, err := newServer(targetSide, &mover.Endpoint{Hosts: row.hosts, ReplicaSet: row.set, Options: row.options, TLSMode: row.mode}, "test")
		if err != nil {
			t.Fatal(err)
		}
		o, err := s.clientOptions()
		if err != nil {
			t.Fatal(err)
		}
		if *o.Direct != row.direct || s.direct != row.direct || s.endpoint.TLSMode != row.want || o.SocketTimeout != nil || o.Timeout != nil {
			t.Errorf("%+v: direct %t, TLS %s, socket timeout %v", row, *o.Direct, s.endpoint.TLSMode, o.SocketTimeout)
		}
	}
}
