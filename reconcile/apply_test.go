package reconcile

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

var wholeMove = []engine.ActionKind{ActCredentials, ActProtect, ActRehearse, ActRecord, ActQuiesce, ActFence, ActCopy, ActProve, ActSwitch, ActCommit, ActResume, ActSettle, ActRemove}

func actions(steps []engine.Step) []engine.ActionKind {
	var out []engine.ActionKind
	for _, s := range steps {
		out = append(out, s.Action)
	}
	return out
}

func TestApplyMovesOutAndLeavesNothingToDo(t *testing.T) {
	w, s := newWorld(), externalSpec()
	a := w.process(t.Context(), s)
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got := actions(a.plan.Steps); !slices.Equal(got, wholeMove) {
		t.Errorf("steps are %v", got)
	}
	for _, f := range a.plan.Findings {
		if f.ID != "workload-at-zero" {
			t.Errorf("unexpected finding %+v", f)
		}
	}
	if a.rep.Downtime <= 0 || a.rep.Left(engine.AppBack) || a.rep.Left(engine.AppStopped) {
		t.Errorf("report %+v", a.rep)
	}
	w.moved(t, s, "after apply")
}

// Every call of every provider fails once, before and after its effect, and
// with an answer nobody can read.
func TestEveryCallMayFail(t *testing.T) {
	m := newMatrix(t, "every call fails", "calls", "3 ways to fail")
	eachCall(t, m, func(t *testing.T, f flow, n int) {
		s := f.spec()
		for _, mode := range []string{"before", "after", "garbage"} {
			m.try(t, func() {
				w := f.begin(t)
				o, plan, err := w.plan(s)
				if err != nil {
					t.Fatal(err)
				}
				w.faults[n] = mode
				rep, err, _ := w.apply(t.Context(), s, o, plan)
				where := w.calls[n-1] + " " + mode + " (call " + strconv.Itoa(n) + ")"
				if w.fired != 1 {
					t.Fatalf("%s: the fault did not fire", where)
				}
				if rep.Left(engine.AppStopped) {
					t.Errorf("%s: one failed call leaves the application down: %v", where, err)
				}
				w.settledWell(t, s, where, rep, err)
			})
		}
	})
}

// Planning reads; a read that fails makes the plan impossible or blocked, and
// never a plan that takes it for absent.
func TestEveryReadOfAPlanMayFail(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		s := f.spec()
		total := f.calls(t)
		fresh := f.begin(t)
		for n := total.begun + 1; n <= total.planned; n++ {
			for _, mode := range []string{"before", "after", "garbage"} {
				w := f.begin(t)
				w.faults[n] = mode
				_, plan, err := w.plan(s)
				if w.fired != 1 {
					t.Fatalf("call %d: the fault did not fire", n)
				}
				// The lease and some records are for people only, and a started Job
				// has no answer to garble.
				inwards := !f.outwards() // the chart's own Secret is read there
				needless := inwards && w.calls[n-1] == "Compare" || slices.Contains([]string{"Holder", "Read", "Write"}, w.calls[n-1]) || mode == "garbage" && strings.HasSuffix(w.calls[n-1], ": start")
				var unread *UnreadableError
				asked := slices.Contains(plan.Dangers(), AcceptSuspended) // a person has to say it then
				// That the application's road was not tried is said, and stops nobody.
				if slices.Contains([]string{"Stands", "Policies"}, w.calls[n-1]) {
					asked = slices.ContainsFunc(plan.Findings, func(f engine.Finding) bool { return f.ID == "road-untried" })
				}
				if !needless && !errors.As(err, &unread) && len(plan.Blocked()) == 0 && !asked {
					t.Errorf("%s %s: a plan with steps %v and error %v", w.calls[n-1], mode, actions(plan.Steps), err)
				}
				if got := w.replicas(); !maps.Equal(got, wantReplicas) || !reflect.DeepEqual(*w.newest(), *fresh.newest()) || w.safe != fresh.safe || w.creds != fresh.creds {
					t.Errorf("%s %s: planning changed something", w.calls[n-1], mode)
				}
				w.converge(t, s)
				w.moved(t, s, w.calls[n-1]+" "+mode+" while planning")
			}
		}
	})
}

