package postgres

import (
	"context"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

const (
	membersSource = `create role app login password 'from-the-source'; create role reader; create role made; grant reader to app; grant made to app; grant pg_monitor to app;
		alter role app set work_mem = '7MB'; create table jobs (id int); alter table jobs owner to app; insert into jobs values (1)`
	membersTarget = `create role app login password 'from-the-dba'; create role reader`
)

// memberships are who is a member of what, but for our role.
const memberships = `select string_agg(distinct pg_get_userbyid(m.member) || ' in ' || pg_get_userbyid(m.roleid), ', ' order by pg_get_userbyid(m.member) || ' in ' || pg_get_userbyid(m.roleid))
	from pg_auth_members m where pg_get_userbyid(m.member) in ('app', 'reader', 'made')`

// TestRolesOfSomebodyElse: roles that the target's superuser made beforehand are
// carried into up to PostgreSQL 15. From 16 on our role may not pass them on,
// which is named, and no longer when it may.
func TestRolesOfSomebodyElse(t *testing.T) {
	t.Parallel()
	source := pair{source: pgtest.New(t, 12)}
	source.source.Exec(t, "postgres", "create database main")
	source.source.Exec(t, "main", membersSource)

	p := source.to(t, 15, false)
	p.target.Exec(t, "postgres", membersTarget)
	if r := p.inspect(t); len(r.Blocked) > 0 || len(r.Omitted) > 0 {
		t.Errorf("15: named %+v, left out %+v", r.Blocked, r.Omitted)
	}
	p.moved(t)

	p = source.to(t, 16, false)
	p.target.Exec(t, "postgres", membersTarget)
	inspected := p.inspect(t)
	want := []string{"membership of role app in role pg_monitor", "membership of role app in role reader", "what role app owns and may do", "what role reader owns and may do"}
	if got := objectNamesOf(inspected.Blocked); !slices.Equal(got, want) {
		t.Errorf("16: named %q, want %q", got, want)
	}
	if got := objectNamesOf(inspected.Omitted); !slices.Equal(got, []string{"setting work_mem of role app"}) {
		t.Errorf("16: left out %q", got)
	}
	for _, o := range append(inspected.Blocked, inspected.Omitted...) {
		p.target.Exec(t, "postgres", o.Fix[len("as the target's superuser: "):]) // each fix is what it says
	}
	if r := p.inspect(t); len(r.Blocked) > 0 || len(r.Omitted) > 0 {
		t.Errorf("16, after the fixes: named %+v, left out %+v", r.Blocked, r.Omitted)
	}
	p.makeRolesTwice(t)

	// What is there already need not be granted: our role may do it without ADMIN OPTION.
	p = source.to(t, 16, false)
	p.target.Exec(t, "postgres", membersTarget+"; grant app, reader to circleci; grant reader, pg_monitor to app; alter role circleci noinherit; alter role app set work_mem = '7MB'")
	source.source.Exec(t, "postgres", "alter role app reset work_mem")
	if got := objectNamesOf(p.inspect(t).Blocked); len(got) > 0 {
		t.Errorf("16, granted beforehand: named %q", got)
	}
	p.makeRolesTwice(t)
}

// makeRolesTwice makes roles and memberships as a copy does, also again, and
// compares them. There is no pg_dump here for a whole move to 16.
func (p pair) makeRolesTwice(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	req := p.request(mover.OpCopy)
	req.Fence = ""
	m, err := newJob(req, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		facts, err := m.prepareCopy(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c := &copyRun{job: m, adapted: facts.adapted, admin: testAdmin}
		if err := m.target.ensureOwn(ctx); err != nil {
			t.Fatal(err)
		}
		held, hold, err := m.hold(ctx)
		if err != nil {
			t.Fatal(err)
		}
		c.hold = hold
		if err := c.makeRoles(held, facts); err != nil {
			t.Fatal(err)
		}
		hold.release(ctx)
	}
	if got, want := p.target.Value(t, "postgres", memberships), p.source.Value(t, "postgres", memberships); got != want {
		t.Errorf("members %s, want %s", got, want)
	}
	if got := p.target.Value(t, "postgres", "select bool_and(pg_has_role('circleci', r.oid, 'set') and pg_has_role('circleci', r.oid, 'usage')) from pg_roles r where rolname in ('app', 'reader', 'made')"); got != "true" {
		t.Error("our role may not act as every role")
	}
}
