package reconcile

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// An engine that restarts must not begin again what was taken back, by itself
// or by somebody else; what it found taken back already is no reason to stop.
func TestWentBackSince(t *testing.T) {
	w, s := newWorld(), externalSpec()
	o, _, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	fresh := AttemptOf(o)
	if _, back := WentBackSince(fresh, o); back || fresh != "" {
		t.Errorf("before any move: attempt %q, went back %t", fresh, back)
	}
	goBackOnce := func() Observation {
		broken := actionsByKind[ActCopy]
		defer func() { actionsByKind[ActCopy] = broken }()
		actionsByKind[ActCopy] = action{broken.look, applyNothing}
		if a := w.process(t.Context(), s); !a.rep.Left(engine.AppBack) {
			t.Fatalf("report %+v, error %v", a.rep, a.err)
		}
		o, _, err := w.plan(s)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	first := goBackOnce()
	if why, back := WentBackSince(fresh, first); !back || why == "" {
		t.Error("the first attempt went back and nobody noticed")
	}
	if _, back := WentBackSince(AttemptOf(first), first); back {
		t.Error("what went back before counts as if it did now")
	}
	if _, back := WentBackSince(AttemptOf(first), goBackOnce()); !back {
		t.Error("the second attempt went back and nobody noticed")
	}
}

// The way back alone works wherever the move was cut off before its commit,
// and is not offered after it.
func TestBackPlanBringsBackWhatIsNotCommitted(t *testing.T) {
	s := externalSpec()
	for point, want := range map[string]bool{
		"record-replicas:end": true, "quiesce:after-effect": true, "copying": true, "switch-release:end": true, "commit-lineage:before-effect": true,
		"commit-lineage:end": false, "remove-internal:end": false,
	} {
		w := newWorld()
		hit := w.killAt(point)
		if a := w.process(t.Context(), s); !a.dead || !*hit {
			t.Fatalf("not killed at %s: %v", point, a.err)
		}
		w.calm()
		o, _, err := w.plan(s)
		if err != nil {
			t.Fatal(err)
		}
		plan, ok := BackPlan(s, o, "because")
		if ok != want {
			t.Errorf("%s: offered %t", point, ok)
		}
		if !ok {
			continue
		}
		if got := actions(plan.Steps); !slices.Equal(got, []engine.ActionKind{ActGoBack}) || !Returns(plan) {
			t.Errorf("%s: the plan is %v", point, got)
		}
		if open, err := Unfinished(t.Context(), records{w}); !open || err != nil {
			t.Errorf("%s: unfinished %t, %v", point, open, err)
		}
		rep, err := w.applyWithin(&timer{past: true}, s, o, plan)
		if err != nil || rep.Left(engine.AppStopped) {
			t.Errorf("%s: report %+v, error %v", point, rep, err)
		}
		w.home(t, point)
		if open, err := Unfinished(t.Context(), records{w}); open || err != nil {
			t.Errorf("%s: afterwards unfinished %t, %v", point, open, err)
		}
	}
	w := newWorld()
	if o, _, err := w.plan(s); err != nil {
		t.Fatal(err)
	} else if _, ok := BackPlan(s, o, "because"); ok {
		t.Error("a way back is offered where nothing was begun")
	}
}

func TestStatusNamesTheEngine(t *testing.T) {
	at := time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)
	run := engine.HostedRun{Job: "circleci-dr-engine-p1", UID: "u", Plan: "p1", By: "me@here/1", Since: at, Deadline: at.Add(time.Hour)}
	with := func(change func(*engine.HostedRun)) engine.Observed[engine.HostedRun] {
		r := run
		change(&r)
		return engine.Found(r)
	}
	ended := func(exit int, text string) engine.Observed[engine.HostedRecord] {
		return engine.Found(engine.HostedRecord{Plan: "p1", Begun: at, Outcome: &engine.HostedOutcome{At: at, Exit: exit, Error: text}})
	}
	none := engine.NotThere[engine.HostedRecord]()
	follow, apply := "circleci-dr status --follow --file f.yaml", "circleci-dr apply --file f.yaml"
	const working = "at work in the cluster since 2026-11-22 02:00:00 UTC on plan p1 for me@here/1, Job circleci-dr-engine-p1; what is not committed by 2026-11-22 03:00:00 UTC goes back"
	for _, tc := range []struct {
		name   string
		engine engine.Observed[engine.HostedRun]
		record engine.Observed[engine.HostedRecord]
		want   []StatusLine
		move   string
	}{
		{"never one", engine.NotThere[engine.HostedRun](), none, nil, apply},
		{"at work", engine.Found(run), none, []StatusLine{{Topic: "engine", Text: working, Command: follow}}, follow},
		{"at work after deaths", with(func(r *engine.HostedRun) { r.Failed = 2 }), none, []StatusLine{{Topic: "engine", Text: working + "; 2 pods of it died and were replaced", Command: follow}}, follow},
		{"gave up", with(func(r *engine.HostedRun) { r.Over, r.GaveUp, r.Failed = true, true, 30 }), none,
			[]StatusLine{{Topic: "engine", Alarm: true, Text: "gave up after 30 pods died: Job circleci-dr-engine-p1, plan p1, submitted by me@here/1", Command: apply}}, apply},
		{"over", with(func(r *engine.HostedRun) { r.Over = true }), ended(0, ""), []StatusLine{{Topic: "engine", Text: "the last one ended 2026-11-22 02:00:00 UTC, plan p1 is applied"}}, apply},
		{"failed", engine.NotThere[engine.HostedRun](), ended(7, "blocked"), []StatusLine{{Topic: "engine", Text: "the last one ended 2026-11-22 02:00:00 UTC with exit 7: blocked"}}, apply},
		{"no outcome", engine.NotThere[engine.HostedRun](), engine.Found(engine.HostedRecord{Begun: at}), []StatusLine{{Topic: "engine", Text: "the last one began 2026-11-22 02:00:00 UTC and left no outcome"}}, apply},
		{"unread", engine.CouldNot[engine.HostedRun](errors.New("no")), none, []StatusLine{{Topic: "engine", Alarm: true, Text: "whether one is at work in the cluster could not be read: no"}}, apply},
		{"over, record unread", with(func(r *engine.HostedRun) { r.Over = true }), engine.CouldNot[engine.HostedRecord](errors.New("no")), []StatusLine{{Topic: "engine", Text: "the last one's record could not be read: no"}}, apply},
	} {
		t.Run(tc.name, func(t *testing.T) {
			lines := []StatusLine{{Topic: "move", Command: apply}}
			got := StatusWithEngine(lines, tc.engine, tc.record, "f.yaml")
			if want := append([]StatusLine{{Topic: "move", Command: tc.move}}, tc.want...); !reflect.DeepEqual(got, want) {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

func applyNothing(context.Context, *run, engine.Step) error { return errInjected }
