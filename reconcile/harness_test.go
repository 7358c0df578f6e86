package reconcile

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func externalSpec() *spec.Spec {
	s := &spec.Spec{
		APIVersion: spec.APIVersion, Name: "ci",
		Server: &spec.Server{Namespace: "ci", Release: "server"},
		Datastores: spec.Datastores{PostgreSQL: &spec.PostgreSQL{Location: spec.External, External: &spec.PostgreSQLExternal{
			Host: externalHost, Username: "circleci", DiskGiB: 200, Password: spec.SecretRef{Secret: &spec.SecretKey{Name: "pg", Key: "password"}},
		}}},
	}
	return s.WithDefaults()
}

func internalSpec() *spec.Spec {
	s := externalSpec()
	s.Datastores.PostgreSQL = &spec.PostgreSQL{Location: spec.Internal}
	return s
}

// quiet hears events and keeps the notes.
type quiet struct{ skipped []engine.StepID }

func (*quiet) StepBegins(engine.Step)                     {}
func (q *quiet) StepSkipped(s engine.Step, _ string)      { q.skipped = append(q.skipped, s.ID) }
func (*quiet) StepProgress(engine.Step, mover.Event)      {}
func (*quiet) StepEnds(engine.Step, time.Duration, error) {}
func (*quiet) Service(engine.Service)                     {}
func (*quiet) Note(string)                                {}

// killed is what a simulated kill -9 panics with.
type killed struct{ where string }

// attempt is one process: look, plan, apply. A kill ends it without any
// clean-up of its own.
type attempt struct {
	plan engine.Plan
	rep  engine.Report
	err  error
	dead bool
}

func (w *world) plan(s *spec.Spec) (Observation, engine.Plan, error) {
	o := Observe(context.Background(), s, w.providers(), ObserveOptions{Inspect: true, Preview: true, Authoritative: w.choice})
	p, err := MakePlan(s, o)
	return o, p, err
}

func (w *world) process(ctx context.Context, s *spec.Spec) (a attempt) {
	o, plan, err := w.plan(s)
	a.plan, a.err = plan, err
	if err != nil {
		return a
	}
	a.rep, a.err, a.dead = w.apply(ctx, s, o, plan)
	return a
}

func (w *world) apply(ctx context.Context, s *spec.Spec, o Observation, plan engine.Plan) (rep engine.Report, err error, dead bool) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case killed:
			dead = true
		default:
			panic(v)
		}
	}()
	rep, err = Apply(ctx, s, o, plan, w.providers(), engine.Options{By: "me"}, &quiet{})
	return rep, err, false
}

// calm ends all injected trouble and lets the cluster come to rest.
func (w *world) calm() {
	w.hook, w.at, w.faults = nil, nil, map[int]string{}
	w.rest()
}

func (w *world) rest() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for range 12 {
		w.tick()
	}
}

// converge runs fresh processes until nothing is left to do.
func (w *world) converge(t *testing.T, s *spec.Spec) {
	t.Helper()
	w.calm()
	var errs []string
	for range 5 {
		a := w.process(context.Background(), s)
		if a.err != nil {
			errs = append(errs, a.err.Error())
			continue
		}
		if len(a.plan.Steps) == 0 {
			return
		}
	}
	t.Fatalf("does not converge: %s", strings.Join(errs, "\n  then "))
}

// replicas are the live counts.
func (w *world) replicas() map[string]int {
	out := map[string]int{}
	for key, a := range w.apps {
		out[key] = a.replicas
		if a.ready != a.replicas {
			out[key+" ready"] = a.ready
		}
		if a.recorded != nil {
			out[key+" recorded"] = *a.recorded
		}
	}
	return out
}

var wantReplicas = map[string]int{"Deployment/frontend": 3, "Deployment/api": 2, "Deployment/web": 4, "StatefulSet/scheduler": 1, "Deployment/unused": 0, "CronJob/report": 1}