// settledWell checks what a run that met trouble says against what is so, and
// that the next runs finish the work.
func (w *world) settledWell(t *testing.T, s *spec.Spec, where string, rep engine.Report, err error) {
	t.Helper()
	down := func() bool {
		for key, n := range wantReplicas {
			if n > 0 && w.apps[key].replicas == 0 {
				return true
			}
		}
		return false
	}
	w.calm()
	switch {
	case err != nil && rep.Left(engine.AppBack):
		w.home(t, where+": went back")
	case err != nil && !rep.Left(engine.AppStopped) && down():
		t.Errorf("%s: the application is down and the report does not say so: %v", where, err)
	case rep.Left(engine.AppStopped) != (rep.Application.Why != ""):
		t.Errorf("%s: still down is %t, and why it is %q", where, rep.Left(engine.AppStopped), rep.Application.Why)
	case err == nil && down():
		t.Errorf("%s: the application is down and there is no error", where)
	}
	w.truth(t, where)
	w.converge(t, s)
	w.moved(t, s, where)
	if t.Failed() {
		t.Fatalf("%s: the first error was: %v", where, err)
	}
}

// A step that fails for good takes the application back as long as nothing
// was written on the target.
func TestEveryStepBeforeTheFirstWriteGoesBack(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		s := f.spec()
		end := slices.Index(f.steps, ActResume)
		if f.handsOff() {
			end = slices.Index(f.steps, ActHandOff)
		}
		for _, kind := range f.steps[:end] {
			t.Run(string(kind), func(t *testing.T) {
				w := f.begin(t)
				broken := actionsByKind[kind]
				defer func() { actionsByKind[kind] = broken }()
				actionsByKind[kind] = action{broken.look, func(ctx context.Context, r *run, st engine.Step) error {
					return errors.Join(broken.apply(ctx, r, st), errInjected)
				}}
				a := w.process(t.Context(), s)
				if !errors.Is(a.err, errInjected) {
					t.Fatalf("error is %v", a.err)
				}
				if touched := slices.Index(f.steps, kind) >= slices.Index(f.steps, ActRecord); a.rep.Left(engine.AppBack) != touched {
					t.Errorf("went back: %t", a.rep.Left(engine.AppBack))
				}
				w.home(t, string(kind))
				_, plan, err := w.plan(s)
				want := slices.Clone(f.steps)
				if f.outwards() && slices.Index(f.steps, kind) >= slices.Index(f.steps, ActCopy) { // the old data are given up by then
					want = slices.DeleteFunc(want, func(k engine.ActionKind) bool { return k == ActRead })
				}
				next := actions(plan.Steps)
				if slices.Index(f.steps, kind) >= slices.Index(f.steps, ActRehearse) { // it was rehearsed, or one of two was
					rehearsal := func(k engine.ActionKind) bool { return k == ActRehearse || k == ActUnrehearsed }
					want, next = slices.DeleteFunc(want, rehearsal), slices.DeleteFunc(next, rehearsal)
				}
				if err != nil || !slices.Equal(next, want) {
					t.Errorf("the next plan has %v, error %v", actions(plan.Steps), err)
				}
				actionsByKind[kind] = broken
				w.converge(t, s)
				w.moved(t, s, string(kind))
			})
		}
	})
}

