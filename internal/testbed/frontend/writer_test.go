package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/writes"
	"github.com/circleci-dr/circleci-dr/internal/testbed/seed/tempserver"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// TestCommitOfUnknownOutcome cuts the connection around a commit: once after
// the server has it, once before.
func TestCommitOfUnknownOutcome(t *testing.T) {
	server := tempserver.Start(t, 12)
	cases := map[string]struct {
		deliver          bool
		adopted, retried int64
	}{
		"the commit arrived, its answer did not": {true, 1, 0},
		"the commit did not arrive":              {false, 0, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			emptyTable(t, server)
			f := newFrontend(t, server)
			cut := &cut{mark: "commit", at: 5, deliver: c.deliver}
			f.writer.db.config.DialFunc = cut.DialContext
			f.runUntil(t, 12)
			status := f.status.read().Writes
			if status.Adopted != c.adopted || status.Retried != c.retried || status.Vanished != 0 || status.Lost != 0 {
				t.Errorf("adopted %d, retried %d, vanished %d, lost %d; want %d, %d, 0, 0",
					status.Adopted, status.Retried, status.Vanished, status.Lost, c.adopted, c.retried)
			}
			f.mustBeWhole(t, server)
		})
	}
}

func TestSessionsThatAreEndedLoseNothing(t *testing.T) {
	server := tempserver.Start(t, 12)
	emptyTable(t, server)
	f := newFrontend(t, server)
	killer := dial(t, server)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { keepWorking(ctx, f.status.postgres(), f.writer.session); close(done) }()
	for session := int64(1); session <= 10; session++ {
		f.until(t, func(s Status) bool { return s.Connected && s.Sessions >= session })
		if _, err := killer.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'circleci frontend'`); err != nil {
			t.Fatal(err)
		}
	}
	f.until(t, func(s Status) bool { return s.Sessions > 10 })
	f.wait(t, f.status.read().Writes.LastN+5)
	stop()
	<-done
	f.mustBeWhole(t, server)
}

func TestNumbersGoOnAfterARestart(t *testing.T) {
	server := tempserver.Start(t, 12)
	emptyTable(t, server)
	first := newFrontend(t, server)
	first.runUntil(t, 5)
	last := first.status.read().Writes.LastN
	second := newFrontend(t, server)
	second.ledger(t, first)
	second.runUntil(t, last+5)
	report := second.mustBeWhole(t, server)
	if report.Writers[first.writer.instance] != last {
		t.Errorf("the first process has %d rows, want %d", report.Writers[first.writer.instance], last)
	}
}

func TestRowsThatTheDatabaseForgotAreNamed(t *testing.T) {
	server := tempserver.Start(t, 12)
	emptyTable(t, server)
	first := newFrontend(t, server)
	first.runUntil(t, 10)
	last := first.status.read().Writes.LastN
	if _, err := dial(t, server).Exec(t.Context(), `DELETE FROM frontend_writes WHERE n > $1`, last-3); err != nil {
		t.Fatal(err)
	}
	second := newFrontend(t, server)
	second.ledger(t, first)
	second.runUntil(t, last+1)
	if lost := second.status.read().Writes.Lost; lost != 3 {
		t.Errorf("the frontend says that %d rows are lost, want 3", lost)
	}
	report := second.audit(t, server)
	var lost []int64
	for _, entry := range report.Lost {
		lost = append(lost, entry.N)
	}
	if diff := cmp.Diff([]int64{last - 2, last - 1, last}, lost); diff != "" {
		t.Errorf("lost numbers differ (-want +got):\n%s", diff)
	}
	if report.Gaps != 3 || report.Doubles != 0 {
		t.Errorf("gaps %d, doubles %d; want 3, 0: a number must not be given again", report.Gaps, report.Doubles)
	}
}

func TestPages(t *testing.T) {
	status := &tracker{log: slog.New(slog.DiscardHandler), s: Status{Role: "frontend", Link: Link{Host: "h:1"}}}
	page := func(path string) (int, string) {
		w := httptest.NewRecorder()
		pages(status).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, _ := page("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answers %d without a session, want 200", code)
	}
	mustNotBeReady := func(want string) {
		t.Helper()
		if code, body := page("/readyz"); code != http.StatusServiceUnavailable || body != want+"\n" {
			t.Errorf("/readyz answers %d %q, want 503 %q", code, body, want)
		}
	}
	status.postgres().failed(t.Context(), errors.New("refused"))
	mustNotBeReady("no working session with PostgreSQL: refused")
	works := func(l link, server string) {
		l.connected(t.Context(), server)
		l.change(func(s *Link) { s.LastOK = time.Now() })
	}
	works(status.postgres(), "12.22")
	status.mongodb().failed(t.Context(), errors.New("no primary"))
	mustNotBeReady("no working session with MongoDB: no primary")
	works(status.mongodb(), "4.4.2")
	if code, body := page("/readyz"); code != http.StatusOK || body != "" {
		t.Errorf("/readyz answers %d %q with both sessions", code, body)
	}
	_, body := page("/status")
	var got Status
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	got.LastOK, got.MongoDB.LastOK = time.Time{}, time.Time{}
	want := Status{Role: "frontend", Ready: true,
		Link:    Link{Connected: true, Host: "h:1", Server: "12.22", Sessions: 1},
		MongoDB: Link{Connected: true, Server: "4.4.2", Sessions: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("/status differs (-want +got):\n%s", diff)
	}
}

// setSettings sets what the chart gives every service, to what parses.
func setSettings(t *testing.T) {
	t.Helper()
	for _, name := range []string{"HOST", "PORT", "USERNAME", "PASSWORD", "DATABASE"} {
		t.Setenv("POSTGRES_"+name, "1")
	}
	t.Setenv("POSTGRES_SSLMODE", "disable")
	for name, value := range map[string]string{"HOSTS": "m0:27017,m1:27017", "SSL": "true", "TLS_INSECURE": "false", "OPTIONS": "replicaSet=rs0",
		"AUTH_SOURCE": "admin", "AUTH_MECHANISM": "SCRAM-SHA-1", "USERNAME": "root", "PASSWORD": "canary", "DATABASE": "circle_ghe"} {
		t.Setenv("MONGO_"+name, value)
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for variable, c := range map[string]struct{ value, want string }{
		"POSTGRES_SSLMODE": {"", "environment variable POSTGRES_SSLMODE is not set"},
		"MONGO_HOSTS":      {"", "environment variable MONGO_HOSTS is not set"},
		"MONGO_SSL":        {"perhaps", "MONGO_SSL: strconv.ParseBool: parsing \"perhaps\": invalid syntax"},
		"TLS_CERTIFICATES": {"/dev/null", "TLS_CERTIFICATES: /dev/null holds no certificate"},
	} {
		t.Run(variable, func(t *testing.T) {
			setSettings(t)
			t.Setenv(variable, c.value)
			err := run(t.Context(), []string{"serve", "--role", "api-service"}, io.Discard)
			if err == nil || err.Error() != "read settings: "+c.want {
				t.Errorf("got error %v", err)
			}
		})
	}
}

// frontend is a writer with a ledger of its own.
type frontend struct {
	writer *writer
	status *tracker
	path   string
}

func newFrontend(t *testing.T, server *pgx.ConnConfig) *frontend {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ledger")
	t.Setenv("LEDGER", path)
	t.Setenv("WRITE_INTERVAL", "1ms")
	config := server.Copy()
	config.RuntimeParams["application_name"] = "circleci frontend"
	status := &tracker{log: slog.New(slog.DiscardHandler)}
	w, err := newWriter(database{config: config, host: "server:1"}, status, newUUID())
	if err != nil {
		t.Fatal(err)
	}
	f := &frontend{writer: w, status: status, path: path}
	t.Cleanup(func() {
		if err := f.writer.ledger.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// ledger makes f begin with what the other has confirmed, as a process does
// that finds its predecessor's ledger.
func (f *frontend) ledger(t *testing.T, before *frontend) {
	t.Helper()
	data, err := os.ReadFile(before.path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	again, err := newWriter(f.writer.db, f.status, newUUID())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.writer.ledger.Close(); err != nil {
		t.Fatal(err)
	}
	f.writer = again
}

func (f *frontend) runUntil(t *testing.T, n int64) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { keepWorking(ctx, f.status.postgres(), f.writer.session); close(done) }()
	f.wait(t, n)
	stop()
	<-done
}

// wait returns when the frontend has confirmed the number n.
func (f *frontend) wait(t *testing.T, n int64) {
	t.Helper()
	f.until(t, func(s Status) bool { return s.Writes.LastN >= n })
}

// until returns when the status is as wanted.
func (f *frontend) until(t *testing.T, wanted func(Status) bool) {
	t.Helper()
	for !wanted(f.status.read()) {
		select {
		case <-t.Context().Done():
			t.Fatalf("the frontend never got there: %+v", f.status.read())
		case <-time.After(time.Millisecond): // asks again; nothing depends on how long
		}
	}
}

func (f *frontend) audit(t *testing.T, server *pgx.ConnConfig) writes.Report {
	t.Helper()
	data, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	report, err := writes.Audit(t.Context(), dial(t, server), strings.NewReader(string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func (f *frontend) mustBeWhole(t *testing.T, server *pgx.ConnConfig) writes.Report {
	t.Helper()
	report := f.audit(t, server)
	if !report.Whole() || report.Unconfirmed != 0 || report.Rows != report.Confirmed || report.MinN != 1 {
		t.Errorf("the table is not whole: %s, %d unconfirmed", report, report.Unconfirmed)
	}
	return report
}

func emptyTable(t *testing.T, server *pgx.ConnConfig) {
	t.Helper()
	if _, err := dial(t, server).Exec(t.Context(), `DROP TABLE IF EXISTS frontend_writes`); err != nil {
		t.Fatal(err)
	}
}

func dial(t *testing.T, config *pgx.ConnConfig) *pgx.Conn {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), config.Copy())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return conn
}

// cut makes connections of which one ends when the message with the given
// number is sent that has the mark in it.
type cut struct {
	mark    string
	at      int64
	deliver bool // the server gets the message, and its answer is lost
	seen    atomic.Int64
}

func (c *cut) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	return &cutting{Conn: conn, cut: c}, err
}

type cutting struct {
	net.Conn
	cut *cut
}

func (c *cutting) Write(b []byte) (int, error) {
	if !strings.Contains(string(b), c.cut.mark) || c.cut.seen.Add(1) != c.cut.at {
		return c.Conn.Write(b)
	}
	if c.cut.deliver {
		if _, err := c.Conn.Write(b); err != nil {
			return 0, err
		}
	}
	return 0, errors.Join(errors.New("cut"), c.Close())
}