// truth checks the promises that hold at every moment the world is at rest.
func (w *world) truth(t *testing.T, where string) {
	t.Helper()
	for _, wrong := range w.wrongs {
		t.Errorf("%s: %s", where, wrong)
	}
	for _, db := range w.databases() {
		if lost := w.lost(db); lost != "" {
			t.Errorf("%s: %s: %s", where, db.engine.Title(), lost)
		}
	}
}

// lost says what is missing where all data have to be now: on the side that a
// move under way comes from until the other one says itself that it is
// authoritative, for the release may read that one already, and on the side the release reads at all other times and
// whenever the application is up.
func (w *world) lost(db *database) string {
	reads := w.readSide(db)
	if db.forked { // the external one was chosen
		reads = db.dst
	}
	has := reads
	if m := w.lastMove(); m.Open() && !db.forked {
		if p := m.part(db.engine); p != nil && !p.Fork {
			from, to := db.src, db.dst
			if p.To == spec.Internal {
				from, to = to, from
			}
			// A tool, or somebody, may start the application before the commit.
			wrote := reads == to && slices.ContainsFunc(db.acked, func(id int) bool { return to.rows[id] > 0 && from.rows[id] == 0 })
			if has = from; wrote || to.mark != nil && to.mark.State == "authoritative" && to.mark.Epoch == p.Epoch {
				has = to
			}
		}
	}
	if why := db.missing(has); why != "" {
		return why
	}
	if a := w.apps["Deployment/frontend"]; a.pods > 0 && !w.byHand && has != reads {
		return db.missing(reads)
	}
	return ""
}

func (db *database) missing(side *databaseServer) string {
	lost, doubled := 0, 0
	for _, id := range db.acked {
		switch n := side.rows[id]; {
		case n == 0:
			lost++
		case n > 1:
			doubled++
		}
	}
	foreign := -(len(db.acked) - lost)
	for id := range side.rows {
		if id > 0 { // what a person's application wrote too early may stay, or not
			foreign++
		}
	}
	if lost == 0 && doubled == 0 && foreign == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d rows lost, %d doubled, %d foreign", lost, len(db.acked), doubled, foreign)
}

// The check of all the others can fail: a row that is lost, one that is there
// twice, one that nobody wrote.
func TestMissingNamesEachKindOfWrong(t *testing.T) {
	for _, row := range []struct {
		rows map[int]int
		want string
	}{
		{map[int]int{1: 1, 2: 1, 3: 1}, ""},
		{map[int]int{1: 1, 2: 1}, "1 of 3 rows lost, 0 doubled, 0 foreign"},
		{nil, "3 of 3 rows lost, 0 doubled, 0 foreign"},
		{map[int]int{1: 1, 2: 2, 3: 1}, "0 of 3 rows lost, 1 doubled, 0 foreign"},
		{map[int]int{1: 1, 2: 1, 3: 1, 9: 1}, "0 of 3 rows lost, 0 doubled, 1 foreign"},
		{map[int]int{1: 1, 2: 1, 9: 1}, "1 of 3 rows lost, 0 doubled, 1 foreign"},
		{map[int]int{1: 1, 2: 1, 3: 1, -1: 1}, ""},
	} {
		db := &database{acked: []int{1, 2, 3}}
		if got := db.missing(&databaseServer{rows: row.rows}); got != row.want {
			t.Errorf("%v: %q, want %q", row.rows, got, row.want)
		}
	}
}

