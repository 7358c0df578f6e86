package postgres

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// ordered are databases that come out right only when things are made in the
// right order and under the right settings. Each has a query of its own for both
// sides, which says what is there without the proof.
var ordered = []struct {
	file, check string
	// settings are the database's own, one ALTER DATABASE each.
	settings []string
	// superuser tells what only a superuser can make on the target.
	superuser bool
}{
	{file: "event-trigger-logs", superuser: true, check: `select count(*) || coalesce(string_agg(distinct tag, ','), '') || (select count(*) from jobs) || (select string_agg(evtname || evtenabled::text, ',') from pg_event_trigger) from ddl_log`},
	{file: "event-trigger-refuses", superuser: true, check: `select count(*) || (select string_agg(evtname || evtenabled::text, ',') from pg_event_trigger) from jobs`},
	{file: "event-trigger-freezes", superuser: true, check: `select evtname || evtenabled::text from pg_event_trigger`},
	{file: "event-trigger-states", superuser: true, check: `select string_agg(evtname || ' ' || evtenabled::text || coalesce(obj_description(oid, 'pg_event_trigger'), ''), ',' order by evtname)
		|| (select count(*) || string_agg(tag, ',' order by id) from heard) || (select last_value || is_called::text from heard_id_seq)
		|| (select count(*) from pg_publication) || (select obj_description(oid, 'pg_publication') from pg_publication where pubname = 'jobs_only') from pg_event_trigger`},
	{file: "policy-on-grouped-view", check: `select count(*) || ' ' || (select count(*) from pg_policy) || ' ' || (select sum(n) from org_plan) from builds`},
	{file: "grouped-views", check: `select (select string_agg(r::text, ',' order by id) from org_plan r) || (select count(*) || '/' || sum(seen) from planned) || (select string_agg(r::text, ',') from planned_kept r) || (select string_agg(s::text, ',' order by id) from snapshots s)
		|| (select count(*) from pg_policy) || (select string_agg(tgname, ',') from pg_trigger where not tgisinternal) || (select string_agg(rulename, ',' order by 1) from pg_rules where schemaname = 'public')
		|| (select string_agg(pg_get_function_result(oid), ',' order by proname) from pg_proc where pronamespace = 'public'::regnamespace) || seen_of(1)::text || newest_org()`},
	{file: "refresh-through-functions", check: `select (select string_agg(n::text, ',') from first) || (select n from second) || (select n from third) || (select relispopulated from pg_class where relname = 'never')`},
	{file: "check-reads-other-table", check: `select count(*) || ' ' || sum(length(state)) from builds`},
	{file: "reads-other-tables", check: `select (select count(*) || md5(string_agg(b::text, ',' order by id)) from a_builds b) || (select string_agg(r::text, ',') from a_computed r) || (select count(*) from y_states)
		|| (select s from a_domain) || (select a from a_operator) || (select r::text from a_parts r)`},
	{file: "backslashes", settings: []string{"standard_conforming_strings = off", "backslash_quote = on"}, check: `select (select string_agg(path || ' ' || marked, '|' order by id) from win_paths) || sep() || (select string_agg(mark || has, '|' order by id) from marks)
		|| (select string_agg(pg_get_constraintdef(oid), '|' order by conname) from pg_constraint where contype = 'c' and connamespace = 'public'::regnamespace) || (select pg_get_expr(polqual, polrelid) from pg_policy)
		|| (select count(*) from win_paths where path || sep() = E'C:\\temp\\') || obj_description('win_paths'::regclass, 'pg_class')`},
	{file: "time-zone", settings: []string{"TimeZone = 'Europe/Berlin'", "DateStyle = 'German, DMY'", "IntervalStyle = sql_standard", "array_nulls = off"}, check: `select (select string_agg(b::text, ',' order by id) from builds b)
		|| (select string_agg(d::text, ',' order by at) from days d) || (select a from nulls)::text`},
}

// byIndex asks functional indexes, which hold what their function gave when they
// were built.
func byIndex(t *testing.T, s *pgtest.Server) (found string) {
	t.Helper()
	conn, err := s.Connect(t.Context(), "time_zone")
	if err != nil {
		t.Fatal(err)
	}
	defer closeConn(t.Context(), conn)
	if _, err := conn.Exec(t.Context(), "set enable_seqscan = off"); err != nil {
		t.Fatal(err)
	}
	err = conn.QueryRow(t.Context(), `select (select count(*) from builds where day(at) = '01.07.2024') || ' ' || (select count(*) from builds where words(took) = '-5:00:00')`).Scan(&found)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestOrderOfMaking(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		from, to int
		super    bool
	}{{12, 12, true}, {12, 12, false}, {12, 15, true}, {12, 15, false}} {
		t.Run(name(c.from, c.to, c.super), func(t *testing.T) {
			p := newServers(t, c.from, c.to, c.super)
			p.source.Exec(t, "postgres", "create role reader")
			for _, o := range ordered {
				if !o.superuser || c.super {
					p.load(t, o.file, o.settings)
				}
			}
			p.copied(t)
			if c.super { // the first proof tried to write
				if again := do[mover.Proof](t, p, mover.OpProve); !again.Equal() {
					t.Errorf("not equal after a proof: %q", differences(again))
				}
			}
			for _, o := range ordered {
				if o.superuser && !c.super {
					continue
				}
				db := strings.ReplaceAll(o.file, "-", "_")
				want, got := p.source.Value(t, db, o.check), p.target.Value(t, db, o.check)
				if want == "" || got != want {
					t.Errorf("%s:\n got %s\nwant %s", o.file, got, want)
				}
			}
			if want, got := byIndex(t, p.source), byIndex(t, p.target); want != "40 1" || got != want {
				t.Errorf("the indexes find %s rows, want 40 1 and on the source %s", got, want)
			}
		})
	}
}

func name(from, to int, super bool) string {
	who := "any role"
	if super {
		who = "superuser"
	}
	return strings.Join([]string{major(from), "to", major(to), who}, " ")
}

func major(n int) string { return string(rune('0'+n/10)) + string(rune('0'+n%10)) }

// load makes a database of a file, with settings that stand before it is read.
func (p pair) load(t *testing.T, file string, settings []string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/order/" + file + ".sql")
	if err != nil {
		t.Fatal(err)
	}
	db := strings.ReplaceAll(file, "-", "_")
	p.source.Exec(t, "postgres", "create database "+db)
	for _, s := range settings {
		p.source.Exec(t, "postgres", "alter database "+db+" set "+s)
	}
	p.source.Exec(t, db, string(raw))
}

// TestEventTriggersAreNamedFirst: a role that is no superuser can make none.
func TestEventTriggersAreNamedFirst(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 15)
	p.source.Exec(t, "postgres", "create role reader")
	var want, got []string
	for _, o := range ordered {
		if o.superuser {
			p.load(t, o.file, o.settings)
			want = append(want, strings.ReplaceAll(o.file, "-", "_"))
		}
	}
	for _, b := range do[mover.InspectResult](t, p, mover.OpInspect).Blocked {
		if strings.HasPrefix(b.Object, "event trigger ") && b.Reason == causes["superuser"].why {
			got = append(got, b.Database)
		}
	}
	slices.Sort(want)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("event triggers are named of %q, want %q", got, want)
	}
}
