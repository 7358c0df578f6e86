package postgres

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// dropNamed drops what is named as not to be carried, as its owner would. Only
// PostgreSQL's regression tests leave such things, and each must be of a kind
// in namedKinds.
func dropNamed(t *testing.T, p pair) int {
	t.Helper()
	inspected := p.inspect(t)
	blocked := inspected.Blocked
	for _, o := range blocked {
		if o.Database != "regression" {
			t.Errorf("a false finding: %+v", o)
			continue
		}
		p.source.Exec(t, o.Database, "set client_min_messages = error; "+dropOf(t, o))
	}
	return len(blocked) + dropRestricted(t, p, inspected)
}

// dropRestricted drops extensions that the target's role may not make, which the
// plan refuses to move: on a server older than 13 none is trusted.
func dropRestricted(t *testing.T, p pair, in mover.InspectResult) (dropped int) {
	t.Helper()
	target := in.Target.Database
	for _, db := range in.Source.Database.Databases {
		for name, version := range db.Extensions {
			if !slices.Contains(target.Restricted[name], version) {
				continue
			}
			if target.VersionNum >= 130000 {
				t.Errorf("a false finding: extension %s %s is restricted", name, version)
			}
			p.source.Exec(t, db.Name, "drop extension "+ident(name)+" cascade")
			dropped++
		}
	}
	return dropped
}

// namedKinds are how findings begin, and how such an object is dropped.
var namedKinds = [][2]string{{"access method", "access method"}, {"aggregate", "routine"}, {"base type", "type"}, {"shell type", "type"}, {"cast", "cast"}, {"foreign data wrapper", "foreign data wrapper"},
	{"function", "routine"}, {"postfix operator", "operator"}, {"transform", "transform"}, {"event trigger", "event trigger"}, {"table", "table"}, {"publication", "publication"},
	{"operator class", ""}, {"operator family", ""}}

func dropOf(t *testing.T, o mover.UnsupportedObject) string {
	t.Helper()
	i := slices.IndexFunc(namedKinds, func(k [2]string) bool { return strings.HasPrefix(o.Object, k[0]+" ") })
	if i < 0 {
		t.Fatalf("a false finding: %+v", o)
	}
	kind, drop := namedKinds[i][0], namedKinds[i][1]
	object := strings.TrimPrefix(o.Object, kind+" ")
	for _, more := range []string{" with an internal state", " in language internal", " in language c", " for all tables", " for tables in a schema"} {
		object = strings.TrimSuffix(object, more)
	}
	if drop != "" {
		return "drop " + drop + " if exists " + object + " cascade"
	}
	catalog, prefix := "pg_opclass", "opc"
	if kind == "operator family" {
		catalog, prefix = "pg_opfamily", "opf"
	}
	return strings.NewReplacer("$catalog", catalog, "$p", prefix, "$kind", kind, "$object", object).Replace(`do $do$ declare method name; begin
		for method in select m.amname from $catalog o join pg_am m on m.oid = o.$pmethod join pg_namespace n on n.oid = o.$pnamespace where format('%I.%I', n.nspname, o.$pname) = $o$$object$o$ loop
			execute format('drop $kind if exists $object using %I cascade', method);
		end loop; end $do$`)
}

// refused is what a newer server does not make of an older one's objects, which
// only the rehearsal finds, and how its owner mends it.
var refused = []struct {
	before, since            int // the source is older than this, the target not older than that
	database, object, mended string
}{
	{16, 16, "regression", "create table public.gtest_normal_child: ERROR: column \"b\" in child table must not be a generated column", "drop table gtest_normal_child, gtest_normal_child2"},
	{14, 12, "regression", "create table public.gtest_parent: ERROR: cannot use generated column in partition key", "drop table gtest_parent"},
	{17, 17, "texts", "create index odd.by_leaning: ERROR: function calm(text) does not exist", "alter function odd.lean(text) set search_path = odd, public"},
	{17, 17, "time_zone", "refresh materialized view public.stale_number: ERROR: relation \"later\" does not exist", "alter function how_many() set search_path = public"},
}

// mend rehearses once for what the target refuses, and mends that.
func (c corpusPair) mend(t *testing.T, p pair) (mended int) {
	t.Helper()
	var found string
	for _, r := range refused {
		if c.from >= r.before || c.to < r.since {
			continue
		}
		if found == "" {
			found = fmt.Sprintf("%+v", do[mover.Rehearsal](t, p, mover.OpRehearse).Differences)
		}
		if !strings.Contains(found, r.object) {
			t.Errorf("the rehearsal does not name %s of database %s: %s", r.object, r.database, found)
		}
		p.source.Exec(t, r.database, r.mended)
		mended++
	}
	return mended
}

// broken is what an older server lets rows break, which only the dress rehearsal
// finds, and how its owner mends it.
var broken = []struct {
	before                   int // the source is older than this
	database, object, mended string
}{
	// 12 has no trigger that keeps a referenced row of a partition from being removed.
	{13, "regression", "parted_self_fk_id_abc_fkey", "update parted_self_fk set id_abc = null"},
}

// mendRows rehearses with the rows for those that the target refuses, and
// mends them; then nothing is found.
func (c corpusPair) mendRows(t *testing.T, p pair) (mended int) {
	t.Helper()
	found := dressed(t, p.dressed()).Differences
	for _, b := range broken {
		if c.from >= b.before {
			continue
		}
		named := slices.IndexFunc(found, func(d mover.Difference) bool {
			return d.Database == b.database && strings.Contains(d.Object+d.What, b.object)
		})
		if named < 0 {
			t.Errorf("the dress rehearsal does not name %s of database %s: %+v", b.object, b.database, found)
			continue
		}
		found = slices.Delete(found, named, named+1)
		p.source.Exec(t, b.database, b.mended)
		mended++
	}
	for _, d := range found {
		t.Errorf("a false difference of the dress rehearsal: %s: %s %s: %s (%q, %q)", d.Database, d.Kind, d.Object, d.What, d.Source, d.Target)
	}
	return mended
}

// corpusTable has a row for what was counted and a column for each pair.
type corpusTable struct {
	columns []string
	cells   map[string]map[string]int
}

func (c *corpusTable) column(pair string) func(row string, n int) {
	c.columns = append(c.columns, pair)
	return func(row string, n int) {
		if c.cells == nil {
			c.cells = map[string]map[string]int{}
		}
		if c.cells[row] == nil {
			c.cells[row] = map[string]int{}
		}
		c.cells[row][pair] = n
	}
}

// String is the table, whose lines begin with a word by which they can be found.
func (c *corpusTable) String() string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	short := strings.NewReplacer(" to ", "-", " any role", "", " superuser", "s")
	fmt.Fprintln(w, "corpus: what (s: the target's role is a superuser)\t"+short.Replace(strings.Join(c.columns, "\t")))
	for _, row := range slices.Sorted(maps.Keys(c.cells)) {
		line := "corpus: " + row
		for _, pair := range c.columns {
			cell := "-" // the test of this pair did not come so far
			if n, ok := c.cells[row][pair]; ok {
				cell = fmt.Sprint(n)
			}
			line += "\t" + cell
		}
		fmt.Fprintln(w, line)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return out.String()
}
