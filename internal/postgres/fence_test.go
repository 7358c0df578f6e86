package postgres

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

const whatStood = `select (select coalesce(string_agg(name || '=' || setting, ',' order by name), '') from pg_file_settings where sourcefile like '%auto.conf')
	|| ' ' || (select coalesce(string_agg(concat_ws('/', setdatabase, setrole, setconfig::text), ';' order by setdatabase, setrole), '') from pg_db_role_setting)`

func TestFenceHoldsAndIsLiftedExactly(t *testing.T) {
	t.Parallel()
	for _, how := range []string{howSystem, howDatabases} {
		t.Run(how, func(t *testing.T) {
			p := pair{source: pgtest.New(t, 12), admin: testAdmin}
			p.target = p.source // not used
			p.source.Exec(t, "postgres", "create role circleci login createdb createrole password '"+pgtest.Password+"'; grant pg_monitor, pg_signal_backend to circleci")
			p.source.Exec(t, "postgres", "create role app login password '"+pgtest.Password+"'; grant app to circleci")
			p.source.Exec(t, "postgres", "create database main owner app")
			p.source.Exec(t, "main", "create table t (id int); grant all on t to app")
			p.source.Exec(t, "postgres", "alter role app set default_transaction_read_only = off; alter role app in database main set default_transaction_read_only = off")
			p.source.Exec(t, "postgres", "alter system set work_mem = '7MB'")
			p.source.Exec(t, "postgres", "alter system set autovacuum = on")
			before := p.source.Value(t, "postgres", whatStood)
			req := p.request(mover.OpFence)
			req.Target = nil
			if how == howDatabases {
				req.Source.Username = testAdmin
			}
			app, err := p.source.ConnectAs(context.Background(), "app", "main")
			if err != nil {
				t.Fatal(err)
			}
			first := runAs[mover.FenceResult](t, req)
			if first.Ended != 1 || first.Fence.How != how {
				t.Errorf("got %+v, want one session ended and %s", first, how)
			}
			if err := app.Ping(context.Background()); err == nil {
				t.Error("the session from before the fence lives on")
			}
			again := runAs[mover.FenceResult](t, req)
			if again.Fence != first.Fence || !maps.Equal(first.Counters, again.Counters) {
				t.Errorf("a second fence gives %+v, the first gave %+v", again, first)
			}
			writeAround(t, p.source)
			if after := runAs[mover.FenceResult](t, req); maps.Equal(first.Counters, after.Counters) {
				t.Errorf("one row was written and nobody noticed: %+v", after.Counters)
			}
			req.Operation = mover.OpUnfence
			runAs[mover.UnfenceResult](t, req)
			if after := p.source.Value(t, "postgres", whatStood); after != before {
				t.Errorf("settings after the fence:\n%s\nbefore:\n%s", after, before)
			}
			p.source.Exec(t, "main", "insert into t values (2)")

			req.Operation = mover.OpFence
			runAs[mover.FenceResult](t, req)
			byThePage(t, p.source, req.Source.Username, before)
			p.source.Exec(t, "main", "insert into t values (3)")
		})
	}
}

// writeAround shows that a plain write is refused, and then writes one row
// the way the fence cannot stop.
func writeAround(t *testing.T, s *pgtest.Server) {
	t.Helper()
	ctx := context.Background()
	conn, err := s.ConnectAs(ctx, "app", "main")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, "insert into t values (1)")
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Code != "25006" {
		t.Errorf("a write under the fence gives %v, want 25006", err)
	}
	for _, sql := range []string{"set default_transaction_read_only = off", "insert into t values (1)"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
}

func runAs[T any](t *testing.T, req mover.Request) T {
	t.Helper()
	result, err := Run(context.Background(), req, nil)
	if err != nil {
		t.Fatalf("%s: %v", req.Operation, err)
	}
	return result.(T)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", "create table t (id int); insert into t values (1)")
	p.target.Exec(t, "postgres", "create database theirs")
	p.target.Exec(t, "theirs", "create table precious (id int)")

	err := codeIs(t, p.request(mover.OpCopy), mover.CodeMoved, sourceSide)
	if !strings.Contains(err.Error(), testFence) {
		t.Errorf("%v does not name the fence", err)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	err = codeIs(t, p.request(mover.OpCopy), mover.CodeNotEmpty, targetSide)
	if !strings.Contains(err.Error(), "theirs") {
		t.Errorf("%v does not name the database", err)
	}
	p.target.Exec(t, "postgres", "drop database theirs")
	do[mover.CopyResult](t, p, mover.OpCopy)

	other := p.request(mover.OpCopy)
	other.Installation = "another"
	codeIs(t, other, mover.CodeNotEmpty, targetSide)

	do[struct{}](t, p, mover.OpCommit)
	do[struct{}](t, p, mover.OpCommit)
	codeIs(t, p.request(mover.OpCopy), mover.CodeNotEmpty, targetSide)
	codeIs(t, p.request("clear"), mover.CodeFailed, "")

	wrong := p.request(mover.OpFence)
	wrong.Source.Username = "nobody"
	codeIs(t, wrong, mover.CodeCredentials, sourceSide)
	wrong.Source.Port = 1
	codeIs(t, wrong, mover.CodeUnreachable, sourceSide)
}
