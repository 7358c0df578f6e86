package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// box is a Records in memory; a write that lost its answer is stored all the same.
type box struct {
	held   map[string]Record
	loses  int // the answer of so many writes
	broken bool
}

func (b *box) Read(_ context.Context, name string) Observed[Record] {
	rec, ok := b.held[name]
	if !ok {
		return NotThere[Record]()
	}
	return Found(rec)
}

func (b *box) ReadAll(ctx context.Context) Observed[map[string]Observed[Record]] {
	out := map[string]Observed[Record]{}
	for name := range b.held {
		out[name] = b.Read(ctx, name)
	}
	return Found(out)
}

func (b *box) Write(_ context.Context, name string, data json.RawMessage, version string) (string, error) {
	if b.broken {
		return "", errors.New("no room")
	}
	if b.held[name].Version != version {
		return "", ErrConflict
	}
	next := strings.Repeat("v", len(version)+1)
	b.held[name] = Record{Data: slices.Clone(data), Version: next}
	if b.loses > 0 {
		b.loses--
		return "", errors.New("the answer was lost")
	}
	return next, nil
}

// ladder is a flow of steps that have been done or have not.
type ladder struct {
	done     map[StepID]bool
	fails    map[StepID]error
	stuck    map[StepID]bool // applied, and not so
	bound    map[StepID]Bound
	applied  []StepID
	failed   []StepID
	finished int
	app      Application
	slow     func(ctx context.Context, st Step) error
}

func (l *ladder) Action(kind ActionKind) (Action, bool) {
	if kind == "unheard" {
		return Action{}, false
	}
	return Action{
		Look: func(_ context.Context, st Step) (Look, error) {
			return Look{Settled: l.done[st.ID], Why: "rung " + string(st.ID)}, nil
		},
		Apply: func(ctx context.Context, st Step) error {
			l.applied = append(l.applied, st.ID)
			if l.slow != nil {
				if err := l.slow(ctx, st); err != nil {
					return err
				}
			}
			l.done[st.ID] = !l.stuck[st.ID]
			return l.fails[st.ID]
		},
		Beside: kind == "beside",
		Bound: func() Bound {
			return l.bound[StepID(kind)]
		},
		Measured: func(st Step, took time.Duration) (string, Measurement, bool) {
			return string(st.ID), Measurement{Took: took}, st.ID != "quick/a"
		},
	}, true
}

func (l *ladder) Failed(_ context.Context, rep Report, st Step, cause error) (Report, error) {
	l.failed = append(l.failed, st.ID)
	rep.Application = l.app
	return rep, fmt.Errorf("%s: %w", st.Title, cause)
}

func (l *ladder) Finish(_ context.Context, rep Report) (Report, error) {
	l.finished++
	return rep, nil
}

// heard is what whoever watches was told.
type heard struct{ said []string }

func (h *heard) StepBegins(st Step) { h.said = append(h.said, "begins "+string(st.ID)) }
func (h *heard) StepSkipped(st Step, why string) {
	h.said = append(h.said, "skips "+string(st.ID)+": "+why)
}
func (h *heard) StepProgress(Step, Event) {}
func (h *heard) Service(Service)          {}
func (h *heard) Note(text string)         { h.said = append(h.said, text) }
func (h *heard) StepEnds(st Step, _ time.Duration, err error) {
	h.said = append(h.said, fmt.Sprintf("ends %s: %v", st.ID, err))
}

func climb(t *testing.T, b *box, l *ladder, opt Options, ids ...StepID) (Report, *heard, error) {
	t.Helper()
	var plan Plan
	plan.ID = "p"
	for _, id := range ids {
		kind, _, _ := strings.Cut(string(id), "/")
		plan.Steps = append(plan.Steps, Step{ID: id, Action: ActionKind(kind), Title: "Climb " + string(id)})
	}
	clock, ev := time.Date(2026, 11, 30, 2, 0, 0, 0, time.UTC), &heard{}
	out := Outside{
		Records: b, Now: func() time.Time { clock = clock.Add(time.Second); return clock },
		Wait: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) },
		Together: func(all ...func()) {
			for _, f := range all {
				f()
			}
		},
	}
	run, err := Begin(t.Context(), plan, out, opt, ev)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := run.Do(t.Context(), l)
	return rep, ev, err
}

func newLadder() *ladder {
	return &ladder{done: map[StepID]bool{}, fails: map[StepID]error{}, stuck: map[StepID]bool{}, bound: map[StepID]Bound{}}
}

// Steps are done in order; what is so already is not done again, what was done is
// looked at, and the flow closes the work once.
func TestStepsAreLookedAtDoneAndLookedAtAgain(t *testing.T) {
	b, l := &box{held: map[string]Record{}}, newLadder()
	l.done["take/b"] = true
	rep, ev, err := climb(t, b, l, Options{By: "me"}, "take/a", "take/b", "quick/a")
	if err != nil || l.finished != 1 || len(l.failed) != 0 || !slices.Equal(l.applied, []StepID{"take/a", "quick/a"}) {
		t.Fatalf("error %v, finished %d times, failed %v, applied %v", err, l.finished, l.failed, l.applied)
	}
	want := []string{"begins take/a", "ends take/a: <nil>", "skips take/b: rung take/b", "begins quick/a", "ends quick/a: <nil>"}
	if !slices.Equal(ev.said, want) {
		t.Errorf("said %q, want %q", ev.said, want)
	}
	var outcomes []string
	for _, s := range rep.Steps {
		outcomes = append(outcomes, s.Outcome)
	}
	if !slices.Equal(outcomes, []string{"settled", "already settled", "settled"}) {
		t.Errorf("outcomes are %q", outcomes)
	}
	kept, _ := ReadRecord[Measured](t.Context(), b, RecordMeasured)
	if !kept.Is() || kept.Value.Steps["take/a"].Took <= 0 || len(kept.Value.Steps) != 1 {
		t.Errorf("kept of measurements: %+v", kept)
	}
}

