package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

var withRows = RehearseOptions{WithData: true, Time: time.Hour, XminAge: 1000}

func noticed(p engine.Plan, words string) bool {
	return slices.ContainsFunc(p.Notices, func(n string) bool { return strings.Contains(n, words) })
}

// The plan of a first move recommends a rehearsal with the rows, and its times rest
// on what that measured. It asks for none.
func TestAPlanUsesWhatARehearsalWithRowsMeasured(t *testing.T) {
	w, s := newWorld(), externalSpec()
	_, plan, err := w.plan(s)
	if err != nil || !noticed(plan, "recommended before the move of PostgreSQL: circleci-dr rehearse --with-data finds rows that the target refuses") || !noticed(plan, "for 1.0 GiB in 3 tables") {
		t.Fatalf("notices %q, error %v", plan.Notices, err)
	}
	got, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, withRows, nil)
	if err != nil || got.Data == nil || w.limits == nil || w.limits.Time != time.Hour || w.limits.XminAge != 1000 || w.limits.TargetDisk != int64(s.Datastores.PostgreSQL.External.DiskGiB)<<30 {
		t.Fatalf("got %+v with the limits %+v, error %v", got, w.limits, err)
	}
	_, plan, err = w.plan(s)
	if err != nil || slices.Contains(actions(plan.Steps), ActRehearse) || len(plan.Blocked()) > 0 {
		t.Fatalf("one with rows is one of the schema: steps %v, findings %+v, error %v", actions(plan.Steps), plan.Findings, err)
	}
	if !noticed(plan, "was rehearsed with its rows on ") || !noticed(plan, "which counts: 1.0 GiB in 3 tables copied in 3 min 00 s and compared in 1 min 00 s") || !noticed(plan, "which counts: 1 databases") {
		t.Errorf("notices %q", plan.Notices)
	}
	for action, took := range map[engine.ActionKind]time.Duration{ActCopy: 3*time.Minute + podStart, ActProve: time.Minute + podStart} {
		i := slices.IndexFunc(plan.Steps, func(st engine.Step) bool { return st.Action == action })
		e := plan.Steps[i].Estimate
		if e.Low != scale(took, 1/spread) || e.High != scale(took, spread) || e.DownHigh != e.High || !strings.Contains(e.Assumption, "measured by the rehearsal with the rows of ") || strings.Contains(e.Assumption, "announced") {
			t.Errorf("%s: %+v", action, e)
		}
	}
}

// What a claim says ends no rehearsal unless it is the size of the disk itself;
// where that is not known, the result says so.
func TestAClaimsSizeIsADisksOnlyWhereItIsOne(t *testing.T) {
	claimed := func(v server.Volume) []server.Volume { v.Claim = "data-0"; return []server.Volume{v} }
	for _, row := range []struct {
		name    string
		volumes []server.Volume
		size    int64
		says    string
	}{
		{"a disk", claimed(server.Volume{Bytes: 8 << 30, By: "ebs.csi.aws.com", Disk: true}), 8 << 30, ""},
		{"a disk that has more", claimed(server.Volume{Bytes: 1 << 30, By: "ebs.csi.aws.com", Disk: true}), 0, "claim data-0 says 1.0 GiB, and the databases alone have 2.0 GiB"},
		{"a directory", claimed(server.Volume{Bytes: 8 << 30, By: "rancher.io/local-path"}), 0, "claim data-0 says 8.0 GiB, but rancher.io/local-path does not enforce that size"},
		{"nobody knows what", claimed(server.Volume{Bytes: 8 << 30}), 0, "could not be found out"},
		{"no size", claimed(server.Volume{By: "ebs.csi.aws.com", Disk: true}), 0, "claim data-0 gives no size"},
		{"none", nil, 0, "it has 0 volumes"},
	} {
		if size, why := diskOf(row.volumes, 2<<30); size != row.size || (why == "") != (row.says == "") || !strings.Contains(why, row.says) {
			t.Errorf("%s: %d, %q", row.name, size, why)
		}
	}
	w := newWorld()
	got, err := Rehearse(t.Context(), externalSpec(), w.providers(), mover.PostgreSQL, withRows, nil)
	if err != nil || w.limits.SourceDisk != 10<<30 || len(got.NotTried) > 0 {
		t.Errorf("on a disk: limits %+v, not tried %q, error %v", w.limits, got.NotTried, err)
	}
	w.shared = true
	got, err = Rehearse(t.Context(), externalSpec(), w.providers(), mover.PostgreSQL, withRows, nil)
	if err != nil || w.limits.SourceDisk != 0 || !slices.Equal(got.NotTried, []string{"how big the source's disk is: claim data-postgresql-0 says 10.0 GiB, but hostPath does not enforce that size"}) {
		t.Errorf("on a directory: limits %+v, not tried %q, error %v", w.limits, got.NotTried, err)
	}
}

