package kube

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// reaching connects to a server that stands at an address.
func reaching(t *testing.T, address, user string) *Client {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	text := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":%q}}],
		"contexts":[{"name":"prod","context":{"cluster":"c","user":"u"}}],"users":[{"name":"u","user":%s}]}`, address, user)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{Kubeconfig: path, Context: "prod", Namespace: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	c.beat.look = time.Millisecond
	return c
}

// An API server that can be asked nothing is named once, with its address and
// the cause; one that gives any answer of its own is there.
func TestReachTellsAwayFromThere(t *testing.T) {
	t.Parallel()
	answering := func(code int) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d}`, code)
		}))
		t.Cleanup(s.Close)
		return s
	}
	tls := httptest.NewUnstartedServer(http.NotFoundHandler())
	tls.Config.ErrorLog = log.New(io.Discard, "", 0) // it says that we hung up, as we should
	tls.StartTLS()
	t.Cleanup(tls.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	const nobody = "{}"
	for _, row := range []struct {
		name, address, user string
		refused             bool
		want                string // "" for one that is there; %s is the address
	}{
		{"it answers", answering(200).URL, nobody, false, ""},
		{"it forbids the question", answering(403).URL, nobody, false, ""},
		{"it knows no such path", answering(404).URL, nobody, false, ""},
		{"nobody listens", gone.URL, nobody, false, "the API server of context prod, %s, cannot be reached: connection refused"},
		{"a balancer without a server", answering(502).URL, nobody, false, "the API server of context prod, %s, cannot be reached: "},
		{"no login", answering(401).URL, nobody, true, "the API server of context prod, %s, does not accept our credentials: "},
		{"another certificate", tls.URL, nobody, false, "the API server of context prod, %s, cannot be reached: tls: failed to verify certificate"},
		{"a login command that is not there", strings.Replace(gone.URL, "http:", "https:", 1), `{"exec":{"apiVersion":"client.authentication.k8s.io/v1","command":"no-such-login","interactiveMode":"Never"}}`, false,
			"the API server of context prod, %s, cannot be reached: getting credentials: exec: executable no-such-login not found"},
	} {
		err := reaching(t, row.address, row.user).Reach(t.Context(), 0, nil)
		var away *AwayError
		switch {
		case row.want == "" && err != nil:
			t.Errorf("%s: %v", row.name, err)
		case row.want == "":
		case !errors.As(err, &away) || !strings.HasPrefix(err.Error(), fmt.Sprintf(row.want, row.address)) || away.Refused != row.refused:
			t.Errorf("%s: %v, want "+row.want, row.name, err, row.address)
		case strings.Count(err.Error(), row.address) != 1 || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "/version"):
			t.Errorf("%s says it in too many words: %q", row.name, err)
		}
	}
}

// A server that restarts is waited for where there is patience, and the person
// in front of it hears so once.
func TestReachWaitsForARestart(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(s.Close)
	told := 0
	if err := reaching(t, s.URL, "{}").Reach(t.Context(), time.Minute, func(error) { told++ }); err != nil || told != 1 {
		t.Errorf("%v, told %d times", err, told)
	}
	asked.Store(0)
	var away *AwayError
	if err := reaching(t, s.URL, "{}").Reach(t.Context(), 0, nil); !errors.As(err, &away) {
		t.Errorf("without patience: %v", err)
	}
}

// What somebody wrote before the host is no part of an address that is shown.
func TestAddressHidesWhoAsks(t *testing.T) {
	if got := address("https://admin:hunter2-CANARY@k8s.example.com:6443"); got != "https://k8s.example.com:6443" {
		t.Error(got)
	}
}

// The version that Reach was told is the cluster's: it is asked for once. A later
// look asks anew, for a cluster may have been upgraded by then.
func TestTheVersionIsAskedForOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Path == "/version" {
			fmt.Fprintf(w, `{"major":"1","minor":"3%d","gitVersion":"v1.3%[1]d.0"}`, asked.Add(1))
			return
		}
		fmt.Fprint(w, `{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"uid-1"}}`)
	}))
	t.Cleanup(s.Close)
	c := reaching(t, s.URL, "{}")
	if err := c.Reach(t.Context(), 0, func(error) {}); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"v1.31.0", "v1.32.0"} {
		if got := c.Cluster(t.Context()); !got.Is() || got.Value.Version != want || got.Value.UID != "uid-1" || int(asked.Load()) != i+1 {
			t.Errorf("look %d: %+v after %d questions, want %s", i+1, got, asked.Load(), want)
		}
	}
}
