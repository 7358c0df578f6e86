package reconcile

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// What stands between two runs of one move: people who started the
// application, Jobs that outlive who began them, files that changed.

func flowOf(t *testing.T, name string) flow {
	t.Helper()
	i := slices.IndexFunc(flows, func(f flow) bool { return f.name == name })
	if i < 0 {
		t.Fatalf("there is no flow %q", name)
	}
	return flows[i]
}

// dies applies a plan of the spec and is killed at a named point.
func (w *world) dies(t *testing.T, s *spec.Spec, point string) {
	t.Helper()
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	w.at = func(p string) {
		if p == point {
			panic(killed{p})
		}
	}
	if _, err, dead := w.apply(t.Context(), s, o, plan); !dead {
		t.Fatalf("not killed at %s: %v", point, err)
	}
	w.calm()
}

// Killed after the switch, the application started by hand on the target, and
// then the move is to go back: what was written there is kept.
func TestGoingBackKeepsWhatSomebodyStartedWrote(t *testing.T) {
	for _, name := range []string{"out", "both out", "MongoDB out"} {
		f := flowOf(t, name)
		w := f.begin(t)
		w.dies(t, f.spec(), "switch-release:end")
		before := len(w.acked)
		w.apps["Deployment/frontend"].replicas, w.byHand = 3, true
		w.rest()
		if len(w.acked) == before {
			t.Fatal("nothing was written")
		}
		s := f.otherwise(allBack)
		a := w.process(t.Context(), s)
		if a.err == nil || !strings.Contains(a.err.Error(), "there is only forward: the target holds writes of the application") {
			t.Errorf("%s: applied with %v", name, a.err)
		}
		w.truth(t, name)
	}
}

// A target that is gone does not keep the application down where nothing
// speaks for a write.
func TestGoingBackFromATargetThatIsGone(t *testing.T) {
	f := flowOf(t, "out")
	w := f.begin(t)
	w.dies(t, f.spec(), "switch-release:end")
	w.noTarget = true
	if a := w.process(t.Context(), f.otherwise(allBack)); a.err != nil {
		t.Fatal(a.err)
	}
	w.home(t, "back")
}

// A withdrawal that a killed run left behind does not end after the next run's
// commit.
func TestALeftBehindWithdrawalIsStopped(t *testing.T) {
	f := flowOf(t, "out")
	w, s := f.begin(t), f.spec()
	for _, a := range w.apps {
		a.neverGetsReady = true
	}
	w.writes(false)
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	w.hook = func(_ int, name, when string) {
		if name == "Run withdraw: start" && when == "after" {
			for _, j := range w.jobs {
				if j.spec.Request.Operation == mover.OpWithdraw {
					j.running = 100_000
				}
			}
			panic(killed{name})
		}
	}
	if _, err, dead := w.apply(t.Context(), s, o, plan); !dead {
		t.Fatalf("not killed: %v", err)
	}
	w.calm()
	for _, a := range w.apps {
		a.neverGetsReady = false
	}
	w.writes(true)
	w.at = func(p string) {
		if p == "commit-lineage:end" {
			for _, j := range w.jobs {
				if j.spec.Request.Operation == mover.OpWithdraw {
					j.running = 1
				}
			}
		}
	}
	w.converge(t, s)
	w.moved(t, s, "after")
}

// Another user is another external side, although the server is the same.
func TestAnotherUserIsNotTheMoveThatWasBegun(t *testing.T) {
	f := flowOf(t, "out")
	w := f.begin(t)
	w.dies(t, f.spec(), "switch-release:end")
	s := f.spec()
	s.Datastores.PostgreSQL.External.Username = "other"
	if _, plan, err := w.plan(s); err != nil || !slices.Equal(actions(plan.Steps), []engine.ActionKind{ActGoBack}) {
		t.Errorf("goes on with %v, error %v", ids(plan.Steps), err)
	}
}

// A tool that applies the values before the proof found a lost row is not
// followed: nothing starts on the target, and the next run copies anew.
func TestAToolThatSwitchesBeforeTheProofIsNotFollowed(t *testing.T) {
	f := flowOf(t, "handed off")
	w, s := f.begin(t), f.spec()
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	w.at = func(p string) {
		if p != "prove:before-effect" {
			return
		}
		for id := range w.dst.rows {
			delete(w.dst.rows, id)
			break
		}
		next := *w.newest()
		next.internal, next.secret = false, server.CredentialsName(mover.PostgreSQL)
		w.revise("deployed", "Upgrade complete", next)
		for _, a := range w.apps {
			if a.hosts[mover.PostgreSQL] != "" {
				a.hosts[mover.PostgreSQL] = externalHost
			}
		}
	}
	rep, err, _ := w.apply(t.Context(), s, o, plan)
	if err == nil || !rep.Left(engine.AppStopped) || !strings.Contains(err.Error(), "before the copy was proven") {
		t.Errorf("report %+v, error %v", rep, err)
	}
	w.calm()
	w.truth(t, "after the proof failed")
	w.converge(t, s)
	w.moved(t, s, "after the next runs")
}

// A choice that an open fork was not begun with is not ignored.
func TestAChoiceAgainstAnOpenMoveBlocks(t *testing.T) {
	f := flowOf(t, "forked")
	w := f.begin(t)
	w.dies(t, f.spec(), "fence-source:end")
	w.choice = map[mover.Engine]spec.Location{mover.PostgreSQL: spec.Internal}
	if _, plan, err := w.plan(f.spec()); err != nil || !slices.Contains(blocks(plan), "fork-choice") || len(plan.Steps) > 0 {
		t.Errorf("steps %v, blocked by %v, error %v", ids(plan.Steps), blocks(plan), err)
	}
}

// The second attempt at a move out again finds a target that says "copied" and
// no more that it was superseded; the fence of that time is lifted all the same.
func TestASecondAttemptOutAgainLiftsTheFence(t *testing.T) {
	f := flowOf(t, "out again")
	w, s := f.begin(t), f.spec()
	if w.dst.fence == "" {
		t.Fatal("the target has no fence to begin with")
	}
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	broken := actionsByKind[ActSwitch]
	actionsByKind[ActSwitch] = action{broken.look, func(context.Context, *run, engine.Step) error { return errInjected }}
	rep, _, _ := w.apply(t.Context(), s, o, plan)
	actionsByKind[ActSwitch] = broken
	if !rep.Left(engine.AppBack) {
		t.Fatalf("report %+v", rep)
	}
	w.calm()
	w.converge(t, s)
	w.moved(t, s, "after the second attempt")
}

// A lease that is lost after an interruption ends what the interruption began.
func TestALeaseLostAfterAnInterruption(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, interrupt := context.WithCancelCause(t.Context())
		lease, lose := context.WithCancelCause(context.WithoutCancel(ctx))
		held := engine.WithLease(ctx, lease)
		interrupt(errors.New("interrupted"))
		back, done := engine.Uninterrupted(held, time.Minute)
		defer done()
		synctest.Wait()
		if back.Err() != nil || engine.LeaseLost(held) != nil {
			t.Fatalf("ended by the interruption: %v, %v", context.Cause(back), engine.LeaseLost(held))
		}
		lose(engine.ErrLeaseLost)
		synctest.Wait()
		if !errors.Is(context.Cause(back), engine.ErrLeaseLost) || engine.LeaseLost(back) == nil {
			t.Errorf("goes on with %v, %v", context.Cause(back), engine.LeaseLost(back))
		}
	})
}