// A schema that changed makes it count no more; its figure is still better than a
// guess. Another target makes it nothing.
func TestARehearsalWithRowsCountsUntilSomethingChanges(t *testing.T) {
	for _, c := range []struct {
		name             string
		change           func(*facts)
		counts, measures bool
	}{
		{"nothing", func(*facts) {}, true, true},
		{"rows", func(f *facts) { f.src().Databases[0].Bytes *= 2 }, true, true},
		{"the schema", func(f *facts) { f.src().Schema = "another" }, false, true},
		{"the target itself", func(f *facts) { f.dst().SystemIdentifier = "another" }, false, false},
		{"its role", func(f *facts) { f.dst().Role.Superuser = !f.dst().Role.Superuser }, false, false},
	} {
		f := before(t)
		part := partsWanted(f.s, &f.o)[0]
		z := sizesOf(f.o, part)
		f.o.Postgres.Rehearsal = engine.Found(Rehearsed{Dress: &Rehearsed{Bytes: z.bytes, Tables: z.tables, Of: restsOn(f.s, f.o, part),
			Rehearsal: mover.Rehearsal{At: f.o.At, Schema: schemaNow(f.o, mover.PostgreSQL), WithData: true, Data: &mover.RehearsedData{Copy: time.Minute, Compare: time.Second}}}})
		c.change(f)
		if _, not := lastDress(f.s, f.o, part); (not == "") != c.counts {
			t.Errorf("%s changed: it counts: %t (%q)", c.name, not == "", not)
		}
		if text := dressNotice(f.s, f.o, part); strings.Contains(text, "which counts: ") != c.counts || strings.Contains(text, "does not count any more") == c.counts {
			t.Errorf("%s changed: %s", c.name, text)
		}
		if _, ok := measuredInDress(f.s, f.o, ofEngine(mover.PostgreSQL, engine.Step{Action: ActCopy}), []Part{part}); ok != c.measures {
			t.Errorf("%s changed: its figure is used: %t", c.name, ok)
		}
		if _, not := lastRehearsal(f.s, f.o, part); not == "" {
			t.Errorf("%s changed: there was none of the schema", c.name)
		}
	}
}

// What rows break blocks the plan until it is mended or waived; a limit that was
// met says nothing of the move, but for the target's disk.
func TestWhatARehearsalWithRowsFinds(t *testing.T) {
	var w *world
	s := externalSpec()
	for _, c := range []struct {
		name   string
		found  mover.Difference
		blocks bool
	}{
		{"rows", mover.Difference{Database: "circleci", Kind: "constraint", Object: "steps_job_fkey on public.steps", What: "rows do not fit: 2 rows, with id 11, 12", Fix: "mend these rows"}, true},
		{"time", mover.Difference{Kind: mover.KindLimit, Object: mover.LimitTime, What: "is 1h0m0s", Fix: "give it more"}, false},
		{"the target's disk", mover.Difference{Kind: mover.KindLimit, Object: mover.LimitTargetDisk, What: "has no room left", Fix: "make it bigger"}, true},
	} {
		w = newWorld()
		w.refuses = []mover.Difference{c.found}
		if c.found.Kind == mover.KindLimit {
			w.ended = c.found.Object
		}
		var blocked *engine.BlockedError
		if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, withRows, nil); !errors.As(err, &blocked) || len(blocked.Findings) != 1 {
			t.Fatalf("%s: the rehearsal gives %v", c.name, err)
		}
		_, plan, err := w.plan(s)
		if err != nil || (len(plan.Blocked()) == 1) != c.blocks || !slices.ContainsFunc(plan.Findings, func(f engine.Finding) bool {
			return strings.HasPrefix(f.ID, "dress-rehearsal") && strings.Contains(f.What, c.found.What) && strings.HasPrefix(f.Fix, c.found.Fix) && f.Blocks == c.blocks
		}) {
			t.Errorf("%s: the plan has %+v, error %v", c.name, plan.Findings, err)
		}
		if !slices.Contains(actions(plan.Steps), ActRehearse) {
			t.Errorf("%s: it counts as one of the schema: %v", c.name, actions(plan.Steps))
		}
	}
	w.refuses, w.ended = nil, ""
	if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, RehearseOptions{}, nil); err != nil {
		t.Fatal(err)
	}
	if _, plan, err := w.plan(s); err != nil || len(plan.Blocked()) != 1 || slices.Contains(actions(plan.Steps), ActRehearse) {
		t.Errorf("one without rows takes the findings of one with rows away: %+v, error %v", plan.Findings, err)
	}
	if _, err := WaiveRehearsal(t.Context(), w.providers(), mover.PostgreSQL, false); err == nil {
		t.Error("of the schema there was nothing to waive")
	}
	if _, err := WaiveRehearsal(t.Context(), w.providers(), mover.PostgreSQL, true); err != nil {
		t.Fatal(err)
	}
	if _, plan, err := w.plan(s); err != nil || len(plan.Blocked()) != 0 || !noticed(plan, "in spite of its rehearsal with its rows") {
		t.Errorf("waived, the plan has %+v and %q, error %v", plan.Blocked(), plan.Notices, err)
	}
}

