package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// cutAt leaves a move that was killed at a named point.
func cutAt(t *testing.T, point string) (*world, *spec.Spec) {
	t.Helper()
	w, s := newWorld(), externalSpec()
	hit := w.killAt(point)
	if a := w.process(t.Context(), s); !*hit {
		t.Fatalf("was not killed at %s: %v", point, a.err)
	}
	w.calm()
	return w, s
}

func blocks(p engine.Plan) []string {
	var out []string
	for _, f := range p.Blocked() {
		out = append(out, f.ID)
	}
	return out
}

func TestAMoveTheSpecNoLongerWantsGoesBack(t *testing.T) {
	elsewhere := externalSpec()
	elsewhere.Datastores.PostgreSQL.External.Host = "other.example.com"
	without := externalSpec()
	without.Datastores.PostgreSQL = nil
	for name, s := range map[string]*spec.Spec{"internal": internalSpec(), "another target": elsewhere, "no block": without} {
		for _, point := range []string{"quiesce:end", "copying", "prove:end", "switch-release:end", "commit-lineage:before-effect"} {
			t.Run(name+" after "+point, func(t *testing.T) {
				w, _ := cutAt(t, point)
				a := w.process(t.Context(), s)
				if a.err != nil || !slices.Equal(actions(a.plan.Steps), []engine.ActionKind{ActGoBack}) {
					t.Fatalf("steps %v, error %v", actions(a.plan.Steps), a.err)
				}
				w.home(t, point)
			})
		}
	}
}

func TestACommittedMoveCannotBeUnwished(t *testing.T) {
	w, s := cutAt(t, "commit-lineage:end")
	_, plan, err := w.plan(internalSpec())
	if err != nil || len(plan.Steps) != 0 || !slices.Equal(blocks(plan), []string{"move-committed"}) {
		t.Errorf("steps %v, blocked by %v, error %v", actions(plan.Steps), blocks(plan), err)
	}
	w.converge(t, s)
	w.moved(t, s, "wished again")
}

// Somebody pointed the release at the old database after the commit.
func TestAReleaseTakenBackByHandAfterTheCommitStops(t *testing.T) {
	for _, point := range []string{"commit-lineage:end", "resume-service:end", "settle-release:end"} {
		w, s := cutAt(t, point)
		if err := (releases{w}).Rollback(t.Context(), 5, true); err != nil {
			t.Fatal(err)
		}
		w.newest().description = "Rollback to 5"
		a := w.process(t.Context(), s)
		var blocked *engine.BlockedError
		if !errors.As(a.err, &blocked) || len(a.plan.Steps) != 0 || !slices.Equal(blocks(a.plan), []string{"two-truths"}) {
			t.Errorf("%s: steps %v, blocked by %v, error %v", point, actions(a.plan.Steps), blocks(a.plan), a.err)
		}
		if !w.store || w.src.mark.State != "superseded" {
			t.Errorf("%s: something was changed", point)
		}
	}
}

func TestAfterTheMoveAReleaseTakenBackByHandStops(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.converge(t, s)
	w.newest().internal, w.store = true, true
	o, plan, err := w.plan(s)
	if err != nil || len(plan.Steps) != 0 || !slices.Equal(blocks(plan), []string{"two-truths"}) {
		t.Errorf("steps %v, blocked by %v, error %v", actions(plan.Steps), blocks(plan), err)
	}
	items, err := Drift(s, o, 1<<62)
	if err != nil || len(items) == 0 || items[0].To != "internal" {
		t.Errorf("drift %v, error %v", items, err)
	}
}

// Old values brought the internal database back: as long as the fence stands
// nothing is forked, and once somebody lifted it, something is.
func TestForkedIsToldFromPointedBack(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.converge(t, s)
	w.newest().internal, w.store = true, true
	for _, a := range w.apps {
		a.hosts[mover.PostgreSQL] = internalHost
	}
	says := func(what string) {
		t.Helper()
		w.rest()
		_, plan, err := w.plan(s)
		if err != nil || len(plan.Steps) != 0 || len(plan.Blocked()) != 1 || !strings.Contains(plan.Blocked()[0].What, what) {
			t.Errorf("want %q: steps %v, blocked %+v, error %v", what, actions(plan.Steps), plan.Blocked(), err)
		}
	}
	says("nothing is forked: the internal PostgreSQL took no write since (no row)")
	w.src.fence = ""
	says("FORKED: the internal PostgreSQL was written to since (")
}

