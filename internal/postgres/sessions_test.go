package postgres

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// TestCopyMeetsSessionsItMayNotEnd copies again onto a target where a
// superuser, whom a managed service's admin may not end, is connected.
func TestCopyMeetsSessionsItMayNotEnd(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", simple)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)

	conn, err := p.target.Connect(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "set application_name = 'night watch'"); err != nil {
		t.Fatal(err)
	}
	err = codeIs(t, p.request(mover.OpCopy), mover.CodeFailed, targetSide)
	for _, want := range []string{`drop database "main"`, "role postgres", "night watch", "run it again"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}

	// One that ends by itself within a moment is waited for.
	go func() {
		time.Sleep(time.Second)
		_ = conn.Close(t.Context())
	}()
	do[mover.CopyResult](t, p, mover.OpCopy)
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

// TestNoTimeLimitEndsOurSessions: whatever the server or the database has set,
// by a version that knows the setting, and in every kind of session.
func TestNoTimeLimitEndsOurSessions(t *testing.T) {
	t.Parallel()
	for version, want := range map[int][]string{120022: nil, 139999: nil, 140000: {"idle_session_timeout"}, 160004: {"idle_session_timeout"}, 170000: {"idle_session_timeout", "transaction_timeout"}} {
		s := &server{version: version, endpoint: mover.Endpoint{Host: "db.example.com", Port: 5432, TLSMode: "disable"}}
		cfg, err := s.config("main")
		if err != nil {
			t.Fatal(err)
		}
		options := strings.Join(dumpEnv(s, database{name: "main"}), "\n")
		for _, name := range []string{"idle_session_timeout", "transaction_timeout"} {
			known := slices.Contains(want, name)
			if _, given := cfg.RuntimeParams[name]; given != known || strings.Contains(options, " -c "+name+"=0") != known {
				t.Errorf("PostgreSQL %d and %s: given to a session %v, to pg_dump %q", version, name, given, options)
			}
		}
	}
	for _, major := range []int{12, 15} {
		limits := map[string]string{"idle_in_transaction_session_timeout": "61000"}
		if major >= 14 {
			limits["idle_session_timeout"] = "62000"
		}
		srv := pgtest.NewWith(t, pgtest.Options{Major: major, Settings: limits})
		s, err := newServer(sourceSide, endpoint(srv, pgtest.Superuser), "circleci-dr/test")
		if err != nil {
			t.Fatal(err)
		}
		const show = "select coalesce(string_agg(name || '=' || setting, ' '), '') from pg_settings where name ~ '^(idle|transaction|statement|lock).*_timeout$' and setting <> '0'"
		for range 2 { // the first session does not know the version yet
			var set string
			if err := s.with(t.Context(), maintenance, func(conn *pgx.Conn) error { return conn.QueryRow(t.Context(), show).Scan(&set) }); err != nil || set != "" {
				t.Errorf("PostgreSQL %d: %s, error %v", major, set, err)
			}
		}
		raw, err := s.connectRaw(t.Context(), maintenance)
		if err != nil {
			t.Fatal(err)
		}
		results, err := raw.Exec(t.Context(), show).ReadAll()
		if err != nil || string(results[0].Rows[0][0]) != "" {
			t.Errorf("PostgreSQL %d: a session of the relay has limits, error %v", major, err)
		}
		_ = raw.Close(t.Context())
	}
}
