//go:build testbed

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mutation is one change of the target that the proof has to find and name.
type mutation struct {
	name, database, sql string
	names               []string
}

const conductor = "conductor_production"

// mutations are one change of each kind of thing that a copy can lose. Row
// changes keep the number of rows and of bytes wherever they can.
var mutations = []mutation{
	{"one changed row", conductor, `update awkward.statements set body = reverse(body) where line = (select min(line) from awkward.statements);`,
		[]string{"table", "awkward.statements"}},
	{"one row in place of another", conductor, `delete from awkward.tree where id = (select max(id) from awkward.tree where id not in (select parent_id from awkward.tree where parent_id is not null));
insert into awkward.tree (id) values (987654);`, []string{"table", "awkward.tree"}},
	{"a missing index", conductor, `drop index public.workflow_jobs_project_idx;`, []string{"index", "workflow_jobs_project_idx"}},
	{"a sequence behind", conductor, `select setval('awkward.used', 1, false);`, []string{"sequence", "awkward.used"}},
	{"a missing grant", conductor, `revoke select (id, owner), update (body) on awkward.secrets from circle_app;`, []string{"awkward.secrets", "circle_app"}},
	{"a lost large object", conductor, `select lo_unlink(770003);`, []string{"large object", "770003"}},
	{"a disabled trigger", conductor, `alter table awkward.triggered disable trigger a_before;`, []string{"trigger", "a_before"}},
	{"a changed default", conductor, `alter table awkward.empty alter column t set default 'y';`, []string{"awkward.empty"}},
	{"a missing constraint", conductor, `alter table awkward.to_partitioned drop constraint to_partitioned_id_fkey;`, []string{"to_partitioned_id_fkey"}},
	{"row level security off", conductor, `alter table awkward.forced disable row level security;`, []string{"awkward.forced"}},
	{"a changed view", conductor, `create or replace view awkward.updatable as select id, v from awkward.by_hash where id < 999 with cascaded check option;`, []string{"view", "awkward.updatable"}},
	{"a changed role setting", conductor, `alter role circle_reader set work_mem = '3MB';`, []string{"role", "circle_reader"}},
}

// TestProofBites: single changes on the target, made one after the other behind
// a copy that was cut off right after it, are each named by the next proof. The
// move that is gone on with is stopped by them: nothing is switched, and the
// application is where it was.
func TestProofBites(t *testing.T) {
	s := newSite(t, "e2e-proof", "10MB")
	before := s.replicas()
	_, steps := s.plan()
	if o := s.apply("CIRCLECI_DR_TEST_KILL_AT=copy:end"); !o.killed {
		t.Fatalf("apply was not killed: %s", o)
	}
	known := s.differences(0)
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			defer s.as(t)()
			s.spoil(m)
			now := s.differences(1)
			news := slices.DeleteFunc(slices.Clone(now), func(d string) bool { return slices.Contains(known, d) })
			s.contains("what is new in the proof", strings.Join(news, "\n"), m.names...)
			t.Log(news)
			known = now
		})
	}
	o := s.apply()
	if o.code != 1 {
		t.Fatalf("want exit 1, got %s", o)
	}
	t.Log(lastLines(o.err, 6))
	s.contains("apply", o.err, fmt.Sprintf("source and target differ in %d places", len(known)))
	if got := s.replicas(); !maps.Equal(got, before) {
		t.Errorf("replicas = %v, before %v", got, before)
	}
	if c := s.count(); c.Frontend.Host != "" && strings.HasPrefix(c.Frontend.Host, s.out.host()) {
		t.Errorf("the frontend writes to %s", c.Frontend.Host)
	}
	if _, after := s.plan(); !slices.Equal(after, rehearsed(steps)) {
		t.Errorf("the plan afterwards is %v, before it was %v", after, steps)
	}
}

// spoil makes one change on the target.
func (s *site) spoil(m mutation) {
	s.t.Helper()
	psql := exec.Command(filepath.Join(env(s.t, "CIRCLECI_DR_TESTBED_PG_CLIENTS"), "psql"), "-X", "-v", "ON_ERROR_STOP=1",
		"-h", env(s.t, "CIRCLECI_DR_TESTBED_PG_SOCKETS"), "-p", s.out.port, "-U", "postgres", "-d", m.database)
	psql.Stdin = strings.NewReader(m.sql)
	if out, err := psql.CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v: %s", m.sql, err, out)
	}
}

// differences are those that a proof finds now, which ends with an exit code.
func (s *site) differences(code int) (lines []string) {
	s.t.Helper()
	o := s.want(code, "prove", "--output", "json")
	var proof struct {
		Differences []struct{ Database, Kind, Object, What, Source, Target string }
	}
	if err := json.Unmarshal([]byte(o.out), &proof); err != nil {
		s.t.Fatalf("read the proof: %v\n%s", err, o.out)
	}
	for _, d := range proof.Differences {
		lines = append(lines, fmt.Sprintf("%s: %s %s: %s: %s, %s", d.Database, d.Kind, d.Object, d.What, d.Source, d.Target))
	}
	return lines
}
