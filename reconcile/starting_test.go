package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// teller hears events and keeps what was said, with the time.
type teller struct {
	quiet
	w     *world
	notes []string
	at    []time.Duration
	begun time.Time
}

func (l *teller) StepBegins(st engine.Step) {
	if st.Action == ActResume {
		l.begun = l.w.clock
	}
}

func (l *teller) Note(text string) {
	l.notes = append(l.notes, text)
	l.at = append(l.at, l.w.clock.Sub(l.begun))
}

// told applies and gives what was said.
func (w *world) told(t *testing.T, ctx context.Context, f flow) (*teller, engine.Report, error) {
	t.Helper()
	s := f.spec()
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	ev := &teller{w: w}
	rep, err := Apply(ctx, s, o, plan, w.providers(), engine.Options{By: "me"}, ev)
	return ev, rep, err
}

// crashes makes one workload crash on the target.
func (w *world) crashes(key string) { w.apps[key].neverGetsReady = true }

// An application that wrote to the target and does not come up there is named
// within half a minute with its last words, is left running, and is gone on with
// when it is mended: nothing is stopped, and no way back is promised.
func TestAFailedStartIsGoneOnWithAndNotStopped(t *testing.T) {
	eachFlowThatSwitches(t, func(t *testing.T, f flow) {
		w := f.begin(t)
		w.crashes("Deployment/api")
		ev, rep, err := w.told(t, t.Context(), f)
		var start *StartError
		if !errors.As(err, &start) || !strings.Contains(err.Error(), "there is only forward: the target holds writes of the application") {
			t.Fatalf("ended with %v", err)
		}
		i := slices.IndexFunc(ev.notes, func(n string) bool {
			return strings.HasPrefix(n, "Deployment/api: pod api-0, container app: CrashLoopBackOff")
		})
		if i < 0 || ev.at[i] > 30*time.Second || !slices.Contains(ev.notes, "  | certificate signed by unknown authority") {
			t.Errorf("told %q at %v", ev.notes, ev.at)
		}
		for _, n := range ev.notes {
			if strings.Contains(n, "bringing the application back") {
				t.Errorf("a way back was promised and not taken: %q", n)
			}
		}
		if resumed := slices.Index(w.calls, "Ailing"); slices.Contains(w.calls[resumed:], "Scale") || slices.Contains(w.calls, "Run withdraw: start") {
			t.Errorf("what ran was stopped: %v", w.calls[resumed:])
		}
		if len(rep.Ailing) != 1 || rep.Left(engine.AppStopped) || rep.Left(engine.AppBack) || !rep.Left(engine.AppStarting) || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
			t.Errorf("report %+v, error %v", rep, err)
		}
		w.goneOnWith(t, f)
	})
}

// goneOnWith mends what crashes and applies again: what runs is waited for, and
// nothing is scaled.
func (w *world) goneOnWith(t *testing.T, f flow) {
	t.Helper()
	pods := map[string]int{}
	for key, a := range w.apps {
		a.neverGetsReady = false
		pods[key] = a.pods
	}
	before := len(w.calls)
	if a := w.process(t.Context(), f.spec()); a.err != nil {
		t.Fatalf("the next apply: %v", a.err)
	}
	calls := w.calls[before:]
	if up := slices.Index(calls, "Upgrade: pending"); up < 0 || slices.Contains(calls[:up], "Scale") {
		t.Errorf("the next apply scaled something before the release was settled: %v", calls)
	}
	w.moved(t, f.spec(), "mended and gone on with")
}

// One that wrote nothing goes back, and says so when it does.
func TestAFailedStartThatWroteNothingGoesBack(t *testing.T) {
	f := flowOf(t, "out")
	w := f.begin(t)
	for key := range w.apps {
		w.crashes(key)
		w.apps[key].writesThrough = false
	}
	ev, rep, err := w.told(t, t.Context(), f)
	if err == nil || !rep.Left(engine.AppBack) || !slices.Contains(ev.notes, "bringing the application back on the internal PostgreSQL") || len(rep.Ailing) != 4 {
		t.Errorf("report %+v, error %v, said %q", rep, err, ev.notes)
	}
	w.home(t, "went back")
}

// A target that nobody can ask keeps the application started: a stopped one
// would not come back when it answers again.
func TestAFailedStartWithATargetThatIsGoneStaysStarted(t *testing.T) {
	f := flowOf(t, "out")
	w := f.begin(t)
	w.crashes("Deployment/api")
	w.at = func(name string) { w.noTarget = w.noTarget || name == "resume-service:before-effect" }
	_, rep, err := w.told(t, t.Context(), f)
	if err == nil || rep.Left(engine.AppBack) || rep.Left(engine.AppStopped) || rep.Application.On != "pg.example.com:5432" || w.apps["Deployment/api"].pods == 0 ||
		!strings.Contains(err.Error(), "whether the target holds writes of the application could not be found out") {
		t.Errorf("report %+v, error %v", rep, err)
	}
	w.noTarget, w.at = false, nil
	w.goneOnWith(t, f)
}

