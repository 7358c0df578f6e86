package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// trouble is what one process of a random history meets.
type trouble struct {
	other     otherWish             // the spec asks for something else meanwhile
	away      map[mover.Engine]bool // the external server cannot be reached
	slow      bool                  // pods away from home do not become ready
	idle      bool                  // the frontend has nothing to write
	killed    int                   // at this call, 0 for never
	after     bool                  // … after its effect
	faults    map[int]string
	cancelled int // interrupted at this call
	lost      bool
	scaledUp  bool  // somebody scales the frontend up before the process
	order     []int // who goes first where steps run side by side
}

// otherWish is how the spec of one process differs from that of the flow.
type otherWish string

const (
	asEver       otherWish = ""
	allBack      otherWish = "every datastore on the other side"
	oneBack      otherWish = "the first datastore on the other side"
	withoutBlock otherWish = "internal, without a word of the external servers"
)

// otherwise is the flow's spec as one process is given it.
func (f flow) otherwise(how otherWish) *spec.Spec {
	s := f.spec()
	pg, mg := s.Datastores.PostgreSQL, s.Datastores.MongoDB
	flip := map[spec.Location]spec.Location{spec.Internal: spec.External, spec.External: spec.Internal}
	switch how {
	case asEver:
	case withoutBlock:
		if pg != nil {
			pg.Location, pg.External = spec.Internal, nil
		}
		if mg != nil {
			mg.Location, mg.External = spec.Internal, nil
		}
	case allBack, oneBack:
		if pg != nil {
			pg.Location = flip[pg.Location]
		}
		if mg != nil && (pg == nil || how == allBack) {
			mg.Location = flip[mg.Location]
		}
	}
	return s
}

func troubles(t *rapid.T) trouble {
	calls := rapid.IntRange(0, 200)
	rarely := func(name string, n int) bool { return rapid.IntRange(0, n).Draw(t, name) == n }
	tr := trouble{
		away:     map[mover.Engine]bool{mover.PostgreSQL: rarely("PostgreSQL away", 12), mover.MongoDB: rarely("MongoDB away", 12)},
		slow:     rarely("never ready", 5),
		idle:     rarely("idle", 2),
		killed:   calls.Draw(t, "killed at"),
		after:    rapid.Bool().Draw(t, "after the effect"),
		scaledUp: rarely("scaled up", 9),
		faults:   map[int]string{},
		order:    rapid.SliceOfN(rapid.IntRange(0, 2), 0, 12).Draw(t, "order"),
	}
	if rarely("other spec", 5) {
		tr.other = rapid.SampledFrom([]otherWish{allBack, oneBack, withoutBlock}).Draw(t, "spec")
	}
	if rapid.Bool().Draw(t, "lives") {
		tr.killed = 0
	}
	if rarely("interrupted", 3) {
		tr.cancelled, tr.lost = calls.Draw(t, "interrupted at"), rapid.Bool().Draw(t, "by a lost lease")
	}
	for _, n := range rapid.SliceOfN(calls, 0, 3).Draw(t, "faults at") {
		tr.faults[n] = rapid.SampledFrom([]string{"before", "after", "garbage"}).Draw(t, "fault")
	}
	return tr
}

// suffer runs one process in trouble. Calls count from the end of its plan.
func (w *world) suffer(f flow, tr trouble) attempt {
	for _, db := range w.databases() {
		db.noTarget = tr.away[db.engine]
	}
	for _, a := range w.apps {
		a.neverGetsReady = tr.slow
	}
	w.writes(!tr.idle)
	if tr.scaledUp {
		w.apps["Deployment/frontend"].replicas, w.byHand = 3, true
		w.rest()
	}
	w.turns = turns{order: tr.order}
	s := f.otherwise(tr.other)
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
				cause = engine.ErrLeaseLost
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
	w.chosen()
	return a
}

// broken says which promise does not hold, or "". They are about every
// datastore, whether a spec speaks of it or not.
func (w *world) broken(a attempt) string {
	out := slices.Clone(w.wrongs)
	for _, db := range w.databases() {
		if lost := w.lost(db); lost != "" {
			out = append(out, db.engine.Title()+": "+lost)
		}
	}
	down := w.apps["Deployment/frontend"].replicas == 0
	switch {
	case a.dead || len(a.plan.Steps) == 0:
	case a.rep.Left(engine.AppBack) && (down || w.newest().status != "deployed"):
		out = append(out, "the report says the application is back, and it is not")
	case a.rep.Left(engine.AppBack):
		out = append(out, w.notBack()...)
	case a.rep.Steps != nil && down && !a.rep.Left(engine.AppStopped):
		out = append(out, fmt.Sprintf("the application is down and nobody says so: %v", a.err))
	}
	return strings.Join(out, "; ")
}

