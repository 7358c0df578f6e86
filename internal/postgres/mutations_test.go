package postgres

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// fill makes the awkward databases on a source.
func fill(t *testing.T, s *pgtest.Server) {
	t.Helper()
	s.Exec(t, "postgres", "create database main")
	s.Exec(t, "postgres", "create database other encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
	for _, f := range [][2]string{{"postgres", "roles.sql"}, {"main", "awkward.sql"}} {
		raw, err := os.ReadFile("testdata/" + f[1])
		if err != nil {
			t.Fatal(err)
		}
		for part := range strings.SplitSeq(string(raw), "-- commit\n") { // a new enum value can be used after a commit only
			s.Exec(t, f[0], part)
		}
	}
	s.Exec(t, "other", "create table latin (t text); insert into latin values (chr(252) || 'mlaut')")
}

// mutation is one change on the target, how to take it back, and what the
// proof must say.
type mutation struct{ name, database, sql, undo, want string }

var mutations = []mutation{
	{"changed row", "main", "update odd.jobs set name = 'job 8' where id = 7", "update odd.jobs set name = 'job 7' where id = 7", `main: table odd.jobs: content differs: same row count, other digest`},
	{"row replaced", "main", "delete from odd.twins where a = 9; insert into odd.twins values (1, 'x')", "delete from odd.twins where ctid = (select max(ctid) from odd.twins); alter table odd.twins drop constraint late; insert into odd.twins values (9, 'after the view'); alter table odd.twins add constraint late check (a < 5) not valid", `main: table odd.twins: content differs: same row count, other digest`},
	{"row doubled", "main", "insert into odd.special select * from odd.special limit 1", "delete from odd.special where ctid = (select max(ctid) from odd.special)", `main: table odd.special: row count differs`},
	{"missing index", "main", "drop index odd.jobs_name", "create index jobs_name on odd.jobs using btree (lower(name))", "main: index odd.jobs_name: is missing on the target"},
	{"invalid index", "main", "update pg_index set indisvalid = false where indexrelid = 'odd.jobs_at'::regclass", "update pg_index set indisvalid = true where indexrelid = 'odd.jobs_at'::regclass", "main: index odd.jobs_at: valid differs"},
	{"sequence behind", "main", "select setval('odd.behind', 41)", "select setval('odd.behind', 42)", "main: sequence odd.behind: value differs"},
	{"missing grant", "main", "set role reader; revoke select on odd.jobs from app", "set role reader; grant select on odd.jobs to app", "main: privilege table odd.jobs: differs"},
	{"lost large object", "main", "select lo_unlink(770004)", "select lo_create(770004), lo_put(770004, 8192, '\\x0102'); alter large object 770004 owner to circleci", "main: large object 770004: is missing on the target"},
	{"changed large object", "main", "select lo_put(770001, 0, '\\x01')", "select lo_put(770001, 0, '\\x00')", "main: large object 770001: content differs"},
	{"disabled trigger", "main", "alter table odd.jobs disable trigger touch", "alter table odd.jobs enable trigger touch", "main: trigger touch on odd.jobs: enabled differs"},
	{"dropped trigger", "main", "drop trigger touch on odd.jobs", "create trigger touch before update on odd.jobs for each row execute function odd.touch()", "main: trigger touch on odd.jobs: is missing on the target"},
	{"changed default", "main", "alter table odd.jobs alter name set default 'nobody'", "alter table odd.jobs alter name set default 'none'", "main: column odd.jobs.name: default differs"},
	{"missing foreign key", "main", "alter table odd.steps drop constraint steps_job_fkey", "alter table odd.steps add constraint steps_job_fkey foreign key (job) references odd.jobs on delete cascade deferrable", "main: constraint steps_job_fkey on odd.steps: is missing on the target"},
	{"changed role setting", "main", "alter role app set search_path = public", `alter role app set search_path = odd, "$user", public`, ": setting role app: search_path differs"},
	{"changed attribute", "main", "alter role app connection limit 21", "alter role app connection limit 20", ": role app: connection limit differs"},
	{"changed view", "main", "create or replace view odd.names as select name, 'x'::text as m from odd.jobs", "create or replace view odd.names as select name, odd.misleading(1) as m from odd.jobs", "main: view odd.names: definition differs"},
	{"changed comment", "main", "comment on table odd.jobs is 'other'", "comment on table odd.jobs is 'DROP ROLE postgres;'", "main: comment table odd.jobs: comment differs"},
	{"changed enum", "main", "alter type odd.mood rename value 'meh' to 'bah'", "alter type odd.mood rename value 'bah' to 'meh'", "main: type odd.mood: labels differs"},
	{"row security off", "main", "alter table odd.secrets disable row level security", "alter table odd.secrets enable row level security", "main: table odd.secrets: row security differs"},
	{"changed function", "main", "create or replace function odd.misleading(a int default 1) returns text language sql immutable as $$ select 'y' $$", "create or replace function odd.misleading(a int default 1) returns text language sql immutable as $$ select E'DROP ROLE postgres;\\n\\\\.' $$", "main: routine odd.misleading(integer): body differs"},
	{"missing database setting", "main", `alter database main reset "DateStyle"`, `alter database main set "DateStyle" = 'German, DMY'`, "main: setting database main: DateStyle is missing on the target"},
	{"other owner", "main", `alter table odd.forced owner to app`, `alter table odd.forced owner to owner_of_tables`, "main: table odd.forced: owner differs"},
	{"changed default privilege", "main", "alter default privileges for role circleci in schema odd revoke select on tables from reader", "alter default privileges for role circleci in schema odd grant select on tables to reader", "main: default privilege odd: is missing on the target"},
	{"extra table", "main", "create table odd.extra (id int)", "drop table odd.extra", "main: table odd.extra: is on the target only"},
}

func TestProofNamesEveryMutation(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	copied := do[mover.CopyResult](t, p, mover.OpCopy)
	if !slices.Equal(copied.Adapted, wantAdapted) {
		t.Errorf("adapted:\n got %q\nwant %q", copied.Adapted, wantAdapted)
	}
	equal := func(t *testing.T) {
		t.Helper()
		if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
			t.Fatalf("not equal: %q", differences(proof))
		}
	}
	equal(t)
	for _, m := range mutations {
		t.Run(m.name, func(t *testing.T) {
			p.target.Exec(t, m.database, m.sql)
			proof := do[mover.Proof](t, p, mover.OpProve)
			if got := differences(proof); !slices.Contains(got, m.want) {
				t.Errorf("differences %q do not hold %q", got, m.want)
			}
			p.target.Exec(t, m.database, m.undo)
		})
	}
	equal(t)
}

var wantAdapted = []string{
	"what role postgres owns and may do, role circleci owns and may do",
	"role auditor loses BYPASSRLS: role circleci is no superuser and cannot give it",
	"role robot loses SUPERUSER, REPLICATION, BYPASSRLS: role circleci is no superuser and cannot give it",
	"role robot is no longer a member of circleci: circleci must be a member of robot",
	`role circleci becomes a member of Odd "Role"; drop, to own and read what is its`,
	"role circleci becomes a member of app, to own and read what is its",
	"role circleci becomes a member of auditor, to own and read what is its",
	"role circleci becomes a member of owner_of_tables, to own and read what is its",
	"role circleci becomes a member of reader, to own and read what is its",
	"role circleci becomes a member of robot, to own and read what is its",
	"setting statement_timeout of all roles becomes a setting of every database: only a superuser may set it for all roles",
	"setting log_statement of role app is not carried: only a superuser may set it there",
	"setting app.tenant of database main is not carried: only a superuser may set it there",
}
