package reconcile

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// What a rehearsal finds stops an apply before anything is stopped, stands in the
// next plan, and goes when it was mended and rehearsed again.
func TestWhatARehearsalFindsStopsNothingElse(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.refuses = []mover.Difference{{Database: "circleci", Kind: "view", Object: "public.v", What: "definition differs", Source: "a", Target: "b"}}
	a := w.process(t.Context(), s)
	var blocked *engine.BlockedError
	if !errors.As(a.err, &blocked) || len(blocked.Findings) != 1 || a.rep.Downtime != 0 || w.lastMove().Open() {
		t.Fatalf("error %v, report %+v", a.err, a.rep)
	}
	w.home(t, "after a rehearsal that found something")
	_, plan, err := w.plan(s)
	if err != nil || len(plan.Blocked()) != 1 || !strings.Contains(plan.Blocked()[0].What, "view public.v in database circleci: definition differs (source a, target b)") {
		t.Fatalf("the next plan has %+v, error %v", plan.Findings, err)
	}
	if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, RehearseOptions{}, nil); !errors.As(err, &blocked) {
		t.Errorf("rehearsed again it gives %v", err)
	}
	if _, err := WaiveRehearsal(t.Context(), w.providers(), mover.PostgreSQL, false); err != nil {
		t.Fatal(err)
	}
	if _, plan, err = w.plan(s); err != nil || len(plan.Blocked()) != 0 || slices.Contains(actions(plan.Steps), ActRehearse) || len(plan.Findings) == 0 {
		t.Errorf("waived, the plan has %v and %+v, error %v", actions(plan.Steps), plan.Findings, err)
	}
	w.refuses = nil
	if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, RehearseOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	_, plan, err = w.plan(s)
	if err != nil || len(plan.Blocked()) != 0 || slices.Contains(actions(plan.Steps), ActRehearse) {
		t.Errorf("mended, the plan has %v and %+v, error %v", actions(plan.Steps), plan.Findings, err)
	}
	if !slices.ContainsFunc(plan.Notices, func(n string) bool { return strings.Contains(n, "which counts: 1 databases") }) {
		t.Errorf("the plan does not say that a rehearsal counts: %q", plan.Notices)
	}
	w.converge(t, s)
	w.moved(t, s, "mended")
	if _, err := WaiveRehearsal(t.Context(), w.providers(), mover.PostgreSQL, false); err == nil {
		t.Error("nothing was waived")
	}
}

// A rehearsal counts until what it rests on changes; a plan says why it does not.
func TestARehearsalCountsUntilSomethingChanges(t *testing.T) {
	f := before(t)
	part := partsWanted(f.s, &f.o)[0]
	record := func() {
		f.o.Postgres.Rehearsal = engine.Found(Rehearsed{Rehearsal: mover.Rehearsal{At: f.o.At, Schema: schemaNow(f.o, mover.PostgreSQL)}, Of: restsOn(f.s, f.o, part)})
	}
	for _, c := range []struct {
		name   string
		change func()
		counts bool
	}{
		{"nothing", func() {}, true},
		{"rows", func() { f.src().Databases[0].Rows += 7; f.src().Databases[0].Bytes *= 2 }, true},
		{"the schema", func() { f.src().Schema = "another" }, false},
		{"the source's version", func() { f.src().VersionNum++ }, false},
		{"the target's version", func() { f.dst().VersionNum++ }, false},
		{"the target itself", func() { f.dst().SystemIdentifier = "another" }, false},
		{"the target's role", func() { f.dst().Role.Superuser = !f.dst().Role.Superuser }, false},
		{"an extension of the target", func() { f.dst().Extensions = map[string][]string{"pg_partman": {"4.7.1"}} }, false},
		{"the version of the program, and with it the mover's", func() { f.o.Tool = "the next" }, false},
		{"who is renamed", func() { part.OwnerMap = map[string]string{"postgres": "another"} }, false},
	} {
		f = before(t)
		part = partsWanted(f.s, &f.o)[0]
		record()
		c.change()
		if _, not := lastRehearsal(f.s, f.o, part); (not == "") != c.counts {
			t.Errorf("%s changed: it counts: %t (%q)", c.name, not == "", not)
		}
	}
	f = before(t)
	f.o.Postgres.Rehearsal = engine.CouldNot[Rehearsed](errInjected)
	if p, err := MakePlan(f.s, f.o); err != nil || !slices.Contains(actions(p.Steps), ActRehearse) {
		t.Errorf("with a record that cannot be read the plan has %v, error %v", actions(p.Steps), err)
	}
}

// Where none can be made a person may go on, by a word that names it.
func TestGoingOnWithoutARehearsalHasAWord(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.cannotRehearse()
	_, plan, err := w.plan(s)
	if err != nil || !slices.Contains(plan.Dangers(), AcceptUnrehearsed) || len(plan.Blocked()) > 0 {
		t.Fatalf("dangers %v, blocked %+v, error %v", plan.Dangers(), plan.Blocked(), err)
	}
	if !slices.ContainsFunc(plan.Findings, func(f engine.Finding) bool {
		return f.ID == "rehearsal-impossible" && strings.Contains(f.What, "no space left")
	}) {
		t.Errorf("findings %+v", plan.Findings)
	}
	w.noRoom = false
	if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, RehearseOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, plan, err = w.plan(s); err != nil || slices.Contains(plan.Dangers(), AcceptUnrehearsed) {
		t.Errorf("rehearsed after all, dangers are %v, error %v", plan.Dangers(), err)
	}
}

// What may pass by itself is not recorded as a reason to go on without.
func TestAServerThatIsAwayIsNoReasonToGoOnWithoutARehearsal(t *testing.T) {
	w, s := newWorld(), externalSpec()
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	w.noTarget = true
	if _, err, _ := w.apply(t.Context(), s, o, plan); err == nil {
		t.Fatal("there was a rehearsal without a target")
	}
	w.noTarget = false
	if _, plan, err = w.plan(s); err != nil || !slices.Contains(actions(plan.Steps), ActRehearse) || slices.Contains(plan.Dangers(), AcceptUnrehearsed) {
		t.Errorf("steps %v, dangers %v, error %v", actions(plan.Steps), plan.Dangers(), err)
	}
}

// Only a move out can be rehearsed, and not while one is under way.
func TestWhatCannotBeRehearsed(t *testing.T) {
	w, s := newWorld(), externalSpec()
	if _, err := Rehearse(t.Context(), internalSpec(), w.providers(), mover.PostgreSQL, RehearseOptions{}, nil); err == nil || !strings.Contains(err.Error(), "names no external PostgreSQL") {
		t.Errorf("without a target: %v", err)
	}
	w.converge(t, s)
	if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, RehearseOptions{}, nil); err == nil || !strings.Contains(err.Error(), "has PostgreSQL outside already") {
		t.Errorf("moved already: %v", err)
	}
	cut, s := cutAt(t, "copy:end")
	if _, err := Rehearse(t.Context(), s, cut.providers(), mover.PostgreSQL, RehearseOptions{}, nil); err == nil || !strings.Contains(err.Error(), "is not over") {
		t.Errorf("with a move under way: %v", err)
	}
	back := backSpec()
	w.converge(t, back)
	if s.Datastores.PostgreSQL.Location = spec.Internal; true { // a file that only names the target
		if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, RehearseOptions{}, nil); err != nil {
			t.Errorf("before the location is changed: %v", err)
		}
	}
}