func TestAWorkloadThatTurnsUpWhileStoppingComesBack(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.at = func(p string) {
		if p == "quiesce:before-effect" {
			w.apps["Deployment/late"] = &app{kind: "Deployment", name: "late", replicas: 2, pods: 2, ready: 2, chart: count(2), manifest: count(2), hosts: reads(internalHost), home: reads(internalHost)}
		}
	}
	broken := actionsByKind[ActFence]
	actionsByKind[ActFence] = action{broken.look, func(context.Context, *run, engine.Step) error { return errInjected }}
	a := w.process(t.Context(), s)
	actionsByKind[ActFence] = broken
	if !a.rep.Left(engine.AppBack) {
		t.Fatalf("report %+v, error %v", a.rep, a.err)
	}
	w.rest()
	want := maps.Clone(wantReplicas)
	want["Deployment/late"] = 2
	if got := w.replicas(); !maps.Equal(got, want) {
		t.Errorf("replicas are %v, want %v", got, want)
	}
}

// A move was opened and nothing stopped; somebody scales before it goes on.
func TestCountsOfAMoveThatStoppedNothingAreTakenAgain(t *testing.T) {
	for _, point := range []string{"record-replicas:end", "quiesce:begin"} {
		w, s := cutAt(t, point)
		w.apps["StatefulSet/scheduler"].replicas = 2
		w.converge(t, s)
		if got := w.apps["StatefulSet/scheduler"].replicas; got != 2 {
			t.Errorf("%s: the scheduler came back with %d replicas, want 2", point, got)
		}
	}
}

func TestADeletedStatefulSetComesBackWithTheWayBack(t *testing.T) {
	w, _ := cutAt(t, "prove:end")
	w.store = false
	a := w.process(t.Context(), internalSpec())
	if a.err != nil {
		t.Fatal(a.err)
	}
	w.home(t, "deleted")
}

func TestAGarbledJournalStopsNothing(t *testing.T) {
	w, s := cutAt(t, "copying")
	rec := w.records[engine.RecordJournal]
	w.records[engine.RecordJournal] = engine.Record{Data: json.RawMessage(`{"entries":`), Version: rec.Version}
	w.converge(t, s)
	w.moved(t, s, "garbled journal")
}

func TestAGarbledMoveIsUnknownAndStopsEverything(t *testing.T) {
	w, s := cutAt(t, "copying")
	rec := w.records[RecordMove]
	w.records[RecordMove] = engine.Record{Data: json.RawMessage(`{"phase":`), Version: rec.Version}
	before := len(w.calls)
	_, _, err := w.plan(s)
	var unread *UnreadableError
	if !errors.As(err, &unread) || len(unread.What) != 1 || !strings.HasPrefix(unread.What[0], "move record: ") {
		t.Errorf("error %v", err)
	}
	for _, call := range w.calls[before:] {
		if slices.Contains([]string{"Scale", "Upgrade", "Rollback", "Remove", "Protect", "Copy", "Record", "Forget"}, call) {
			t.Errorf("a plan that cannot be made called %s", call)
		}
	}
}

// A record that somebody else wrote means that somebody else is at work.
func TestAConflictBringsNothingBack(t *testing.T) {
	w, s := newWorld(), externalSpec()
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	w.at = func(p string) {
		if p == "fence-source:after-effect" {
			rec := w.records[engine.RecordJournal]
			w.records[engine.RecordJournal] = engine.Record{Data: rec.Data, Version: "another run"}
		}
	}
	rep, err, _ := w.apply(t.Context(), s, o, plan)
	if !errors.Is(err, engine.ErrConflict) || rep.Left(engine.AppBack) || !rep.Left(engine.AppStopped) || w.src.fence == "" {
		t.Errorf("report %+v, fence %q, error %v", rep, w.src.fence, err)
	}
	w.converge(t, s)
	w.moved(t, s, "conflict")
}

func TestAnAcceptedPlanCoversItsOwnResume(t *testing.T) {
	eachFlow(t, func(t *testing.T, f flow) {
		for _, point := range f.points() {
			if strings.HasPrefix(point.name, string(ActGoBack)) {
				continue
			}
			w, s := f.begin(t), f.spec()
			o, accepted, err := w.plan(s)
			if err != nil {
				t.Fatal(err)
			}
			w.killAtNth(point)
			if _, _, dead := w.apply(context.Background(), s, o, accepted); !dead {
				t.Fatalf("was not killed at %v", point)
			}
			w.calm()
			_, now, err := w.plan(s)
			if err != nil {
				t.Fatal(err)
			}
			if now.Resumes == "" {
				continue // nothing was opened yet
			}
			if err := CheckPlan(accepted, now); err != nil {
				t.Errorf("killed at %v: %v", point, err)
			}
		}
	})
}