func TestAfterTheFirstWriteThereIsOnlyForward(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		broken := actionsByKind[ActResume]
		defer func() { actionsByKind[ActResume] = broken }()
		actionsByKind[ActResume] = action{broken.look, func(ctx context.Context, r *run, st engine.Step) error {
			return errors.Join(r.bringUp(ctx, st), errInjected)
		}}
		a := w.process(t.Context(), s)
		actionsByKind[ActResume] = broken
		why := "the target holds writes of the application"
		if f.handsOff() {
			why = "Flux has switched the release"
		}
		if a.err == nil || !strings.Contains(a.err.Error(), "there is only forward: "+why) || a.rep.Left(engine.AppBack) || a.rep.Left(engine.AppStopped) {
			t.Fatalf("report %+v, error %v", a.rep, a.err)
		}
		if w.isHome() {
			t.Error("the release was taken back although the target holds writes")
		}
		w.converge(t, s)
		w.moved(t, s, "forward")
	})
}

func TestResumeThatFailsBeforeAWriteIsWithdrawn(t *testing.T) {
	eachFlowThatSwitches(t, func(t *testing.T, f flow) {
		w, s := f.begin(t), f.spec()
		for _, a := range w.apps {
			a.neverGetsReady = true // on the target
			a.writesThrough = false
		}
		a := w.process(t.Context(), s)
		if a.err == nil || !a.rep.Left(engine.AppBack) {
			t.Fatalf("report %+v, error %v", a.rep, a.err)
		}
		w.home(t, "withdrawn")
		for _, a := range w.apps {
			a.neverGetsReady = false
		}
		w.writes(true)
		w.converge(t, s)
		w.moved(t, s, "second epoch")
		if got := readMove(t, w); !strings.HasSuffix(got.ID, fmt.Sprintf("-e%d", len(f.before)+2)) || got.Attempt != 1 {
			t.Errorf("the second move is %s attempt %d", got.ID, got.Attempt)
		}
	})
}

func readMove(t *testing.T, w *world) Move {
	t.Helper()
	m, _ := engine.ReadRecord[Move](t.Context(), records{w}, RecordMove)
	if !m.Is() {
		t.Fatalf("move record: %s", m.Why)
	}
	return m.Value
}

func TestInterruptionAnywhereRestoresServiceOrFinishes(t *testing.T) {
	m := newMatrix(t, "interrupted at every call", "calls", "1 signal")
	eachCall(t, m, func(t *testing.T, f flow, n int) {
		s := f.spec()
		m.try(t, func() {
			w := f.begin(t)
			o, plan, err := w.plan(s)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			interrupted := errors.New("interrupted")
			w.hook = func(call int, _, when string) {
				if call == n && when == "before" {
					cancel(interrupted)
				}
			}
			rep, err, _ := w.apply(ctx, s, o, plan)
			cancel(nil)
			if rep.Left(engine.AppStopped) {
				t.Errorf("interrupted at call %d, %s: still down: %v", n, w.calls[n-1], err)
			}
			w.settledWell(t, s, "interrupted at "+w.calls[n-1]+" (call "+strconv.Itoa(n)+")", rep, err)
		})
	})
}

func TestLosingTheLeaseBringsNothingBack(t *testing.T) {
	m := newMatrix(t, "the lease lost at every call", "calls", "1 loss")
	eachCall(t, m, func(t *testing.T, f flow, n int) {
		s := f.spec()
		m.try(t, func() {
			w := f.begin(t)
			o, plan, err := w.plan(s)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			var mu sync.Mutex // steps may run side by side
			lost, begun := false, map[int]bool{}
			var after []string
			w.hook = func(call int, name, when string) {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case call == n && when == "before":
					cancel(engine.ErrLeaseLost)
					lost = true
				case when == "before": // asked for before we knew, it may still happen
					begun[call] = lost
				case begun[call] && slices.Contains([]string{"Scale", "Run unfence: start", "Rollback: pending", "Forget", "Stop"}, name):
					after = append(after, name)
				}
			}
			rep, err, _ := w.apply(ctx, s, o, plan)
			cancel(nil)
			where := "lease lost at " + w.calls[n-1] + " (call " + strconv.Itoa(n) + ")"
			if len(after) > 0 || rep.Left(engine.AppBack) {
				t.Errorf("%s: afterwards %v, went back %t", where, after, rep.Left(engine.AppBack))
			}
			w.settledWell(t, s, where, rep, err)
		})
	})
}
