package postgres

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

const (
	testFence        = "fence-1"
	testMove         = "move-1"
	testInstallation = "11111111-2222-3333-4444-555555555555/circleci-server/circleci-server"
	testAdmin        = "circleci"
)

// pair is a source and a target server, and the requests between them.
type pair struct {
	source, target *pgtest.Server
	admin          string
}

// newPair starts a source and a target whose admin is no superuser.
func newPair(t *testing.T, from, to int) pair {
	t.Helper()
	p := pair{source: pgtest.New(t, from), target: pgtest.New(t, to), admin: testAdmin}
	p.makeAdmin(t)
	return p
}

// makeAdmin makes the target's administrator, who is no superuser.
func (p pair) makeAdmin(t *testing.T) {
	t.Helper()
	p.target.Exec(t, "postgres", `create role circleci login createdb createrole password '`+pgtest.Password+`';
		grant pg_monitor to circleci with admin option; grant pg_signal_backend to circleci with admin option`)
}

func endpoint(s *pgtest.Server, user string) *mover.Endpoint {
	e := &mover.Endpoint{Host: s.Host, Port: s.Port, Username: user, PasswordFile: s.PasswordFile, TLSMode: "disable"}
	if s.CAFile != "" {
		e.TLSMode, e.CAFile = "verify-full", s.CAFile
	}
	return e
}

func (p pair) request(op mover.Operation) mover.Request {
	req := mover.Request{Operation: op, Engine: mover.PostgreSQL, Installation: testInstallation, Move: testMove, Epoch: 1, Fence: testFence,
		Source: endpoint(p.source, pgtest.Superuser), Target: endpoint(p.target, p.admin)}
	if p.admin != pgtest.Superuser {
		req.OwnerMap = map[string]string{pgtest.Superuser: p.admin}
	}
	return req
}

// do runs an operation and fails the test when it fails.
func do[T any](t *testing.T, p pair, op mover.Operation) T {
	t.Helper()
	result, err := Run(context.Background(), p.request(op), nil)
	if err != nil {
		t.Fatalf("%s: %v", op, err)
	}
	return result.(T)
}

// codeIs fails the test unless an operation fails with the given class.
func codeIs(t *testing.T, req mover.Request, code, side string) error {
	t.Helper()
	_, err := Run(context.Background(), req, nil)
	var known *mover.Error
	if !errors.As(err, &known) || known.Code != code || known.Side != side {
		t.Fatalf("%s: got %v, want code %q on side %q", req.Operation, err, code, side)
	}
	return err
}

func differences(proof mover.Proof) []string {
	var lines []string
	for _, d := range proof.Differences {
		lines = append(lines, d.Database+": "+d.Kind+" "+d.Object+": "+d.What)
	}
	return lines
}

const simple = `
create table jobs (id bigserial primary key, name text not null, at timestamptz default now(), doc jsonb);
insert into jobs (name, doc) select 'job ' || g, jsonb_build_object('g', g) from generate_series(1, 5000) g;
create index jobs_name on jobs (name);
create table steps (id int primary key, job bigint references jobs, out bytea);
insert into steps select g, g, decode(md5(g::text), 'hex') from generate_series(1, 3000) g;
create view named as select name from jobs;
`

// From where a pod stands: the name, the connection, the login.
func TestReachSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	server := pgtest.New(t, 15)
	for _, row := range []struct {
		name   string
		change func(*mover.Endpoint)
		holds  func(mover.ReachResult) bool
	}{
		{"all the way", func(*mover.Endpoint) {}, func(r mover.ReachResult) bool {
			return r.Login == "" && r.Hosts[0].Error == "" && len(r.Hosts[0].Addresses) > 0
		}},
		{"no such name", func(e *mover.Endpoint) { e.Host = "no-such-host.invalid" }, func(r mover.ReachResult) bool {
			return r.Login == "" && r.Hosts[0].Error != "" && len(r.Hosts[0].Addresses) == 0
		}},
		{"nobody there", func(e *mover.Endpoint) { e.Port = 1 }, func(r mover.ReachResult) bool {
			return r.Login == "" && r.Hosts[0].Error != "" && len(r.Hosts[0].Addresses) > 0
		}},
		{"no such role", func(e *mover.Endpoint) { e.Username = "nobody" }, func(r mover.ReachResult) bool {
			return r.Login != "" && r.Hosts[0].Error == "" && !strings.Contains(r.Login, pgtest.Password)
		}},
	} {
		req := mover.Request{Operation: mover.OpReach, Engine: mover.PostgreSQL, Target: endpoint(server, pgtest.Superuser)}
		row.change(req.Target)
		got, err := Run(t.Context(), req, nil)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
		} else if r := got.(mover.ReachResult); !row.holds(r) {
			t.Errorf("%s: %+v", row.name, r)
		}
	}
}

func TestMoveSimple(t *testing.T) {
	t.Parallel()
	for _, to := range []int{14, 15} {
		p := newPair(t, 12, to)
		p.source.Exec(t, "postgres", "create database conductor_production")
		p.source.Exec(t, "conductor_production", simple)
		do[mover.FenceResult](t, p, mover.OpFence)
		do[mover.CopyResult](t, p, mover.OpCopy)
		proof := do[mover.Proof](t, p, mover.OpProve)
		if !proof.Equal() {
			t.Errorf("12 to %d: not equal: %q (secure write %v)", to, differences(proof), proof.SecureWrite)
		}
		do[struct{}](t, p, mover.OpCommit)
		do[mover.UnfenceResult](t, p, mover.OpUnfence)
	}
}