// chosen is the end of a fork: what lost is set aside, and nobody says any more
// which side to go on with.
func (w *world) chosen() {
	for _, db := range w.databases() {
		if db.forked && len(db.src.aside) > 0 && !w.lastMove().Open() {
			db.forked, w.choice = false, nil
		}
	}
}

// readSide is the server the release reads.
func (w *world) readSide(db *database) *databaseServer {
	if w.newest().inside(db.engine) {
		return db.src
	}
	return db.dst
}

// lastMove is the newest move as the record has it.
func (w *world) lastMove() Move {
	var m Move
	if rec, ok := w.records[RecordMove]; ok {
		if err := json.Unmarshal(rec.Data, &m); err != nil {
			w.wrong("the move record cannot be read: %v", err)
		}
	}
	return m
}

// notBack says where a move that went back left the application elsewhere, or
// on a server that takes no writes.
func (w *world) notBack() []string {
	var out []string
	for _, p := range w.lastMove().Parts {
		db := w.of(p.Engine)
		if inside := w.newest().inside(p.Engine); inside != (p.From == spec.Internal) || inside != db.store {
			out = append(out, fmt.Sprintf("%s went back to %s, but the release reads inside: %t, and there is a StatefulSet: %t", p.Engine.Title(), p.Source(), inside, db.store))
		}
		if side := w.readSide(db); side.fence != "" && !side.stood {
			out = append(out, fmt.Sprintf("%s went back and fence %s stands", p.Engine.Title(), side.fence))
		}
	}
	return out
}

// A random history of processes in trouble keeps the promises after each one
// and converges when the trouble ends: of every flow, with either server away,
// with specs that change their mind, in any order of what runs side by side.
// RUNS=2000 make random plays more of them.
func TestRandomHistoriesKeepThePromises(t *testing.T) {
	seeded(t, "rapid.seed", "0", "20261122")
	seeded(t, "rapid.checks", "100", "400")
	seeded(t, "rapid.nofailfile", "false", "true")
	ran, processes, byFlow := 0, 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		f := flows[rapid.IntRange(0, len(flows)-1).Draw(rt, "flow")]
		w := f.begin(t)
		n := rapid.IntRange(1, 4).Draw(rt, "processes")
		for i := range n {
			tr := troubles(rt)
			a := w.suffer(f, tr)
			if why := w.broken(a); why != "" {
				rt.Fatalf("%s: process %d with %+v, which ended %v: %s", f.name, i+1, tr, a.err, why)
			}
		}
		for _, a := range w.apps {
			a.neverGetsReady = false
		}
		for _, db := range w.databases() {
			db.noTarget = false
		}
		w.writes(true)
		if why := w.ends(f); why != "" {
			rt.Fatalf("%s: %s", f.name, why)
		}
		ran, processes = ran+1, processes+n
		byFlow[f.name]++
	})
	t.Logf("random: %d histories of %d processes in trouble, %d converged; by flow %v", ran, processes, ran, byFlow)
}

// finishing is the spec to which a finding move-committed points: the one that
// wants the open move.
func (w *world) finishing(f flow) *spec.Spec {
	s := f.spec()
	m := w.lastMove()
	for _, p := range m.Parts {
		switch p.Engine {
		case mover.PostgreSQL:
			s.Datastores.PostgreSQL.Location = p.To
		case mover.MongoDB:
			s.Datastores.MongoDB.Location = p.To
		}
	}
	return s
}

// ends is the time after the trouble: fresh processes, and a person who does
// what a finding says, until nothing is left to do.
func (w *world) ends(f flow) string {
	s := f.spec()
	var errs []string
	for range 8 {
		w.rest()
		a := w.process(context.Background(), s)
		w.chosen()
		s = f.spec()
		if why := w.broken(a); why != "" {
			return why
		}
		if a.err != nil {
			errs = append(errs, a.err.Error())
			if slices.ContainsFunc(a.plan.Findings, func(f engine.Finding) bool { return f.ID == "move-committed" }) {
				s = w.finishing(f)
			}
			continue
		}
		if len(a.plan.Steps) > 0 || w.lastMove().Open() {
			continue
		}
		w.rest()
		if got := fmt.Sprint(w.replicas()); got != fmt.Sprint(wantReplicas) {
			return "replicas are " + got
		}
		for _, db := range w.databases() {
			if db.forked {
				return "what the internal " + db.engine.Title() + " took was not set aside"
			}
			if inside := w.newest().inside(db.engine); server.Declared(s, db.engine) != nil && (inside != wantsInside(s, db.engine) || inside != db.store) {
				return fmt.Sprintf("the move of %s is not over: read inside %t, a StatefulSet %t, wanted inside %t: %v", db.engine.Title(), inside, db.store, wantsInside(s, db.engine), a.plan.Findings)
			}
		}
		return w.broken(attempt{})
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
