package postgres

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

// commonKinds are the kinds of which the corpus must hold as many as it is asked
// for, as the test's own queries call them.
var commonKinds = []string{"table", "column", "index", "index partial", "index of expressions", "constraint check", "constraint foreign key", "constraint unique", "constraint exclusion", "view", "materialized view", "trigger", "rule",
	"policy", "function", "procedure", "domain", "enum", "composite type", "sequence", "default privilege", "statistics object", "partitioned table", "partition", "column default", "comment", "privilege"}

// TestProveCorpus moves as many awkward things as a release takes, rehearses the
// move first, proves it, and then compares both sides once more by queries of its
// own, which know nothing of the proof's. POSTGRES_CORPUS=60 makes that many of
// each common kind and moves them, and what other tests move one by one, between
// all releases; without it a few move once.
func TestProveCorpus(t *testing.T) {
	t.Parallel()
	many, pairs := 3, []corpusPair{{12, 14, false}}
	if n := os.Getenv("POSTGRES_CORPUS"); n != "" {
		if _, err := fmt.Sscan(n, &many); err != nil || many < 1 {
			t.Fatalf("POSTGRES_CORPUS=%s is no number of objects", n)
		}
		pairs = []corpusPair{{12, 14, false}, {12, 12, true}, {12, 15, true}, {14, 15, true}, {12, 12, false}, {12, 14, true}, {12, 15, false}, {14, 15, false}}
	}
	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "servers\tkind\tobjects\tfalse differences\tof the rehearsal\tfalse findings\tunnamed losses\tnamed")
	for _, c := range pairs {
		t.Run(name(c.from, c.to, c.super), func(t *testing.T) {
			for _, row := range c.prove(t, many, len(pairs) > 1) {
				fmt.Fprintln(w, row)
			}
		})
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + table.String())
}

type corpusPair struct {
	from, to int
	super    bool
}

// prove moves the corpus between two servers and gives the table's rows.
func (c corpusPair) prove(t *testing.T, many int, whole bool) []string {
	t.Helper()
	p := newServers(t, c.from, c.to, c.super)
	loadCorpus(t, p.source, many, c.super, whole)
	inspected := p.inspect(t)
	for _, o := range inspected.Blocked {
		t.Errorf("a false finding: %+v", o)
	}
	rehearsal := do[reconcile.Rehearsal](t, p, reconcile.OpRehearse)
	for _, d := range rehearsal.Differences {
		t.Errorf("a false difference of the rehearsal: %s: %s %s: %s (%q, %q)", d.Database, d.Kind, d.Object, d.What, d.Source, d.Target)
	}
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	proof := do[reconcile.Proof](t, p, reconcile.OpProve)
	for _, d := range proof.Differences {
		t.Errorf("a false difference: %s: %s %s: %s (%q, %q)", d.Database, d.Kind, d.Object, d.What, d.Source, d.Target)
	}
	if !proof.SecureWrite {
		t.Error("the trial write was not made")
	}
	lost, held := losses(t, p)
	for _, line := range lost {
		t.Errorf("lost without a word: %s", line)
	}
	for _, kind := range commonKinds {
		if held[kind] < many {
			t.Errorf("the corpus holds %d of kind %s, want %d", held[kind], kind, many)
		}
	}
	return corpusRows(name(c.from, c.to, c.super), proof, rehearsal, inspected, held, len(lost))
}

// corpusRows are what the proof compared, what the test's own queries found, and
// what was named.
func corpusRows(title string, proof reconcile.Proof, rehearsal reconcile.Rehearsal, inspected reconcile.InspectResult, held map[string]int, lost int) []string {
	var rows []string
	for _, kind := range slices.Sorted(maps.Keys(proof.Compared)) {
		of := func(d reconcile.Difference) bool { return plural(d.Kind) == kind }
		rows = append(rows, fmt.Sprintf("%s\t%s\t%d\t%d\t%d\t\t\t", title, kind, proof.Compared[kind], count(proof.Differences, of), count(rehearsal.Differences, of)))
	}
	for _, kind := range commonKinds {
		rows = append(rows, fmt.Sprintf("%s\tcounted by the test: %s\t%d\t\t\t\t\t", title, kind, held[kind]))
	}
	named := map[string]int{"adapted": len(inspected.Adapted), "omitted": len(inspected.Omitted), "not carried": len(inspected.Uncarried), "not rehearsed": len(rehearsal.NotTried)}
	for _, kind := range slices.Sorted(maps.Keys(named)) {
		rows = append(rows, fmt.Sprintf("%s\t%s\t\t\t\t\t\t%d", title, kind, named[kind]))
	}
	return append(rows, fmt.Sprintf("%s\tin all\t\t%d\t%d\t%d\t%d\t", title, len(proof.Differences), len(rehearsal.Differences), len(inspected.Blocked), lost))
}

