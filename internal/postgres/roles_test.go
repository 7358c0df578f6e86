package postgres

import (
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
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
			inspected := do[mover.InspectResult](t, p, mover.OpInspect)
			do[mover.FenceResult](t, p, mover.OpFence)
			const keeps = " exists on the target and keeps its own attributes and password, which whoever logs in as it needs; the source's has another "
			want := []string{"role app" + keeps + "CREATEDB, LOGIN, connection limit", "role quiet" + keeps + "LOGIN"}
			theirs := p.target.Value(t, "postgres", rolesOfSide+"('app', 'quiet', 'theirs')")
			wantMine := "role " + admin + " exists on the target and keeps its own attributes and password"
			for range 2 { // the second one finds what the first one made
				copied := do[mover.CopyResult](t, p, mover.OpCopy)
				for _, line := range append(want, wantMine) {
					if !slices.Contains(copied.Adapted, line) || !slices.Contains(inspected.Adapted, line) {
						t.Errorf("%q is not in the plan's %q or the copy's %q", line, inspected.Adapted, copied.Adapted)
					}
				}
				if slices.ContainsFunc(copied.Adapted, func(line string) bool { return strings.HasPrefix(line, "role made exists") }) {
					t.Errorf("what the copy made itself is listed: %q", copied.Adapted)
				}
				if got := p.target.Value(t, "postgres", rolesOfSide+"('app', 'quiet', 'theirs')"); got != theirs {
					t.Errorf("the target's own roles became %q, were %q", got, theirs)
				}
				if got := p.target.Value(t, "postgres", rolesOfSide+"('"+admin+"')"); got != mine {
					t.Errorf("the role we log in with became %q, was %q", got, mine)
				}
			}
			if got, want := p.target.Value(t, "postgres", rolesOfSide+"('made')"), p.source.Value(t, "postgres", rolesOfSide+"('made')"); got != want {
				t.Errorf("roles on the target:\n%s\non the source:\n%s", got, want)
			}
			if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
				t.Errorf("not equal: %q", differences(proof))
			}
		})
	}
}
