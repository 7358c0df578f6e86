package postgres

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// commonKinds are the kinds of which the corpus must hold as many as it is asked
// for, as the test's own queries call them.
var commonKinds = []string{"table", "column", "index", "index partial", "index of expressions", "constraint check", "constraint foreign key", "constraint unique", "constraint exclusion", "view", "materialized view", "trigger", "rule",
	"policy", "function", "procedure", "domain", "enum", "composite type", "sequence", "default privilege", "statistics object", "partitioned table", "partition", "column default", "comment", "privilege"}

// TestProveCorpus moves as many awkward things as a release takes, rehearses the
// move first, proves it, and then compares both sides once more by queries of its
// own, which know nothing of the proof's. POSTGRES_CORPUS=60 makes that many of
// each common kind and moves them, what other tests move one by one, pg_partman,
// and what PostgreSQL's regression tests leave behind, between all releases;
// without it a few move once.
func TestProveCorpus(t *testing.T) {
	many, whole, pairs := 3, false, []corpusPair{{12, 14, false}}
	if n := os.Getenv("POSTGRES_CORPUS"); n != "" {
		if _, err := fmt.Sscan(n, &many); err != nil || many < 1 {
			t.Fatalf("POSTGRES_CORPUS=%s is no number of objects", n)
		}
		clientDirs = append(clientDirs, pgtest.ClientTools(t)) // before a test runs beside this one
		whole, pairs = true, nil
		for _, p := range [][2]int{{12, 12}, {12, 14}, {12, 15}, {14, 15}, {12, 18}, {14, 18}} {
			pairs = append(pairs, corpusPair{p[0], p[1], false}, corpusPair{p[0], p[1], true})
		}
	}
	t.Parallel()
	var table corpusTable
	for _, c := range pairs {
		t.Run(name(c.from, c.to, c.super), func(t *testing.T) { c.prove(t, many, whole, table.column(name(c.from, c.to, c.super))) })
	}
	t.Log("\n" + table.String())
}

type corpusPair struct {
	from, to int
	super    bool
}

// servers start with pg_partman beside them when the whole corpus is moved.
func (c corpusPair) servers(t *testing.T, whole bool) pair {
	t.Helper()
	if !whole {
		return newServers(t, c.from, c.to, c.super)
	}
	control := pgtest.PartmanPublished
	if !c.super {
		control = "superuser = false" // as published nobody else could make it
	}
	p := pair{source: pgtest.NewWith(t, pgtest.Options{Major: c.from, Partman: pgtest.PartmanPublished}), target: pgtest.NewWith(t, pgtest.Options{Major: c.to, Partman: control}), admin: pgtest.Superuser}
	if !c.super {
		p.admin = testAdmin
		p.makeAdmin(t)
	}
	return p
}

// prove moves the corpus between two servers and fills the table's column.
func (c corpusPair) prove(t *testing.T, many int, whole bool, column func(row string, n int)) {
	t.Helper()
	p := c.servers(t, whole)
	loadCorpus(t, p.source, many, c.super, whole)
	if whole {
		column("named and dropped by its owner", dropNamed(t, p))
	}
	inspected := p.inspect(t)
	for _, o := range inspected.Blocked {
		t.Errorf("a false finding: %+v", o)
	}
	if whole {
		column("named by the rehearsal and mended", c.mend(t, p))
		column("named by the dress rehearsal and mended", c.mendRows(t, p))
	}
	rehearsal := do[mover.Rehearsal](t, p, mover.OpRehearse)
	for _, d := range rehearsal.Differences {
		t.Errorf("a false difference of the rehearsal: %s: %s %s: %s (%q, %q)", d.Database, d.Kind, d.Object, d.What, d.Source, d.Target)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	proof := do[mover.Proof](t, p, mover.OpProve)
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
	for kind, n := range held {
		column("counted by the test: "+kind, n)
	}
	for kind, n := range proof.Compared {
		column("compared by the proof: "+kind, n)
	}
	column("named: adapted", len(inspected.Adapted))
	column("named: omitted", len(inspected.Omitted))
	column("named: not carried", len(inspected.Uncarried))
	column("named: not rehearsed", len(rehearsal.NotTried))
	column("FALSE DIFFERENCES of the proof", len(proof.Differences))
	column("FALSE DIFFERENCES of the rehearsal", len(rehearsal.Differences))
	column("FALSE FINDINGS", len(inspected.Blocked))
	column("LOST without a word", len(lost))
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
	s.Exec(t, "postgres", "create database partman")
	s.Exec(t, "partman", strings.Replace(judgedSQL(t, "partman_published"), "create role app login;\n", "", 1)) // the role is there
	s.Exec(t, "partman", "call partman.run_maintenance_proc()")
	s.Regression(t, "regression")
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