// A step that fails, does not take, or is of no kind that the flow knows ends the
// work: the flow is told once, and nothing after it is begun.
func TestAStepThatFailsEndsTheWork(t *testing.T) {
	broke := errors.New("broke")
	for name, row := range map[string]struct {
		spoil func(*ladder)
		bad   StepID
		says  string
	}{
		"the call fails":        {func(l *ladder) { l.fails["take/b"] = broke }, "take/b", "Climb take/b: broke"},
		"it is not so after":    {func(l *ladder) { l.stuck["take/b"] = true }, "take/b", "looking again shows: rung take/b"},
		"nobody knows its kind": {func(*ladder) {}, "unheard/b", `this version knows no action "unheard"`},
	} {
		l := newLadder()
		row.spoil(l)
		l.app = Application{State: AppStopped}
		rep, _, err := climb(t, &box{held: map[string]Record{}}, l, Options{}, "take/a", row.bad, "take/c")
		if err == nil || !strings.Contains(err.Error(), row.says) || !slices.Equal(l.failed, []StepID{row.bad}) || l.finished != 0 || slices.Contains(l.applied, "take/c") {
			t.Errorf("%s: error %v, failed %v, finished %d, applied %v", name, err, l.failed, l.finished, l.applied)
		}
		if n := len(rep.Steps); n != 2 || rep.Steps[1].Outcome != "failed" || !rep.Left(AppStopped) {
			t.Errorf("%s: the report is %+v", name, rep)
		}
	}
}

// Steps of a kind that may run beside each other are one group; the first that
// fails ends the others, and is the one that counts.
func TestTheFirstFailureOfAGroupCounts(t *testing.T) {
	l := newLadder()
	l.slow = func(ctx context.Context, st Step) error {
		if st.ID == "beside/b" {
			return errors.New("broke")
		}
		return context.Cause(ctx)
	}
	_, _, err := climb(t, &box{held: map[string]Record{}}, l, Options{}, "beside/a", "beside/b", "beside/c")
	if err == nil || !strings.Contains(err.Error(), "Climb beside/b: broke") || !slices.Equal(l.failed, []StepID{"beside/b"}) {
		t.Errorf("error %v, failed %v", err, l.failed)
	}
	if slices.Contains(l.applied, "beside/c") {
		t.Error("one of the group was begun after another had failed")
	}
}

// What a killed run began is known to the next one, also when the journal cannot
// be read as such: it only tells people.
func TestTheJournalTellsWhatWasCutOff(t *testing.T) {
	b := &box{held: map[string]Record{}, loses: 1}
	began := time.Date(2026, 11, 30, 1, 0, 0, 0, time.UTC)
	if _, err := WriteRecord(t.Context(), &box{held: b.held}, RecordJournal, Journal{Entries: []JournalEntry{{Step: "take/a", Begun: began}}}, ""); err != nil {
		t.Fatal(err)
	}
	run, err := Begin(t.Context(), Plan{}, Outside{Records: b, Now: time.Now}, Options{}, &heard{})
	if err != nil || !run.Cut("take/a", began) || run.Cut("take/a", began.Add(time.Second)) || run.Cut("take/b", began) {
		t.Errorf("error %v; cut off since then %t, later %t, another %t", err, run.Cut("take/a", began), run.Cut("take/a", began.Add(time.Second)), run.Cut("take/b", began))
	}
	if _, _, err := climb(t, b, newLadder(), Options{By: "me"}, "take/a"); err != nil { // one answer is lost on the way
		t.Errorf("a lost answer ends the work: %v", err)
	}
	b.held[RecordJournal] = Record{Data: json.RawMessage(`{`), Version: "v"}
	if _, ev, err := climb(t, b, newLadder(), Options{}, "take/a"); err != nil || len(ev.said) == 0 || !strings.HasPrefix(ev.said[0], "the journal is begun anew: ") {
		t.Errorf("a garbled journal: error %v, said %v", err, ev.said)
	}
	b.broken = true
	l := newLadder()
	if _, _, err := climb(t, b, l, Options{}, "take/a"); err == nil || len(l.applied) != 0 {
		t.Errorf("a step was done that no journal has: error %v, applied %v", err, l.applied)
	}
}

// A deadline ends what is bounded, lets what was begun in time end, and is nothing
// to what has none.
func TestADeadlineHoldsAsTheActionSays(t *testing.T) {
	over := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ended, cancel := context.WithCancelCause(ctx)
		cancel(ErrDeadline)
		return ended, func() {}
	}
	for bound, done := range map[Bound]bool{Bounded: false, BegunOnly: false, Unbounded: true} {
		l := newLadder()
		l.bound["take"] = bound
		_, _, err := climb(t, &box{held: map[string]Record{}}, l, Options{Limit: over}, "take/a")
		if done != (err == nil) || done != slices.Contains(l.applied, "take/a") || !done && !errors.Is(err, ErrDeadline) {
			t.Errorf("bound %d: error %v, applied %v", bound, err, l.applied)
		}
	}
	l, later := newLadder(), func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(ctx) }
	l.bound["take"] = BegunOnly
	l.slow = func(ctx context.Context, _ Step) error { return ctx.Err() }
	if _, _, err := climb(t, &box{held: map[string]Record{}}, l, Options{Limit: later}, "take/a"); err != nil {
		t.Errorf("what was begun in time did not end: %v", err)
	}
}