// One that could not be made is told, and takes nothing away from an earlier one:
// the plan says what became of it, and then what counts.
func TestARehearsalWithRowsThatCouldNotBeMade(t *testing.T) {
	w, s := newWorld(), externalSpec()
	fail := func(what string) {
		t.Helper()
		if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, withRows, nil); err == nil {
			t.Fatalf("there was a rehearsal: %s", what)
		}
	}
	notices := func(want ...string) {
		t.Helper()
		_, plan, err := w.plan(s)
		for _, words := range want {
			if err != nil || !noticed(plan, words) {
				t.Errorf("no notice says %q: %q, error %v", words, plan.Notices, err)
			}
		}
		if attempts := slices.ContainsFunc(want, func(words string) bool { return strings.Contains(words, "last attempt") }); !attempts && noticed(plan, "last attempt") {
			t.Errorf("there was no attempt: %q", plan.Notices)
		}
		if slices.Contains(plan.Dangers(), AcceptUnrehearsed) {
			t.Errorf("dangers are %v", plan.Dangers())
		}
	}
	w.noRoom = true
	fail("without room")
	notices("could not be made: ")
	w.noRoom = false
	if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, withRows, nil); err != nil {
		t.Fatal(err)
	}
	notices("rows on ", "which counts: ")
	w.noRoom = true
	fail("without room")
	notices("the last attempt to rehearse the copy of PostgreSQL with its rows, on ", "gave no result: no space left on device; the copy of PostgreSQL was rehearsed with its rows on ", "which counts: ")
	w.noRoom, w.refuses, w.ended = false, []mover.Difference{{Kind: mover.KindLimit, Object: mover.LimitTime, What: "is 1h0m0s", Fix: "give it more"}}, mover.LimitTime
	fail("in so little time")
	notices("the last attempt to rehearse ", "gave no result: it was ended by a limit (time): is 1h0m0s; give it more; the copy of PostgreSQL was rehearsed", "which counts: ")
	w.refuses, w.ended = append(w.refuses, mover.Difference{Kind: "constraint", Object: "x", What: "rows do not fit"}), mover.LimitTime
	fail("rows do not fit")
	notices("the rehearsal of PostgreSQL with its rows on ")
	w.refuses, w.ended = nil, ""
	if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, withRows, nil); err != nil {
		t.Fatal(err)
	}
	notices("which counts: ")
}

// What may pass by itself leaves a rehearsal as it is, and one that is killed
// leaves that it was begun; both are told until one gives a result.
func TestARehearsalThatWasCutOffIsTold(t *testing.T) {
	for _, row := range []struct {
		opt  RehearseOptions
		what string
	}{{withRows, "the copy of PostgreSQL with its rows"}, {RehearseOptions{}, "the copy of PostgreSQL"}} {
		w, s := newWorld(), externalSpec()
		told := func(words string) bool {
			_, plan, err := w.plan(s)
			if err != nil {
				t.Fatal(err)
			}
			return slices.ContainsFunc(plan.Notices, func(n string) bool {
				return strings.HasPrefix(n, "the last attempt to rehearse "+row.what+", on ") && strings.Contains(n, words)
			})
		}
		if err := beginRehearsal(t.Context(), w.providers(), mover.PostgreSQL, row.opt.WithData); err != nil {
			t.Fatal(err)
		}
		if !told("it was cut off, or is still running") {
			t.Errorf("%s: that it was begun is not told", row.what)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		w.hook = func(_ int, name, when string) {
			if name == "Run rehearse" && when == "before" {
				cancel(errors.New("somebody pressed Ctrl-C"))
			}
		}
		if _, err := Rehearse(ctx, s, w.providers(), mover.PostgreSQL, row.opt, nil); err == nil {
			t.Fatal("there was a rehearsal")
		}
		w.hook = nil
		if !told("gave no result: somebody pressed Ctrl-C") {
			t.Errorf("%s: why it gave no result is not told", row.what)
		}
		if _, err := Rehearse(t.Context(), s, w.providers(), mover.PostgreSQL, row.opt, nil); err != nil {
			t.Fatal(err)
		}
		if told("") {
			t.Errorf("%s: an attempt is told after one that gave a result", row.what)
		}
	}
}
