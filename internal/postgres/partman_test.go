package postgres

import (
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
)

// TestPartmanAsPublished moves the real extension. Who may write its tables
// depends on who makes them: a superuser, the server for a role that creates a
// trusted extension, or the role itself where the control file asks for no
// superuser.
func TestPartmanAsPublished(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.NewWith(t, pgtest.Options{Major: 12, Partman: pgtest.PartmanPublished})}
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", judgedSQL(t, "partman_published"))
	p.source.Exec(t, "main", "call partman.run_maintenance_proc()")
	p.source.Exec(t, "main", "select partman.run_maintenance('public.events')")
	const rows = `select (select md5(string_agg(t::text, '|' order by t::text)) from partman.part_config t) || ' ' || (select md5(string_agg(t::text, '|' order by t::text)) from partman.part_config_sub t)
		|| ' ' || (select count(*) from pg_inherits) || ' ' || (select count(*) from events) || ' ' || (select count(*) from numbers)`
	for _, c := range []struct {
		control    string
		superuser  bool
		restricted bool
		byServer   bool
	}{
		{pgtest.PartmanPublished, false, true, false},
		{"trusted = true", false, false, true},
		{"superuser = false", false, false, false},
		{"trusted = true", true, false, false},
	} {
		q := pair{source: p.source, target: pgtest.NewWith(t, pgtest.Options{Major: 14, Partman: c.control}), admin: pgtest.Superuser}
		if !c.superuser {
			q.admin = testAdmin
			q.target.Exec(t, "postgres", "create role circleci login createdb createrole password '"+pgtest.Password+"'")
		}
		inspected := q.inspect(t)
		src, dst := inspected.Source.Database.Databases[0], inspected.Target.Database
		if got := src.ExtensionRows["pg_partman"]; !slices.Equal(got, []string{"partman.part_config", "partman.part_config_sub"}) {
			t.Errorf("rows of its own in %q", got)
		}
		version := src.Extensions["pg_partman"]
		if got := slices.Contains(dst.Restricted["pg_partman"], version); got != c.restricted {
			t.Errorf("%s, superuser %t: restricted %t", c.control, c.superuser, got)
		}
		if got := slices.Contains(dst.ByServer["pg_partman"], version); got != c.byServer {
			t.Errorf("%s, superuser %t: made by the server %t", c.control, c.superuser, got)
		}
		if len(inspected.Blocked) > 0 {
			t.Errorf("%s, superuser %t: named %+v", c.control, c.superuser, inspected.Blocked)
		}
		if c.restricted || c.byServer { // and so it would fail
			continue
		}
		q.moved(t)
		if got, want := q.target.Value(t, "main", rows), p.source.Value(t, "main", rows); got != want {
			t.Errorf("%s, superuser %t: the target has %s, want %s", c.control, c.superuser, got, want)
		}
	}
}
