package postgres

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// hostileRoles are names that would take a list apart, or be taken for something
// else in it, if anything but quotes told where they end.
var hostileRoles = []string{
	"poor\x1fINSERT\x1fowns\x1ft\x1erich", "\x1e", "\x1f", "poor INSERT owns t;", `"poor" INSERT "owns" t;`, "\x01poor", "\x01\"poor\"", `"`, `""`, "; ", ", ",
	"(server)", "{poor=a/owns}", "Владелец", "x\nby y",
}

// everyGrant lists every grant of a database by the server's own names.
const everyGrant = `select coalesce(string_agg(l, e'\n' order by l collate "C"), '') from (
	select concat_ws(' | ', o, case x.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(x.grantee)) end, x.privilege_type, quote_ident(pg_get_userbyid(x.grantor)), x.is_grantable)
	from (select 'table ' || relname, coalesce(relacl, acldefault('r', relowner)) from pg_class where relname = 't'
		union all select 'column ' || attname, attacl from pg_attribute where attrelid = 't'::regclass and attacl is not null
		union all select 'schema', nspacl from pg_namespace where nspname = 's'
		union all select 'default of ' || quote_ident(pg_get_userbyid(defaclrole)), defaclacl from pg_default_acl
		union all select 'routine', proacl from pg_proc where proname = 'pg_ls_waldir') a(o, acl), aclexplode(acl) x) l(l)`

// TestRolesOfAnyName: what a role is called gives nobody anything, and takes
// nothing away, on a target with other names for some of them too.
func TestRolesOfAnyName(t *testing.T) {
	t.Parallel()
	p := newPair(t, 14, 15)
	p.admin = pgtest.Superuser
	const mapped, into = "given\x1f\x1e away", "\x1egiven\" to"
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "postgres", "create role poor; create role rich; create role owns; create role going; create role "+ident(mapped))
	p.target.Exec(t, "postgres", "create role owns; create role "+ident(into))
	p.source.Exec(t, "main", `create table public.t (id int, note text); alter table t owner to going; create schema s authorization owns; alter schema public owner to going`)
	for _, role := range append(hostileRoles, mapped) {
		if role != mapped {
			p.source.Exec(t, "main", "create role "+ident(role))
		}
		p.source.Exec(t, "main", strings.ReplaceAll(`grant select on t to @ with grant option; grant usage on schema s to @; grant update (note) on t to @;
			grant execute on function pg_ls_waldir() to @; alter default privileges for role @ in schema s grant select on tables to @, rich;
			alter default privileges for role owns grant delete on tables to @ with grant option; set role @; grant select on t to rich; reset role`, "@", ident(role)))
	}
	noRoleIsTheServers(t, p.source)
	request := func(op mover.Operation) mover.Request {
		req := p.request(op)
		owners := map[string]string{mapped: into, "going": "owns"} // which the source has, too
		maps.Copy(owners, req.OwnerMap)
		req.OwnerMap = owners
		return req
	}
	if got := perform[mover.Rehearsal](t, request(mover.OpRehearse)); len(got.Differences) > 0 {
		t.Errorf("the rehearsal found %+v", got.Differences)
	}
	perform[mover.FenceResult](t, request(mover.OpFence))
	perform[mover.CopyResult](t, request(mover.OpCopy))
	if proof := perform[mover.Proof](t, request(mover.OpProve)); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
	want := sortedLines(strings.NewReplacer(ident(mapped), ident(into), "going", "owns").Replace(p.source.Value(t, "main", everyGrant)))
	if got := sortedLines(p.target.Value(t, "main", everyGrant)); got != want {
		t.Errorf("granted on the target:\n%q\nwant:\n%q", got, want)
	}
	p.target.Exec(t, "main", "set role "+ident(hostileRoles[0])+"; revoke select on t from rich")
	if got := perform[mover.Proof](t, request(mover.OpProve)); !slices.Equal(differences(got), []string{"main: privilege table public.t: differs"}) || !strings.HasPrefix(got.Differences[0].Source, `DELETE to "owns" by owns, INSERT to "owns" by owns, `) {
		t.Errorf("a grant that was revoked is named as %+v", got)
	}
}

// noRoleIsTheServers: a role cannot be called what stands for the server's own.
func noRoleIsTheServers(t *testing.T, s *pgtest.Server) {
	t.Helper()
	conn, err := s.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	for _, sql := range []string{"create role " + ident(serverRole), "alter role poor rename to " + ident(serverRole)} {
		if _, err := conn.Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "42939") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func sortedLines(text string) string {
	lines := strings.Split(text, "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}
