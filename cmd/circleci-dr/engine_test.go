package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

const engineSpec = `apiVersion: circleci-dr/v1
name: ci
server: {namespace: ci, release: server, chart: ./chart}
datastores:
  postgresql:
    location: external
    external: {host: pg.example.com, username: circleci, password: {env: PG_PASSWORD}}
`

func loaded(t *testing.T) *spec.Spec {
	t.Helper()
	s, err := spec.Parse("circleci-dr.yaml", []byte(engineSpec))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func engineSteps() []engine.Step {
	return []engine.Step{
		{ID: "quiesce/application", Action: reconcile.ActQuiesce, Title: "Stop", Risk: engine.Outage, Accept: "outage"},
		{ID: "copy/postgresql", Action: reconcile.ActCopy, Title: "Copy", Risk: engine.Outage, Accept: "outage"},
	}
}

// heard writes down what it is told.
type heard struct{ said []string }

func (h *heard) say(format string, args ...any) {
	h.said = append(h.said, fmt.Sprintf(format, args...))
}
func (h *heard) StepBegins(s engine.Step) { h.say("begins %s %s", s.ID, s.Title) }
func (h *heard) StepSkipped(s engine.Step, why string) {
	h.say("skips %s %s: %s", s.ID, s.Title, why)
}
func (h *heard) StepProgress(s engine.Step, e mover.Event) {
	h.say("progress %s %s %d", s.ID, e.Phase, e.Bytes)
}
func (h *heard) StepEnds(s engine.Step, d time.Duration, err error) {
	h.say("ends %s %s %v", s.ID, d, err)
}
func (h *heard) Service(s engine.Service) { h.say("up %v since %s", s.Up, s.Since) }
func (h *heard) Note(text string)         { h.say("note %s", text) }

// What an engine writes is what a follower is told, in the same order.
func TestAnEnginesLogIsHeardByItsFollower(t *testing.T) {
	var log bytes.Buffer
	l := newEngineLog(&log)
	steps := engineSteps()
	tell := func(e engine.Events) {
		e.Note("waiting")
		e.StepSkipped(steps[0], "it is stopped")
		e.Service(engine.Service{Since: time.Unix(1e9, 0).UTC()})
		e.StepBegins(steps[1])
		e.StepProgress(steps[1], mover.Event{Phase: "copying", Bytes: 7})
		e.StepEnds(steps[1], time.Minute, errors.New("no"))
		e.StepEnds(steps[1], time.Minute, nil)
	}
	direct, followed, plans := &heard{}, &heard{}, [][]engine.Step{}
	tell(direct)
	l.Plan(engine.Plan{Steps: steps})
	tell(l)
	if err := l.outcome(engine.HostedOutcome{Exit: 1}); err != nil {
		t.Fatal(err)
	}
	follower := &teller{draw: func(list ...engine.Step) (engine.Events, func()) {
		plans = append(plans, list)
		return followed, func() {}
	}}
	var last mover.Event
	for i, line := range strings.Split(strings.TrimSpace(log.String()), "\n") {
		last = mover.Event{}
		if err := json.Unmarshal([]byte(line), &last); err != nil || last.Seq != int64(i+1) {
			t.Fatalf("line %d is %s (%v)", i+1, line, err)
		}
		follower.tell(last)
	}
	if !slices.Equal(direct.said, followed.said) {
		t.Errorf("the engine said\n%q\nthe follower heard\n%q", direct.said, followed.said)
	}
	if len(plans) != 1 || len(plans[0]) != 2 || plans[0][1].ID != steps[1].ID || plans[0][1].Title != "Copy" {
		t.Errorf("drawn for %v", plans)
	}
	if string(last.Result) == "" {
		t.Error("the last line has no outcome")
	}
}

func TestAFollowerThatComesLateDrawsWithoutAPlan(t *testing.T) {
	followed := &heard{}
	follower := &teller{draw: func(...engine.Step) (engine.Events, func()) { return followed, func() {} }}
	follower.tell(mover.Event{Phase: "somebody else's"})
	follower.tell(engine.HostedEvent{Kind: engine.HostedNotes, Text: "hello"}.Line())
	if !slices.Equal(followed.said, []string{"note hello"}) {
		t.Errorf("heard %q", followed.said)
	}
}

// An engine's failure has its exit code, its hint and its differences.
func TestAnEnginesFailureIsShownAsIfItWereHere(t *testing.T) {
	here := &hint{&reconcile.DifferentError{Proof: mover.Proof{Differences: []mover.Difference{{Kind: "table", Object: "public.builds", What: "value differs"}}}}, "look who writes"}
	e := &hosted{}
	out := e.ended(t.Context(), engine.Report{Plan: "p", Application: engine.Application{State: engine.AppBack}}, here)
	data, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	var back engine.HostedOutcome
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	there := &engineError{back}
	var direct, followed bytes.Buffer
	if err := errors.Join(render.ReportText(&direct, out.Report, here, render.Options{}), render.ReportText(&followed, back.Report, there, render.Options{})); err != nil {
		t.Fatal(err)
	}
	if direct.String() != followed.String() || here.Error() != there.Error() || nextStep(here) != nextStep(there) || codeOf(t.Context(), here) != codeOf(t.Context(), there) {
		t.Errorf("here %q %q\nthere %q %q", direct.String(), nextStep(here), followed.String(), nextStep(there))
	}
	for _, code := range []int{codeUnreadable, codeStale, codeHeld, codeBlocked} {
		if got := codeOf(t.Context(), &engineError{engine.HostedOutcome{Exit: code}}); got != code {
			t.Errorf("an engine that ended with %d gives %d", code, got)
		}
	}
}

func writeWork(t *testing.T, change func(*work, *engine.Plan)) string {
	t.Helper()
	plan := engine.Plan{Format: engine.PlanFormat, ID: "8bcee46f15", Name: "ci", MadeAt: time.Unix(1000, 0).UTC(), Steps: engineSteps()}
	for i := range plan.Steps {
		plan.Steps[i].Reason = "because"
	}
	plan.Binding = engine.Binding{SpecDigest: loaded(t).Digest(), ClusterUID: "uid", Release: "ci/server", Revision: 3, Chart: "c-1", Tool: toolVersion()}
	w := work{Format: workFormat, By: "me@here/1", Accepted: plan.Dangers(), Tool: toolVersion()}
	if change != nil {
		change(&w, &plan)
	}
	files, err := workFiles(loaded(t), plan, w)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestWorkIsReadAsItWasSubmitted(t *testing.T) {
	h, err := readWork(writeWork(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if h.spec.Digest() != loaded(t).Digest() || h.plan.ID != "8bcee46f15" || h.By != "me@here/1" || !slices.Equal(actionsOf(h.plan), []engine.ActionKind{reconcile.ActQuiesce, reconcile.ActCopy}) {
		t.Errorf("read %+v", h)
	}
	for want, change := range map[string]func(*work, *engine.Plan){
		`the plan has the danger "outage", which --accept does not name`: func(w *work, _ *engine.Plan) { w.Accepted = nil },
		"set mover.image to the image of the same version":               func(w *work, _ *engine.Plan) { w.Tool = "0.0.1" },
		`its format is "other"`:                                          func(w *work, _ *engine.Plan) { w.Format = "other" },
	} {
		if _, err := readWork(writeWork(t, change)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %s, got %v", want, err)
		}
	}
	if _, err := readWork(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without work: %v", err)
	}
}

func actionsOf(p engine.Plan) []engine.ActionKind {
	var out []engine.ActionKind
	for _, s := range p.Steps {
		out = append(out, s.Action)
	}
	return out
}

func TestChartIsPutTogetherInOrder(t *testing.T) {
	dir := t.TempDir()
	want := ""
	for i := range 12 {
		part := strings.Repeat(string(rune('a'+i)), i+1)
		want += part
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d", i)), []byte(part), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path, err := chartFrom(dir, len(want), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := chartFrom(dir, len(want)+1, t.TempDir()); err == nil || err.Error() != "put the chart together: 78 of its 79 bytes are there" {
		t.Errorf("with a part missing: %v", err)
	}
	if path, err := chartFrom(dir, 0, t.TempDir()); path != "" || err != nil {
		t.Errorf("without a chart: %s, %v", path, err)
	}
}

// What a pod does with the plan it makes: a stopped application is never left
// because the plan no longer fits.
func TestAnEngineBringsBackWhatCannotGoOn(t *testing.T) {
	s := loaded(t)
	steps := engineSteps()
	accepted := engine.Plan{ID: "a", Steps: steps, Binding: engine.Binding{SpecDigest: s.Digest(), Revision: 3}}
	finding := []engine.Finding{{ID: "access-denied", Blocks: true, What: "no"}}
	opened := func(phase reconcile.MovePhase) reconcile.Observation {
		var o reconcile.Observation
		o.Move = engine.Found(reconcile.Move{ID: "postgresql-e1", Phase: phase})
		return o
	}
	resumed := accepted
	resumed.Resumes, resumed.Binding.Revision = "postgresql-e1", 4
	with := func(p engine.Plan, change func(*engine.Plan)) engine.Plan { change(&p); return p }
	returning := with(resumed, func(p *engine.Plan) {
		p.Steps = append([]engine.Step{{ID: "go-back/postgresql", Action: reconcile.ActGoBack}}, steps...)
	})
	for _, tc := range []struct {
		name  string
		now   engine.Plan
		seen  reconcile.Observation
		began bool
		steps []engine.ActionKind
		back  string
		err   string
	}{
		{"it fits", accepted, reconcile.Observation{}, false, actionsOf(accepted), "", ""},
		{"it goes on", resumed, opened(reconcile.MoveOpen), true, actionsOf(accepted), "", ""},
		{"all was done when the pod died", with(accepted, func(p *engine.Plan) { p.Steps, p.Binding.Revision = nil, 9 }), opened(reconcile.MoveFinished), true, nil, "", ""},
		{"stale before it began", with(accepted, func(p *engine.Plan) { p.Binding.Revision = 4 }), reconcile.Observation{}, false, nil, "", "the plan is stale"},
		{"blocked before it began", with(accepted, func(p *engine.Plan) { p.Findings = finding }), reconcile.Observation{}, false, nil, "", "blocked by preflight"},
		{"blocked with the move open", with(resumed, func(p *engine.Plan) { p.Findings = finding }), opened(reconcile.MoveOpen), true, []engine.ActionKind{reconcile.ActGoBack}, "blocked by preflight", ""},
		{"blocked after the commit", with(resumed, func(p *engine.Plan) { p.Findings = finding }), opened(reconcile.MoveCommitted), true, nil, "", "blocked by preflight"},
		{"cut off on the way back", returning, opened(reconcile.MoveReturning), true, []engine.ActionKind{reconcile.ActGoBack}, "cut off on its way back", ""},
		{"a danger that nobody accepted", with(accepted, func(p *engine.Plan) {
			p.Steps = append([]engine.Step{}, steps...)
			p.Steps[0].Accept = reconcile.AcceptSuspended
		}), reconcile.Observation{}, false, nil, "", `the plan has the danger "reconciliation-suspended"`},
		{"submitted with a way back", returning, opened(reconcile.MoveReturning), false, actionsOf(returning), "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := &hosted{work: handed{work: work{Accepted: accepted.Dangers()}, plan: accepted}, ses: &session{spec: s}}
			plan, back, err := e.fit(tc.now, tc.seen, tc.began)
			if err == nil && !slices.Equal(actionsOf(plan), tc.steps) {
				t.Errorf("it does %v", actionsOf(plan))
			}
			for _, got := range []struct {
				err  error
				want string
			}{{back, tc.back}, {err, tc.err}} {
				if got.want == "" && got.err != nil || got.want != "" && (got.err == nil || !strings.Contains(got.err.Error(), got.want)) {
					t.Errorf("got %v, want %q", got.err, got.want)
				}
			}
		})
	}
}

func TestAPodThatIsToldToEndBringsNothingBack(t *testing.T) {
	ctx, interrupt := context.WithCancelCause(t.Context())
	work, stop := handOver(ctx)
	defer stop()
	interrupt(errInterrupted)
	<-work.Done()
	if cause := context.Cause(work); !errors.Is(cause, engine.ErrLeaseLost) || errors.Is(cause, errInterrupted) {
		t.Errorf("the work ends with %v", cause)
	}
}
