package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// bite is a kind of text: how it is made of an expression, and what the proof
// must say when the expression is another.
type bite struct {
	since         int    // the major version that knows it
	a, b, n       string // what the expression is about; '' for the columns
	drop, make    string
	kind, differs string
}

const aboutConstants = "'v'::varchar(9)"

var bites = []bite{
	{make: "alter table m add constraint m_check check (%s)", drop: "alter table m drop constraint if exists m_check", kind: "constraint m_check on public.m", differs: "check"},
	{a: "value::varchar(9)", b: "value::text", n: "value", make: "alter domain m_domain add constraint m_known check (%s)", drop: "alter domain m_domain drop constraint if exists m_known", kind: "constraint m_known on public.m_domain", differs: "check"},
	{a: aboutConstants, b: "'b'", n: "5.5", make: "alter table m alter busy set default %s", kind: "column public.m.busy", differs: "default"},
	{make: "alter table m add made boolean generated always as (%s) stored", drop: "alter table m drop if exists made", kind: "column public.m.made", differs: "default"},
	{make: "create index m_expression on m ((%s), a)", drop: "drop index if exists m_expression", kind: "index public.m_expression", differs: "expression 1"},
	{make: "create unique index m_partial on m (a, b) where %s", drop: "drop index if exists m_partial", kind: "index public.m_partial", differs: "predicate"},
	{make: "alter table m add constraint m_apart exclude using gist (r with &&) where (%s)", drop: "alter table m drop constraint if exists m_apart", kind: "index public.m_apart", differs: "predicate"},
	{make: "create or replace view m_view as select id from m where %s", kind: "view public.m_view", differs: "definition"},
	{make: "create materialized view m_kept as select %s as x from m", drop: "drop materialized view if exists m_kept", kind: "view public.m_kept", differs: "definition"},
	{a: "old.a", b: "old.b", n: "old.n", make: "create or replace rule m_rule as on delete to m where %s do instead nothing", kind: "rule m_rule on public.m", differs: "definition"},
	{a: "new.a", b: "new.b", n: "new.n", make: "create trigger m_trigger before insert on m for each row when (%s) execute function m_touch()", drop: "drop trigger if exists m_trigger on m", kind: "trigger m_trigger on public.m", differs: "definition"},
	{make: "create policy m_using on m using (%s)", drop: "drop policy if exists m_using on m", kind: "policy m_using on public.m", differs: "using"},
	{make: "create policy m_with on m for insert with check (%s)", drop: "drop policy if exists m_with on m", kind: "policy m_with on public.m", differs: "with check"},
	{a: aboutConstants, b: "'b'", n: "5.5", make: "create or replace function m_argument(a int, b boolean default %s) returns int language sql as 'select a'", kind: "routine public.m_argument(integer,boolean)", differs: "default of argument 2"},
	{a: aboutConstants, b: "'b'", n: "5.5", make: "alter domain m_flag set default %s", kind: "type public.m_flag", differs: "default"},
	{make: "create table m_parts (a varchar(9), b varchar(9), n numeric) partition by list ((%s))", drop: "drop table if exists m_parts", kind: "table public.m_parts", differs: "partition key"},
	{since: 14, make: "create or replace function m_body(a varchar(9), b varchar(9), n numeric) returns boolean language sql return %s", kind: "routine public.m_body(character varying,character varying,numeric)", differs: "SQL body"},
	{since: 14, make: "create statistics m_statistics on (%s), a from m", drop: "drop statistics if exists m_statistics", kind: "statistics object public.m_statistics", differs: "expression 1"},
	{since: 15, a: "coalesce(a, '')", make: "alter publication m_published set table m where (%s)", kind: "published table public.m in m_published", differs: "filter"},
}

const bitesBase = `create table m (id int primary key, a varchar(9), b varchar(9), n numeric, busy boolean, r int4range);
	create domain m_domain as numeric; create domain m_flag as boolean;
	create function m_touch() returns trigger language plpgsql as 'begin return new; end'`

// with makes the object of an expression in which {a}, {b} and {n} stand for
// what it is about.
func (b bite) with(expression string) string {
	about := func(given, column string) string {
		if given == "" {
			return column
		}
		return given
	}
	expression = strings.NewReplacer("{a}", about(b.a, "a"), "{b}", about(b.b, "b"), "{n}", about(b.n, "n")).Replace(expression)
	if b.since == 15 { // a publication takes no list
		expression = strings.NewReplacer(" in ('x', 'y')", " = 'x'", " in ('x', 'z')", " = 'z'").Replace(expression)
	}
	return strings.TrimPrefix(b.drop+"; "+fmt.Sprintf(b.make, expression), "; ")
}

// bitten are the kinds of text a server knows.
func bitten(major int) []bite {
	return slices.DeleteFunc(slices.Clone(bites), func(b bite) bool { return b.since > major })
}

// TestProofBitesInEveryText changes the expression of every kind of text at
// once, on the source: what the target has is what it read in. A change that the
// kind's expression does not have is none.
func TestProofBitesInEveryText(t *testing.T) {
	t.Parallel()
	const base = "{a} in ('x', 'y') or lower({b}) = 'q' and {n} + 1 > 5"
	changes := []struct{ name, expression string }{
		{"another constant", "{a} in ('x', 'z') or lower({b}) = 'q' and {n} + 1 > 5"},
		{"another column", "{b} in ('x', 'y') or lower({b}) = 'q' and {n} + 1 > 5"},
		{"another operator", "{a} in ('x', 'y') or lower({b}) = 'q' and {n} - 1 > 5"},
		{"another function", "{a} in ('x', 'y') or upper({b}) = 'q' and {n} + 1 > 5"},
		{"a cast that changes values", "{a} in ('x', 'y') or lower({b}) = 'q' and ({n})::int + 1 > 5"},
	}
	for _, c := range []struct {
		from, to int
		super    bool
	}{{12, 14, false}, {12, 15, true}, {15, 15, true}} {
		t.Run(fmt.Sprintf("%d to %d", c.from, c.to), func(t *testing.T) {
			p := newServers(t, c.from, c.to, c.super)
			p.source.Exec(t, "postgres", "create database main")
			p.source.Exec(t, "main", bitesBase)
			if c.from >= 15 {
				p.source.Exec(t, "main", "create publication m_published for table m")
			}
			all := func(expression string) (changed []string) {
				for _, b := range bitten(c.from) {
					if expression == base || b.with(expression) != b.with(base) {
						p.source.Exec(t, "main", b.with(expression))
						changed = append(changed, "main: "+b.kind+": "+b.differs+" differs")
					}
				}
				slices.Sort(changed)
				return changed
			}
			all(base)
			free := p.request(mover.OpCopy)
			free.Fence = "" // the source is to be changed
			run(t, free)
			free.Operation = mover.OpProve
			for _, change := range changes {
				if got := differences(run(t, free).(mover.Proof)); len(got) > 0 {
					t.Fatalf("before %s: not equal: %q", change.name, got)
				}
				want := all(change.expression)
				got := differences(run(t, free).(mover.Proof))
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("%s: differences\n%s\nwant\n%s", change.name, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				all(base)
			}
		})
	}
}

// run runs a request and fails the test when it fails.
func run(t *testing.T, req mover.Request) any {
	t.Helper()
	result, err := Run(t.Context(), req, nil)
	if err != nil {
		t.Fatalf("%s: %v", req.Operation, err)
	}
	return result
}
