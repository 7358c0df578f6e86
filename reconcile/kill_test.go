package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The named points of every step of a flow, of its way back, and the middle of
// the copy. They are made from the flow's own plan, which TestThereAndBack
// compares with what MakePlan gives, and TestNoActionIsForgotten with the
// closed set: a new action is killed here too.
func (f flow) points() []point {
	var out []point
	if slices.Contains(f.steps, ActCopy) {
		out = append(out, point{"copying", 1})
	}
	seen := map[engine.ActionKind]int{}
	for _, kind := range append(slices.Clone(f.steps), ActGoBack) {
		seen[kind]++
		for _, where := range []string{"begin", "before-effect", "after-effect", "end"} {
			out = append(out, point{string(kind) + ":" + where, seen[kind]})
		}
	}
	return out
}

// point is a named point, reached for the nth time: each datastore has its own
// step.
type point struct {
	name string
	nth  int
}

// killAt arms the world to die at a named point and tells whether it did.
func (w *world) killAt(name string) *bool { return w.killAtNth(point{name, 1}) }

func (w *world) killAtNth(p point) *bool {
	hit, times := new(bool), 0
	w.at = func(name string) {
		if name != p.name || *hit {
			return
		}
		if times++; times == p.nth {
			*hit = true
			panic(killed{name})
		}
	}
	return hit
}

func TestKilledAtEveryPointTheNextRunConverges(t *testing.T) {
	m := newMatrix(t, "killed at every named point", "steps", "4 points each and the middle of the copy")
	eachFlow(t, func(t *testing.T, f flow) {
		m.at(f, len(f.steps)+1) // the way back is one more
		for _, point := range f.points() {
			t.Run(fmt.Sprint(point.name, " ", point.nth), func(t *testing.T) {
				m.try(t, func() {
					w, s := f.begin(t), f.spec()
					if strings.HasPrefix(point.name, string(ActGoBack)) {
						w.leaveBehind(t, s)
					}
					hit := w.killAtNth(point)
					a := w.process(t.Context(), s)
					if !*hit || !a.dead {
						t.Fatalf("the process was not killed: %v", a.err)
					}
					w.calm()
					w.truth(t, "dead at "+point.name)
					w.converge(t, s)
					w.moved(t, s, "killed at "+point.name)
				})
			})
		}
	})
}

// leaveBehind is a move whose way back was cut off in the middle: the fence is
// lifted, the application is at zero.
func (w *world) leaveBehind(t *testing.T, s *spec.Spec) {
	t.Helper()
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	w.hook = func(_ int, name, when string) {
		if name == "Run unfence" && when == "after" && strings.Contains(string(w.records[RecordMove].Data), string(MoveReturning)) {
			panic(killed{name})
		}
	}
	fails := ActProve // or what stands for it where nothing is copied
	for _, kind := range []engine.ActionKind{ActSwitch, ActHandOff} {
		if has := actions(plan.Steps); !slices.Contains(has, fails) && slices.Contains(has, kind) {
			fails = kind
		}
	}
	broken := actionsByKind[fails]
	actionsByKind[fails] = action{broken.look, func(context.Context, *run, engine.Step) error { return errInjected }}
	_, _, dead := w.apply(t.Context(), s, o, plan)
	actionsByKind[fails] = broken
	if !dead || readMove(t, w).Phase != MoveReturning {
		t.Fatalf("dead %t, move %s", dead, readMove(t, w).Phase)
	}
	w.calm()
}

// Sharper than the named points: the process dies before and after every
// single call it makes of the outside.
func TestKilledAroundEveryCallTheNextRunConverges(t *testing.T) {
	m := newMatrix(t, "killed around every call", "calls", "before and after")
	eachCall(t, m, func(t *testing.T, f flow, n int) {
		s := f.spec()
		for _, when := range []string{"before", "after"} {
			m.try(t, func() {
				w := f.begin(t)
				o, plan, err := w.plan(s)
				if err != nil {
					t.Fatal(err)
				}
				w.dieAt(n, when)
				if _, err, dead := w.apply(t.Context(), s, o, plan); !dead {
					t.Fatalf("call %d was not reached: %v", n, err)
				}
				where := fmt.Sprintf("killed %s %s (call %d)", when, w.calls[n-1], n)
				w.calm()
				w.truth(t, where)
				w.converge(t, s)
				w.moved(t, s, where)
				if t.Failed() {
					t.FailNow()
				}
			})
		}
	})
}

func (w *world) dieAt(n int, when string) {
	w.hook = func(call int, name, at string) {
		if call == n && at == when {
			panic(killed{name})
		}
	}
}