// An interrupted start ends at once, with everything scaled: in the first run,
// and in one that goes on with a start that failed.
func TestAnInterruptedStartEndsAtOnce(t *testing.T) {
	for _, again := range []bool{false, true} {
		f := flowOf(t, "out")
		w := f.begin(t)
		w.crashes("Deployment/api")
		if again {
			if _, _, err := w.told(t, t.Context(), f); err == nil {
				t.Fatal("the start did not fail")
			}
		}
		ctx, interrupt := context.WithCancelCause(t.Context())
		pressed := errors.New("interrupted")
		var at time.Time
		w.hook = func(_ int, name, when string) {
			if name == "Ailing" && when == "after" && at.IsZero() {
				at = w.clock
				interrupt(pressed)
			}
		}
		ev, rep, err := w.told(t, ctx, f)
		w.hook = nil
		if took := w.clock.Sub(at); at.IsZero() || took > 10*time.Second {
			t.Errorf("again %t: ended %s after the interruption", again, took)
		}
		if !errors.Is(err, pressed) || rep.Application.On != "pg.example.com:5432" || rep.Left(engine.AppStopped) || rep.Left(engine.AppBack) || strings.Contains(strings.Join(ev.notes, "\n"), "bringing") {
			t.Errorf("again %t: report %+v, error %v, said %q", again, rep, err, ev.notes)
		}
		w.goneOnWith(t, f)
	}
}

// Also the wait after the way back was closed can be interrupted.
func TestAnInterruptionAfterTheFailureEndsTheWait(t *testing.T) {
	f := flowOf(t, "out")
	w := f.begin(t)
	w.crashes("Deployment/api")
	broken := actionsByKind[ActResume]
	ctx, interrupt := context.WithCancelCause(t.Context())
	var at time.Time
	actionsByKind[ActResume] = action{broken.look, func(ctx context.Context, r *run, _ engine.Step) error {
		if err := r.scaleUp(ctx); err != nil {
			return err
		}
		if err := r.p.Wait(ctx, 5*time.Second); err != nil {
			return err
		}
		w.hook = func(_ int, name, when string) {
			if name == "Ailing" && when == "after" && at.IsZero() {
				at = w.clock
				interrupt(errInjected)
			}
		}
		return errors.New("something else")
	}}
	_, rep, err := w.told(t, ctx, f)
	actionsByKind[ActResume] = broken
	w.hook = nil
	if took := w.clock.Sub(at); at.IsZero() || took > 10*time.Second || !rep.Left(engine.AppStarting) || err == nil {
		t.Errorf("ended %s after the interruption, report %+v, error %v", took, rep, err)
	}
	w.goneOnWith(t, f)
}

// Only what is new is told: a pod that goes on crashing is one message.
func TestAnAilmentIsToldOnce(t *testing.T) {
	f := flowOf(t, "out")
	w := f.begin(t)
	w.crashes("Deployment/api")
	ev, _, _ := w.told(t, t.Context(), f)
	n := 0
	for _, note := range ev.notes {
		if strings.HasPrefix(note, "Deployment/api: ") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("told %d times: %q", n, ev.notes)
	}
}

// Status shows every pod that is not ready with its last lines, and says when
// it could not find out.
func TestStatusShowsWhatKeepsTheApplication(t *testing.T) {
	f := flowOf(t, "out")
	w := f.begin(t)
	w.crashes("Deployment/api")
	if _, _, err := w.told(t, t.Context(), f); err == nil {
		t.Fatal("the start did not fail")
	}
	status := func() string {
		o := Observe(t.Context(), f.spec(), w.providers(), ObserveOptions{For: UseRead, Ailing: true})
		var text []string
		for _, l := range Status(f.spec(), o, "f.yaml") {
			text = append(text, l.Topic+" "+l.Text)
		}
		return strings.Join(text, "\n")
	}
	if got := status(); !strings.Contains(got, "not ready Deployment/api: pod api-0, container app: CrashLoopBackOff: ended with Error, exit code 1, 3 restarts\n | connecting\n | certificate signed by") {
		t.Errorf("status says\n%s", got)
	}
	w.faults[len(w.calls)+w.callsUntil(t, f, "Ailing")] = "before"
	if got := status(); !strings.Contains(got, "not ready why could not be found out: injected") {
		t.Errorf("status says\n%s", got)
	}
}

// callsUntil counts the calls of a status up to one of a name.
func (w *world) callsUntil(t *testing.T, f flow, name string) int {
	t.Helper()
	before := len(w.calls)
	Observe(t.Context(), f.spec(), w.providers(), ObserveOptions{For: UseRead, Ailing: true})
	n := slices.Index(w.calls[before:], name) + 1
	w.calls = w.calls[:before]
	return n
}