// moved checks that the move is over and complete.
func (w *world) moved(t *testing.T, s *spec.Spec, where string) {
	t.Helper()
	w.rest()
	w.truth(t, where)
	if got := w.replicas(); !maps.Equal(got, wantReplicas) {
		t.Errorf("%s: replicas are %v, want %v", where, got, wantReplicas)
	}
	for _, db := range w.databases() {
		inside := wantsInside(s, db.engine)
		if db.forked && len(db.src.aside) == 0 {
			t.Errorf("%s: what the internal %s took was not set aside", where, db.engine.Title())
		}
		if side := w.readSide(db); side.fence != "" {
			t.Errorf("%s: the side of %s that the release reads has fence %q", where, db.engine.Title(), side.fence)
		}
		if now := w.newest(); now.inside(db.engine) != inside || now.held || now.status != "deployed" || db.store != inside {
			t.Errorf("%s: release %+v, StatefulSet of %s there: %t", where, *now, db.engine.Title(), db.store)
		}
	}
	if got, want := len(w.newest().trust), map[bool]int{false: 0, true: 2}[w.private]; got != want {
		t.Errorf("%s: tls.certificates has %d entries, want %d", where, got, want)
	}
	o, plan, err := w.plan(s)
	if err != nil || len(plan.Steps) != 0 || len(plan.Findings) != 0 {
		t.Errorf("%s: the next plan has %v, findings %v, error %v", where, ids(plan.Steps), plan.Findings, err)
	}
	if items, err := Drift(s, o, time.Hour); err != nil || len(items) != 0 {
		t.Errorf("%s: drift %v, error %v", where, items, err)
	}
	m := o.Move.Value
	if m.Phase != MoveFinished || m.Deciding || !o.Applied.Is() {
		t.Errorf("%s: move %+v, applied %v", where, m, o.Applied.Known)
	}
	for _, p := range m.Parts {
		if l := o.store(p.Engine).Lineage; l.Value.Authoritative != p.To || (p.To == spec.Internal) != wantsInside(s, p.Engine) {
			t.Errorf("%s: lineage of %s %+v", where, p.Engine.Title(), l.Value)
		}
		db := w.of(p.Engine)
		from, to := db.src, db.dst
		if p.To == spec.Internal {
			from, to = to, from
		}
		if from.mark == nil || from.mark.State != "superseded" || from.mark.Epoch != p.Epoch || to.mark == nil || to.mark.State != "authoritative" || to.mark.Epoch != p.Epoch {
			t.Errorf("%s: the servers of %s say %+v and %+v", where, p.Engine.Title(), from.mark, to.mark)
		}
	}
	if open := o.Journal.Value.Cut(); len(open) > 1 {
		t.Logf("%s: %d entries were cut off", where, len(open))
	}
}

// home checks that the application is back where it was and can write.
func (w *world) home(t *testing.T, where string) {
	t.Helper()
	w.rest()
	w.truth(t, where)
	if got := w.replicas(); !maps.Equal(got, wantReplicas) {
		t.Errorf("%s: replicas are %v, want %v", where, got, wantReplicas)
	}
	for _, db := range w.databases() {
		side := db.src
		if !db.inside {
			side = db.dst
		}
		if w.private && len(w.newest().trust) != 1 {
			t.Errorf("%s: tls.certificates has %d entries after the way back, want the 1 of before", where, len(w.newest().trust))
		}
		if now := w.newest(); now.inside(db.engine) != db.inside || now.status != "deployed" || db.store != db.inside || side.fence != "" && !side.stood {
			t.Errorf("%s: release %+v, StatefulSet of %s there: %t, fence %q", where, *now, db.engine.Title(), db.store, side.fence)
		}
	}
}

// wantsInside tells whether a spec wants a datastore in the cluster, or says
// nothing of it.
func wantsInside(s *spec.Spec, e mover.Engine) bool {
	d := server.Declared(s, e)
	return d == nil || d.Location == spec.Internal
}

func ids(steps []engine.Step) []engine.StepID {
	var out []engine.StepID
	for _, s := range steps {
		out = append(out, s.ID)
	}
	return out
}

func kinds() []engine.ActionKind { return slices.Sorted(maps.Keys(actionsByKind)) }

func onDay(year int, month time.Month, d int) time.Time {
	return time.Date(year, month, d, 0, 0, 0, 0, time.UTC)
}