func count[T any](list []T, is func(T) bool) (n int) {
	for _, one := range list {
		if is(one) {
			n++
		}
	}
	return n
}

// loadCorpus makes the databases: the awkward ones, and objects by the dozen.
func loadCorpus(t *testing.T, s *pgtest.Server, many int, super, whole bool) {
	t.Helper()
	fill(t, s)
	generated := strings.ReplaceAll(corpusFile(t, "corpus.sql"), "@n@", fmt.Sprint(many))
	s.Exec(t, "postgres", "create database made")
	s.Exec(t, "made", generated)
	p := pair{source: s}
	for _, o := range ordered { // without the whole, those that need settings of their database
		if (len(o.settings) > 0 || whole) && (!o.superuser || super) {
			p.load(t, o.file, o.settings)
		}
	}
	if whole {
		loadOthers(t, p, super)
	}
}

// loadOthers makes what other tests move one by one.
func loadOthers(t *testing.T, p pair, super bool) {
	t.Helper()
	s := p.source
	s.Exec(t, "postgres", "create database texts")
	for _, major := range []int{12, 14, 15} {
		if s.Major >= major {
			s.Exec(t, "texts", strings.ReplaceAll(corpusFile(t, fmt.Sprintf("texts%d.sql", major)), "database main", "database texts"))
		}
	}
	p.load(t, "printed", nil)
	judged := []string{"rows_nobody_may_read"}
	if super {
		judged = append(judged, "aggregate_of_internal_state", "text_search_template")
		s.Exec(t, "postgres", "create database every_kind")
		s.Exec(t, "every_kind", strings.ReplaceAll(corpusFile(t, "everykind.sql"), "database main", "database every_kind"))
		// No move carries a user mapping, nor pg_dump the handler of a language when it is an extension's.
		s.Exec(t, "every_kind", "drop user mapping for app server far; drop language ours; drop language mine")
		s.Exec(t, "texts", superTexts)
	}
	for _, file := range judged {
		s.Exec(t, "postgres", "create database "+file)
		s.Exec(t, file, judgedSQL(t, file))
	}
}

func corpusFile(t *testing.T, file string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// losses compares both sides: which objects there are, with what tells them
// apart, and how many rows each table has, and which. It also tells how many of
// each kind the source has.
func losses(t *testing.T, p pair) (lost []string, held map[string]int) {
	t.Helper()
	const databases = "select coalesce(string_agg(datname, e'\\n' order by datname), '') from pg_database where not datistemplate and datname not in ('postgres', 'circleci_dr')"
	names := p.source.Value(t, "postgres", databases)
	if got := p.target.Value(t, "postgres", databases); got != names {
		lost = append(lost, fmt.Sprintf("databases: the target has %q, the source %q", got, names))
	}
	held = map[string]int{}
	const roles = "select string_agg(rolname, e'\\n') from pg_roles where oid >= 16384 and rolname !~ '^circleci'"
	sides := [2]map[string]bool{{}, {}}
	for i, s := range []*pgtest.Server{p.source, p.target} {
		for role := range strings.SplitSeq(s.Value(t, "postgres", roles), "\n") {
			sides[i]["role\t"+role] = true
		}
		for db := range strings.SplitSeq(names, "\n") {
			for line := range strings.SplitSeq(s.Value(t, db, corpusSQL(p.admin))+"\n"+s.Value(t, db, contentsSQL), "\x1e\n") {
				kind, object, _ := strings.Cut(strings.TrimSuffix(line, "\x1e"), "\t")
				sides[i][kind+"\t"+db+": "+object] = true
			}
		}
	}
	for line := range sides[0] {
		kind, _, _ := strings.Cut(line, "\t")
		held[kind]++
		if !sides[1][line] {
			lost = append(lost, "only the source has "+line)
		}
	}
	for line := range sides[1] {
		if !sides[0][line] {
			lost = append(lost, "only the target has "+line)
		}
	}
	slices.Sort(lost)
	return lost, held
}
