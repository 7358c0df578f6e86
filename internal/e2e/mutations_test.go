//go:build testbed

package e2e

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