// The way back dies too: a step fails, and the process is killed around every
// call of what follows.
func TestKilledOnTheWayBackTheNextRunConverges(t *testing.T) {
	m := newMatrix(t, "killed around every call of the way back", "failed steps", "every call until it is over")
	for _, f := range flowsPerCall() {
		s := f.spec()
		for _, kind := range f.steps[slices.Index(f.steps, ActQuiesce) : slices.Index(f.steps, ActResume)+1] {
			m.at(f, 1)
			for n := 1; ; n++ {
				died := false
				for _, when := range []string{"before", "after"} {
					w := f.begin(t)
					broken := actionsByKind[kind]
					failedAt := 0
					actionsByKind[kind] = action{broken.look, func(ctx context.Context, r *run, st engine.Step) error {
						err := broken.apply(ctx, r, st)
						if kind == ActResume { // before anything was written
							err = nil
						}
						failedAt = len(w.calls)
						return errors.Join(errInjected, err)
					}}
					if kind == ActResume {
						w.writes(false)
					}
					w.hook = func(call int, name, at string) {
						if failedAt > 0 && call == failedAt+n && at == when {
							panic(killed{name})
						}
					}
					a := w.process(t.Context(), s)
					actionsByKind[kind] = broken
					where := fmt.Sprintf("%s failed, killed %s call %d of the way back", kind, when, n)
					died = died || a.dead
					w.calm()
					w.writes(true)
					w.truth(t, where)
					w.converge(t, s)
					w.moved(t, s, where)
					if a.dead {
						m.count(!t.Failed())
					}
					if t.Failed() {
						t.FailNow()
					}
				}
				if !died {
					break
				}
			}
		}
	}
}

// A withdraw that a killed run left complete answers for its own time only:
// by the next failure the application has written on the target.
func TestAnOldAnswerIsNotTakenForANewOne(t *testing.T) {
	eachFlowThatSwitches(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		for _, a := range w.apps {
			a.neverGetsReady, a.writesThrough = true, false
		}
		w.hook = func(_ int, name, when string) {
			if name == "Run withdraw" && when == "before" {
				panic(killed{name})
			}
		}
		if a := w.process(t.Context(), s); !a.dead {
			t.Fatalf("the process was not killed: %v", a.err)
		}
		w.calm() // the Job completes without us
		w.writes(true)
		a := w.process(t.Context(), s)
		if a.err == nil || a.rep.Left(engine.AppBack) || w.isHome() {
			t.Fatalf("report %+v, error %v", a.rep, a.err)
		}
		for _, a := range w.apps {
			a.neverGetsReady = false
		}
		w.converge(t, s)
		w.moved(t, s, "after an old answer")
	})
}

// One run ends a way back that was cut off and makes the move anew.
func TestAWayBackThatWasCutOffAndTheMoveAreOneRun(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		w.leaveBehind(t, s)
		if a := w.process(t.Context(), s); a.err != nil {
			t.Fatal(a.err)
		}
		w.moved(t, s, "after one run")
	})
}

// A way back that was cut off is ended, and of the move made anew are only the
// parts it had: what the file wants moved since then was not copied by it, so
// the release must not be pointed there.
func TestAMoveMadeAnewHasThePartsItHad(t *testing.T) {
	w, one, both := newWorld(), mongoSpec(), bothSpec()
	w.leaveBehind(t, one)
	a := w.process(t.Context(), both)
	if a.err != nil {
		t.Fatal(a.err)
	}
	w.truth(t, "after the first run")
	if !w.newest().inside(mover.PostgreSQL) || w.newest().inside(mover.MongoDB) {
		t.Errorf("the release after a plan of %v: %+v", ids(a.plan.Steps), *w.newest())
	}
	w.converge(t, both)
	w.moved(t, both, "after the runs that followed")
}

// Whatever a plan says, nothing is pointed at a server whose data were not
// proven equal.
func TestNothingUnprovenIsSwitchedTo(t *testing.T) {
	for _, s := range []*spec.Spec{externalSpec(), mongoSpec(), bothSpec()} {
		w := newWorld()
		o, plan, err := w.plan(s)
		if err != nil {
			t.Fatal(err)
		}
		plan.Steps = slices.DeleteFunc(plan.Steps, func(st engine.Step) bool { return st.Action == ActProve })
		_, err, _ = w.apply(t.Context(), s, o, plan)
		if err == nil || !strings.Contains(err.Error(), "were not proven equal") {
			t.Errorf("applied with %v", err)
		}
		w.calm()
		w.home(t, "without a proof")
	}
}

// A withdrawal that was cut off has taken back some commits and not told: all
// of them are made again, not the first alone.
func TestAWithdrawalThatWasCutOffIsCommittedAgainWhole(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		for n := 1; ; n++ {
			w, s := f.begin(t), f.spec()
			for _, a := range w.apps {
				a.neverGetsReady, a.writesThrough = true, false
			}
			deciding := 0
			w.hook = func(call int, name, when string) {
				if name == "Run withdraw: start" && deciding == 0 {
					deciding = call
				}
				if deciding > 0 && call == deciding+n && when == "after" {
					panic(killed{name})
				}
			}
			a := w.process(t.Context(), s)
			w.calm()
			for _, a := range w.apps {
				a.neverGetsReady = false
			}
			w.writes(true)
			w.converge(t, s)
			w.moved(t, s, fmt.Sprintf("killed %d calls into the withdrawal", n))
			if t.Failed() || !a.dead {
				return
			}
		}
	})
}

func TestNoActionIsForgotten(t *testing.T) {
	killed := map[engine.ActionKind]bool{ActGoBack: true, ActAdopt: true} // no move: TestKilledAroundEveryCallOfAdoption has it
	for _, f := range flows {
		for _, kind := range f.steps {
			killed[kind] = true
		}
	}
	for _, kind := range kinds() {
		if !killed[kind] {
			t.Errorf("no flow has a step %s", kind)
		}
	}
}
