package runbook

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// byHandOn runs the texts on two servers, as a person would, but for the way to
// the first, which leads through no cluster here.
type byHandOn struct {
	t               *testing.T
	inside, outside *pgtest.Server
	dir             string
	plan            engine.Plan
}

func (b byHandOn) run(parts []Part) string {
	b.t.Helper()
	out, err := b.try(parts)
	if err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	return out
}

func (b byHandOn) try(parts []Part) (string, error) {
	b.t.Helper()
	script := "set -e -o pipefail\n"
	for _, p := range parts {
		script += p.Shell + "\n"
	}
	at := func(s *pgtest.Server) string {
		return fmt.Sprintf("host=%s port=%d user=postgres sslmode=disable", s.Host, s.Port)
	}
	return shell(b.t, b.dir, script, "PATH=/usr/lib/postgresql/15/bin:"+os.Getenv("PATH"), "PG_INSIDE="+at(b.inside), "PG_OUTSIDE="+at(b.outside),
		"PG_INSIDE_PASSWORD="+pgtest.Password, "PG_OUTSIDE_PASSWORD="+pgtest.Password)
}

func (b byHandOn) section(kind engine.ActionKind) Section {
	b.t.Helper()
	s, err := StepByHand(b.plan, engine.Step{ID: "x", Action: kind, Args: map[string]string{"engine": "postgresql"},
		Changes: []engine.Change{{Field: `database an "odd" name`, From: "open", To: "closed"}}})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// fill makes two databases, one of them with a name that wants quoting.
func fill(t *testing.T, s *pgtest.Server) {
	t.Helper()
	s.Exec(t, "postgres", `create role app login password 'x'`)
	s.Exec(t, "postgres", `create database main owner app`)
	s.Exec(t, "postgres", `create database "an ""odd"" name" owner app`)
	s.Exec(t, "main", "create table t (id int primary key, v text); insert into t select i, repeat('x', i) from generate_series(1, 500) i; create schema s; create table s.u (j jsonb); insert into s.u values ('{}')")
	s.Exec(t, `an "odd" name`, "create table only_here (id int); insert into only_here values (7)")
}

// The commands for the data of PostgreSQL move two databases between two real
// servers: rehearsed, read-only, copied, proven equal, with each step undone.
func TestPostgreSQLMovesByHand(t *testing.T) {
	t.Parallel()
	b := byHandOn{t: t, inside: pgtest.New(t, 12), outside: pgtest.New(t, 14), dir: t.TempDir()}
	b.plan.Names = (&reconcile.Names{Namespace: "ci", Release: "server", KubeContext: "prod",
		Stores: []reconcile.StoreNames{{Engine: mover.PostgreSQL, To: spec.External, Epoch: 2}}}).InPlan()
	fill(t, b.inside)
	writes := func() bool {
		conn, err := b.inside.Connect(t.Context(), "main")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(t.Context())
		_, err = conn.Exec(t.Context(), "insert into t select max(id) + 1 from t")
		return err == nil
	}
	rehearsal := b.section(reconcile.ActRehearse)
	b.run(rehearsal.Do)
	if said := b.run(rehearsal.Done); !strings.Contains(said, "rehearsal_main") {
		t.Errorf("after the rehearsal: %s", said)
	}
	b.run(rehearsal.Undo)
	if left := b.outside.Value(t, "postgres", "select count(*)::text from pg_database where datname like 'rehearsal%'"); left != "0" {
		t.Errorf("%s databases of the rehearsal are left", left)
	}
	b.run(b.section(reconcile.ActRead).Do)

	fence := b.section(reconcile.ActFence)
	if said := b.run(fence.Already); !strings.Contains(said, "off") {
		t.Errorf("before the fence: %s", said)
	}
	b.run(fence.Do)
	if said := b.run(fence.Done); writes() || !strings.Contains(said, "on") {
		t.Errorf("under the fence writes pass, or it is not seen: %s", said)
	}
	b.run(b.section(reconcile.ActCopy).Do)
	prove := b.section(reconcile.ActProve)
	if said := b.run(prove.Do[:1]); !strings.Contains(said, "the rows are equal") {
		t.Errorf("after the copy: %s", said)
	}
	b.run(parts(run("", "! [ -s missing ] && grep -q 's.u|1|' source.txt && grep -q 'public.only_here|1|' source.txt && grep -q 'public.t|500|' target.txt")))
	b.outside.Exec(t, "main", "update t set v = 'other' where id = 7")
	if said, err := b.try(prove.Do[:1]); err == nil || strings.Contains(said, "are equal") {
		t.Errorf("with another value: %s", said)
	}
	b.run(fence.Undo[len(fence.Undo)-1:])
	if !writes() {
		t.Error("the fence was not taken off")
	}

	b.inside.Exec(t, "postgres", "create database circleci_dr")
	aside := b.section(reconcile.ActSetAside)
	b.run(aside.Do)
	if said := b.run(aside.Done); !strings.Contains(said, `an "odd" name__dr_e2 | f`) {
		t.Errorf("set aside: %s", said)
	}
	b.run(aside.Undo)
	if v := b.inside.Value(t, `an "odd" name`, "select id::text from only_here"); v != "7" {
		t.Errorf("taken back it holds %s", v)
	}
}
