package reconcile

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/spec"
	"pgregory.net/rapid"
)

// trouble is what one process of a random history meets.
type trouble struct {
	internal  bool // the spec asks for internal meanwhile
	target    bool // the external server cannot be reached
	slow      bool // pods on the target do not become ready
	idle      bool // the frontend has nothing to write
	killed    int  // at this call, 0 for never
	after     bool // … after its effect
	faults    map[int]string
	cancelled int // interrupted at this call
	lost      bool
	scaledUp  bool // somebody scales the frontend up before the process
}

func troubles(t *rapid.T) trouble {
	calls := rapid.IntRange(0, 150)
	tr := trouble{
		internal: rapid.IntRange(0, 9).Draw(t, "internal") == 0,
		target:   rapid.IntRange(0, 9).Draw(t, "target away") == 0,
		slow:     rapid.IntRange(0, 5).Draw(t, "never ready") == 0,
		idle:     rapid.IntRange(0, 2).Draw(t, "idle") == 0,
		killed:   calls.Draw(t, "killed at"),
		after:    rapid.Bool().Draw(t, "after the effect"),
		scaledUp: rapid.IntRange(0, 9).Draw(t, "scaled up") == 0,
		faults:   map[int]string{},
	}
	if rapid.Bool().Draw(t, "lives") {
		tr.killed = 0
	}
	if rapid.IntRange(0, 3).Draw(t, "interrupted") == 0 {
		tr.cancelled, tr.lost = calls.Draw(t, "interrupted at"), rapid.Bool().Draw(t, "by a lost lease")
	}
	for _, n := range rapid.SliceOfN(calls, 0, 3).Draw(t, "faults at") {
		tr.faults[n] = rapid.SampledFrom([]string{"before", "after", "garbage"}).Draw(t, "fault")
	}
	return tr
}

// suffer runs one process in trouble. Calls count from its beginning.
func (w *world) suffer(tr trouble) attempt {
	s := externalSpec()
	if tr.internal {
		s = internalSpec()
	}
	w.noTarget = tr.target
	for _, a := range w.apps {
		a.neverGetsReady = tr.slow
	}
	w.apps["Deployment/frontend"].writesThrough = !tr.idle
	if tr.scaledUp {
		w.apps["Deployment/frontend"].replicas = 3
		w.rest()
	}
	o, plan, err := w.plan(s)
	if err != nil {
		return attempt{err: err}
	}
	base := len(w.calls)
	for n, mode := range tr.faults {
		w.faults[base+n] = mode
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	w.hook = func(call int, name, when string) {
		if tr.cancelled > 0 && call == base+tr.cancelled && when == "before" {
			cause := errors.New("interrupted")
			if tr.lost {
				cause = ErrLeaseLost
			}
			cancel(cause)
		}
		if tr.killed > 0 && call == base+tr.killed && (when == "after") == tr.after {
			panic(killed{name})
		}
	}
	a := attempt{plan: plan}
	a.rep, a.err, a.dead = w.apply(ctx, s, o, plan)
	w.calm()
	return a
}

// broken says which promise does not hold, or "".
func (w *world) broken(a attempt) string {
	side := w.src
	if !w.newest().internal {
		side = w.dst
	}
	var out []string
	out = append(out, w.wrongs...)
	if lost := w.missing(side); lost != "" { // MongoDB is not in these specs
		out = append(out, lost)
	}
	down := w.apps["Deployment/frontend"].replicas == 0
	switch {
	case a.dead || len(a.plan.Steps) == 0:
	case a.rep.WentBack && (down || w.src.fence != "" || !w.newest().internal):
		out = append(out, "the report says the application is back, and it is not")
	case a.rep.Steps != nil && down && !a.rep.StillDown:
		out = append(out, fmt.Sprintf("the application is down and nobody says so: %v", a.err))
	}
	return strings.Join(out, "; ")
}

// A random history of processes in trouble keeps the promises after each one
// and converges when the trouble ends.
func TestRandomHistoriesKeepThePromises(t *testing.T) {
	seeded(t, "rapid.seed", "0", "20261122")
	seeded(t, "rapid.checks", "100", "400")
	seeded(t, "rapid.nofailfile", "false", "true")
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for i := range rapid.IntRange(1, 4).Draw(t, "processes") {
			tr := troubles(t)
			a := w.suffer(tr)
			if why := w.broken(a); why != "" {
				t.Fatalf("process %d with %+v, which ended %v: %s", i+1, tr, a.err, why)
			}
		}
		for _, a := range w.apps {
			a.neverGetsReady = false
		}
		w.noTarget, w.apps["Deployment/frontend"].writesThrough = false, true
		if why := w.ends(externalSpec()); why != "" {
			t.Fatal(why)
		}
	})
}

func (w *world) ends(s *spec.Spec) string {
	var errs []string
	for range 6 {
		w.rest()
		a := w.process(context.Background(), s)
		if why := w.broken(a); why != "" {
			return why
		}
		if a.err != nil {
			errs = append(errs, a.err.Error())
		} else if len(a.plan.Steps) == 0 {
			w.rest()
			if got := fmt.Sprint(w.replicas()); got != fmt.Sprint(wantReplicas) {
				return "replicas are " + got
			}
			if w.newest().internal || w.store {
				return "the move is not over: " + fmt.Sprint(a.plan.Findings)
			}
			return w.broken(attempt{})
		}
	}
	return "does not converge: " + strings.Join(errs, "\n  then ")
}

// seeded gives a flag of rapid's a value of ours unless somebody chose one, so
// that a run in CI is the same every time.
func seeded(t *testing.T, name, unset, value string) {
	t.Helper()
	f := flag.Lookup(name)
	if f == nil {
		t.Fatalf("rapid has no flag %s", name)
	}
	if f.Value.String() != unset {
		return
	}
	if err := flag.Set(name, value); err != nil {
		t.Fatal(err)
	}
}
