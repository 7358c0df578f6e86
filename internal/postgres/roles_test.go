package postgres

import (
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

const rolesOfSide = `select string_agg(concat_ws(' ', rolname, rolsuper, rolcreatedb, rolcreaterole, rolcanlogin, rolconnlimit, coalesce(rolpassword, 'none')), E'\n' order by rolname)
	from pg_authid where rolname in `

// TestRolesThatExist copies roles whose names the target has. The one we log
// in with, whether it is a superuser or not, stays as it is.
func TestRolesThatExist(t *testing.T) {
	t.Parallel()
	for _, admin := range []string{testAdmin, pgtest.Superuser} {
		t.Run(admin, func(t *testing.T) {
			p := newPair(t, 12, 14)
			p.admin = admin
			p.source.Exec(t, "postgres", `create database main; `)
			p.source.Exec(t, "postgres", `create role circleci nologin connection limit 3 password 'of the source';
				create role app login createdb connection limit 20 password 'of the source'; create role quiet; create role made login password 'new';
				alter role postgres connection limit 44; grant app to circleci`)
			p.target.Exec(t, "postgres", `create role app connection limit 5 password 'of the target'; create role quiet login password 'of the target'; create role theirs`)
			if admin == testAdmin {
				p.target.Exec(t, "postgres", "grant app, quiet to circleci with admin option")
			}
			mine := p.target.Value(t, "postgres", rolesOfSide+"('"+admin+"')")
			inspected := do[reconcile.InspectResult](t, p, reconcile.OpInspect)
			do[reconcile.FenceResult](t, p, reconcile.OpFence)
			want := []string{
				"role app exists on the target and gets the source's attributes and password",
				"role quiet exists on the target and gets the source's attributes and password",
			}
			wantMine := "role " + admin + " exists on the target and keeps its own attributes and password"
			for range 2 { // the second one finds what the first one made
				copied := do[reconcile.CopyResult](t, p, reconcile.OpCopy)
				for _, line := range append(want, wantMine) {
					if !slices.Contains(copied.Adapted, line) || !slices.Contains(inspected.Adapted, line) {
						t.Errorf("%q is not in the plan's %q or the copy's %q", line, inspected.Adapted, copied.Adapted)
					}
				}
				if made := "role made exists on the target and gets the source's attributes and password"; slices.Contains(copied.Adapted, made) {
					t.Errorf("what the copy made itself is listed: %q", copied.Adapted)
				}
				if got := p.target.Value(t, "postgres", rolesOfSide+"('"+admin+"')"); got != mine {
					t.Errorf("the role we log in with became %q, was %q", got, mine)
				}
			}
			if got, want := p.target.Value(t, "postgres", rolesOfSide+"('app', 'made', 'quiet')"), p.source.Value(t, "postgres", rolesOfSide+"('app', 'made', 'quiet')"); got != want {
				t.Errorf("roles on the target:\n%s\non the source:\n%s", got, want)
			}
			if proof := do[reconcile.Proof](t, p, reconcile.OpProve); !proof.Equal() {
				t.Errorf("not equal: %q", differences(proof))
			}
		})
	}
}
