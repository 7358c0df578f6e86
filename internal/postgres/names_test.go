package postgres

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
)

// A resolver that fails, or says nothing, after it has answered once costs nothing
// but a moment; one that never answered is an error.
func TestANameThatWasFoundIsKeptWhenTheResolverFails(t *testing.T) {
	t.Parallel()
	answer, silent := error(nil), false
	n := &hostNames{lookup: func(ctx context.Context, _ string) ([]string, error) {
		if silent {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		return []string{"192.0.2.1"}, answer
	}}
	answer = errors.New("server misbehaving")
	if got, err := n.find(t.Context(), "pg"); err == nil {
		t.Errorf("a name that was never found has %v", got)
	}
	answer = nil
	if _, err := n.find(t.Context(), "pg"); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(){"fails": func() { answer = errors.New("server misbehaving") }, "is silent": func() { silent = true }} {
		answer, silent = nil, false
		spoil()
		begun := time.Now()
		if got, err := n.find(t.Context(), "pg"); err != nil || !slices.Equal(got, []string{"192.0.2.1"}) || time.Since(begun) > 3*lookupAgain {
			t.Errorf("the resolver %s: %v, %v after %s", name, got, err, time.Since(begun))
		}
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := n.find(over, "pg"); err == nil {
			t.Errorf("the resolver %s: who was told to stop goes on", name)
		}
	}
}

// pg_dump dials the address of the session that exported the snapshot: a name that
// only our resolver knows does for it.
func TestPgDumpDialsWhereTheSnapshotIs(t *testing.T) {
	t.Parallel()
	s := pgtest.New(t, 14)
	s.Exec(t, "postgres", "create table kept (id int)")
	side := testServer(t, s)
	side.endpoint.Host, side.endpoint.TLSMode = "database.invalid", "disable"
	side.names = &hostNames{lookup: func(context.Context, string) ([]string, error) { return []string{"127.0.0.1"}, nil }}
	tool, err := findDump(t.Context(), 14)
	if err != nil {
		t.Fatal(err)
	}
	err = side.with(t.Context(), "postgres", func(conn *pgx.Conn) error {
		var id string
		if _, err := conn.Exec(t.Context(), beginSnapshot); err != nil {
			return err
		}
		if err := conn.QueryRow(t.Context(), "select pg_export_snapshot()").Scan(&id); err != nil {
			return err
		}
		entries, err := dumpSchema(t.Context(), side, tool, database{name: "postgres", encoding: "UTF8"}, exported{id, addressOf(conn)})
		if err == nil && !slices.ContainsFunc(entries, func(e entry) bool { return e.desc == "TABLE" }) {
			t.Errorf("the dump has no table: %+v", entries)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
