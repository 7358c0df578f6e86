package reconcile

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// timer is a deadline that a test lets pass at the moment it wants.
type timer struct {
	past  bool
	heirs []context.CancelCauseFunc
}

func (c *timer) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancelCause(ctx)
	if c.past {
		cancel(engine.ErrDeadline)
	}
	c.heirs = append(c.heirs, cancel)
	return out, func() { cancel(nil) }
}

func (c *timer) pass() {
	c.past = true
	for _, cancel := range c.heirs {
		cancel(engine.ErrDeadline)
	}
}

func (w *world) applyWithin(c *timer, s *spec.Spec, o Observation, plan engine.Plan) (engine.Report, error) {
	return Apply(context.Background(), s, o, plan, w.providers(), engine.Options{By: "me", Limit: c.limit}, &quiet{})
}

// The deadline passes before every single call of a move: what was not
// committed goes back and is up, what was goes forward to its end.
func TestDeadlineBeforeTheCommitGoesBackAndAfterItForward(t *testing.T) {
	for _, f := range flows[:4] { // both at once end their proofs in any order
		t.Run(f.name, func(t *testing.T) {
			s := f.spec()
			total := f.calls(t)
			before := f.steps[slices.Index(f.steps, ActCommit)-1]
			back, forward := 0, 0
			for n := total.planned + 1; n <= total.all; n++ {
				w, clock := f.begin(t), &timer{}
				was := recordOf(w).AttemptID()
				o, plan, err := w.plan(s)
				if err != nil {
					t.Fatal(err)
				}
				committing := false // the commit is what comes next, in time
				w.hook = func(call int, _, when string) {
					if call == n && when == "before" {
						clock.pass()
					}
				}
				w.at = func(point string) {
					if point == string(before)+":end" && !clock.past {
						committing = true
					}
				}
				rep, err := w.applyWithin(clock, s, o, plan)
				where := "deadline at " + w.calls[n-1] + " (call " + strconv.Itoa(n) + ")"
				w.calm()
				switch {
				case err == nil && !committing:
					t.Errorf("%s: the move went on although its deadline had passed", where)
				case err == nil:
					forward++
					w.moved(t, s, where)
				case !errors.Is(err, engine.ErrDeadline):
					t.Errorf("%s: the error is %v", where, err)
				case committing:
					t.Errorf("%s: it went back after the commit: %v", where, err)
				default:
					back++
					if rep.Left(engine.AppStopped) || rep.Left(engine.AppBack) == (recordOf(w).AttemptID() == was) {
						t.Errorf("%s: report %+v", where, rep)
					}
					w.home(t, where)
					w.converge(t, s)
					w.moved(t, s, where+", then applied again")
				}
				if t.Failed() {
					t.FailNow()
				}
			}
			if back < 20 || forward < 10 {
				t.Errorf("went back %d times and forward %d times: that proves too little", back, forward)
			}
		})
	}
}

func recordOf(w *world) Move {
	m, _ := engine.ReadRecord[Move](context.Background(), records{w}, RecordMove)
	return m.Value
}

// The process dies in the copy, and the next one comes only after the
// deadline: it brings the application back and moves nothing.
func TestAProcessThatComesAfterTheDeadlineGoesBack(t *testing.T) {
	s := externalSpec()
	for _, point := range []string{"quiesce:after-effect", "copying", "prove:end", "switch-release:after-effect"} {
		w := newWorld()
		w.killAt(point)
		if a := w.process(t.Context(), s); !a.dead {
			t.Fatalf("the process was not killed at %s: %v", point, a.err)
		}
		w.calm()
		o, plan, err := w.plan(s)
		if err != nil {
			t.Fatal(err)
		}
		rep, err := w.applyWithin(&timer{past: true}, s, o, plan)
		if !errors.Is(err, engine.ErrDeadline) || !rep.Left(engine.AppBack) || rep.Left(engine.AppStopped) {
			t.Errorf("%s: report %+v, error %v", point, rep, err)
		}
		w.home(t, point)
	}
}

// One that was cut off after the commit goes forward whatever the time.
func TestAProcessThatComesAfterTheDeadlineAndTheCommitGoesForward(t *testing.T) {
	s := externalSpec()
	for _, point := range []string{"commit-lineage:end", "resume-service:before-effect", "settle-release:begin"} {
		w := newWorld()
		hit := w.killAt(point)
		if a := w.process(t.Context(), s); !a.dead || !*hit {
			t.Fatalf("the process was not killed at %s: %v", point, a.err)
		}
		w.calm()
		o, plan, err := w.plan(s)
		if err != nil {
			t.Fatal(err)
		}
		if rep, err := w.applyWithin(&timer{past: true}, s, o, plan); err != nil || rep.Left(engine.AppBack) {
			t.Errorf("%s: report %+v, error %v", point, rep, err)
		}
		w.moved(t, s, point)
	}
}

// A way back that was cut off ends although the deadline is past; the move it
// would be followed by is not begun.
func TestAWayBackHasNoDeadline(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.leaveBehind(t, s)
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := actions(plan.Steps); !slices.Equal(got[:1], []engine.ActionKind{ActGoBack}) {
		t.Fatalf("the plan is %v", got)
	}
	rep, err := w.applyWithin(&timer{past: true}, s, o, plan)
	if !errors.Is(err, engine.ErrDeadline) || rep.Left(engine.AppStopped) || len(rep.Steps) != 2 || rep.Steps[0].Outcome != "settled" {
		t.Errorf("report %+v, error %v", rep, err)
	}
	w.home(t, "after the way back")
}

func TestDeadlineForAPlan(t *testing.T) {
	for high, want := range map[time.Duration]time.Duration{
		time.Minute: 30 * time.Minute, 10 * time.Minute: 30 * time.Minute, 20 * time.Minute: time.Hour, 26 * time.Hour: 78 * time.Hour,
	} {
		if got := engine.DeadlineFor(engine.Plan{Total: engine.Estimate{High: high}}); got != want {
			t.Errorf("a plan of at most %s has %s, want %s", high, got, want)
		}
	}
}
