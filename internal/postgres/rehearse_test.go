package postgres

import (
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

// TestRehearsalLeavesNothing rehearses the awkward fixture, whose copy is proven
// equal, and finds nothing. The target is as it was.
func TestRehearsalLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, to := range []int{14, 15} {
		p := newPair(t, 12, to)
		fill(t, p.source)
		p.target.Exec(t, "postgres", "create role app login password 'theirs'; create role kept")
		p.target.Exec(t, "postgres", "create database shop")
		p.target.Exec(t, "shop", "create table t (id int); insert into t values (1)")
		was := onServer(t, p.target)
		got := do[reconcile.Rehearsal](t, p, reconcile.OpRehearse)
		for _, d := range got.Differences {
			t.Errorf("12 to %d: %s: %s %s: %s (%q, %q)", to, d.Database, d.Kind, d.Object, d.What, d.Source, d.Target)
		}
		t.Logf("12 to %d: %v, took %s, left %q", to, got.Compared, got.Duration, got.Left)
		if is := onServer(t, p.target); is != was {
			t.Errorf("12 to %d: the target was\n%s\nand is\n%s", to, was, is)
		}
		if seen := do[reconcile.InspectResult](t, p, reconcile.OpInspect).Source.Database.Schema; seen != got.Schema || seen == "" {
			t.Errorf("the inspection gives schema %q, the rehearsal %q", seen, got.Schema)
		}
	}
}

// onServer is what a server says of its databases, roles, memberships, settings
// and of what is in a database of somebody else's.
func onServer(t *testing.T, s *pgtest.Server) string {
	t.Helper()
	return s.Value(t, "postgres", `select string_agg(x, e'\n' order by x) from (
		select format('database %s %s %s', datname, datdba::regrole, datacl) from pg_database where datname <> 'circleci_dr'
		union all select format('role %s %s %s', rolname, rolcanlogin, rolpassword) from pg_authid
		union all select format('member %s of %s', member::regrole, roleid::regrole) from pg_auth_members
		union all select format('setting %s %s %s', setdatabase, setrole, setconfig) from pg_db_role_setting) s(x)`) + "\n" +
		s.Value(t, "shop", "select count(*)::text from t")
}

var _ = strings.Contains
var _ = pgtest.Superuser