func TestAPlanGoesStaleWithItsFacts(t *testing.T) {
	w, s := newWorld(), externalSpec()
	_, accepted, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckPlan(accepted, accepted); err != nil {
		t.Errorf("the same plan: %v", err)
	}
	w.newest().number++
	_, now, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	var stale *engine.StaleError
	want := []engine.Change{{Field: "release revision", From: "5", To: "6"}}
	if err := CheckPlan(accepted, now); !errors.As(err, &stale) || !slices.Equal(stale.Changes, want) {
		t.Errorf("error %v", err)
	}
	more := accepted
	more.Steps = accepted.Steps[1:]
	if err := CheckPlan(more, accepted); !errors.As(err, &stale) || stale.Changes[0].Field != "steps" {
		t.Errorf("a plan that does more than was shown: %v", err)
	}
}

// The switched release may have workloads more, or fewer, than before.
func TestWorkloadsThatComeAndGoWithTheReleaseAreNoObstacle(t *testing.T) {
	w, s := cutAt(t, "switch-release:end")
	w.apps["Deployment/pgbouncer"] = &app{kind: "Deployment", name: "pgbouncer", chart: count(1), manifest: count(0), hosts: reads(externalHost), home: reads(externalHost)}
	delete(w.apps, "Deployment/api")
	for _, a := range w.apps {
		a.recorded = nil // a forced upgrade loses annotations
	}
	a := w.process(t.Context(), s)
	if a.err != nil {
		t.Fatal(a.err)
	}
	w.rest()
	w.truth(t, "come and gone")
	want := map[string]int{"Deployment/pgbouncer": 1, "Deployment/frontend": 3, "Deployment/web": 4, "StatefulSet/scheduler": 1, "Deployment/unused": 0, "CronJob/report": 1}
	if got := w.replicas(); !maps.Equal(got, want) {
		t.Errorf("replicas are %v, want %v", got, want)
	}
}

// A Secret that went missing after the move is a plan of one step.
func TestALostSecretIsOneStep(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.converge(t, s)
	w.creds = false
	a := w.process(t.Context(), s)
	if a.err != nil || !slices.Equal(actions(a.plan.Steps), []engine.ActionKind{ActCredentials}) || a.rep.Downtime != 0 {
		t.Errorf("steps %v, report %+v, error %v", actions(a.plan.Steps), a.rep, a.err)
	}
	w.moved(t, s, "Secret written again")
}

// Everything was at zero before, and nobody of ours stopped it: it stays.
func TestAnApplicationAtZeroBeforeStaysThere(t *testing.T) {
	w, s := newWorld(), externalSpec()
	for _, a := range w.apps {
		a.replicas = 0
	}
	w.rest()
	a := w.process(t.Context(), s)
	if a.err != nil || len(a.plan.Findings) != 1 || a.plan.Findings[0].ID != "workload-at-zero" {
		t.Fatalf("findings %v, error %v", a.plan.Findings, a.err)
	}
	w.rest()
	w.truth(t, "at zero")
	for key, n := range w.replicas() {
		if n != 0 {
			t.Errorf("%s was started with %d replicas", key, n)
		}
	}
}

// The same the other way round: the values of the time outside came back.
func TestAfterTheWayBackAReleasePointedOutByHandStops(t *testing.T) {
	for _, s := range []*spec.Spec{backSpec(), externalSpec()} {
		w := newWorld()
		w.converge(t, externalSpec())
		w.converge(t, backSpec())
		w.newest().internal, w.newest().secret = false, server.CredentialsName(mover.PostgreSQL)
		o, plan, err := w.plan(s)
		if err != nil || len(plan.Steps) != 0 || !slices.Equal(blocks(plan), []string{"two-truths"}) {
			t.Errorf("wanted %s: steps %v, blocked by %v, error %v", s.Datastores.PostgreSQL.Location, actions(plan.Steps), blocks(plan), err)
			continue
		}
		const what = "the release reads pg.example.com:5432 again although the internal PostgreSQL is authoritative since "
		items, err := Drift(s, o, 1<<62)
		if err != nil || len(items) == 0 || items[0].From != "internal" || !strings.HasPrefix(items[0].What, what) || !strings.HasPrefix(plan.Findings[0].What, what) {
			t.Errorf("wanted %s: drift %v, error %v, finding %s", s.Datastores.PostgreSQL.Location, items, err, plan.Findings[0].What)
		}
	}
}

// … and before the way back was over.
func TestAReleasePointedOutByHandAfterTheCommitStops(t *testing.T) {
	w := newWorld()
	w.converge(t, externalSpec())
	before := w.newest().number
	w.killAt("commit-lineage:end")
	if a := w.process(t.Context(), backSpec()); !a.dead {
		t.Fatal(a.err)
	}
	w.calm()
	if err := (releases{w}).Rollback(t.Context(), before, true); err != nil {
		t.Fatal(err)
	}
	w.newest().description = "Rollback"
	_, plan, err := w.plan(backSpec())
	if err != nil || len(plan.Steps) != 0 || !slices.Equal(blocks(plan), []string{"two-truths"}) {
		t.Errorf("steps %v, blocked by %v, error %v", actions(plan.Steps), blocks(plan), err)
	}
}
