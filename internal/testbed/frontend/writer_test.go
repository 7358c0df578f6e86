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
			var commits atomic.Int64
			f.writer.db.config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, address)
				return &cutting{Conn: conn, commits: &commits, at: 5, deliver: c.deliver}, err
			}
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
	go func() { keepWorking(ctx, f.status, f.writer.session); close(done) }()
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
	status := &tracker{log: slog.New(slog.DiscardHandler), s: Status{Role: "frontend", Host: "h:1"}}
	page := func(path string) (int, string) {
		w := httptest.NewRecorder()
		pages(status).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if code, _ := page("/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answers %d without a session, want 200", code)
	}
	status.failed(t.Context(), errors.New("refused"))
	if code, body := page("/readyz"); code != http.StatusServiceUnavailable || body != "no working session: refused\n" {
		t.Errorf("/readyz answers %d %q without a session", code, body)
	}
	status.connected(t.Context(), "12.22")
	status.change(func(s *Status) { s.LastOK = time.Now() })
	if code, body := page("/readyz"); code != http.StatusOK || body != "" {
		t.Errorf("/readyz answers %d %q with a session", code, body)
	}
	_, body := page("/status")
	var got Status
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Server != "12.22" || !got.Connected || !got.Ready || got.Sessions != 1 || got.Error != "" {
		t.Errorf("/status answers %+v", got)
	}
}

func TestMissingSettingIsNamed(t *testing.T) {
	for _, name := range []string{"HOST", "PORT", "USERNAME", "PASSWORD", "DATABASE", "SSLMODE"} {
		t.Setenv("POSTGRES_"+name, "1")
	}
	t.Setenv("POSTGRES_SSLMODE", "")
	err := run(t.Context(), []string{"serve", "--role", "api-service"}, io.Discard)
	if err == nil || err.Error() != "read settings: environment variable POSTGRES_SSLMODE is not set" {
		t.Errorf("got error %v", err)
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
	w, err := newWriter(database{config: config, host: "server:1"}, status)
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
	again, err := newWriter(f.writer.db, f.status)
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
	go func() { keepWorking(ctx, f.status, f.writer.session); close(done) }()
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

// cutting ends a connection at the commit of the given number.
type cutting struct {
	net.Conn
	commits *atomic.Int64
	at      int64
	deliver bool
}

func (c *cutting) Write(b []byte) (int, error) {
	if !strings.Contains(string(b), "commit") || c.commits.Add(1) != c.at {
		return c.Conn.Write(b)
	}
	if c.deliver {
		if _, err := c.Conn.Write(b); err != nil {
			return 0, err
		}
	}
	return 0, errors.Join(errors.New("cut"), c.Close())
}
