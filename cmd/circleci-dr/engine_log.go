package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// progressEvery is how often a phase that goes on is written to the log: it is
// kept by the node, which turns long logs over.
const progressEvery = time.Second

// engineLog tells an apply as numbered lines of JSON.
type engineLog struct {
	out  *lines
	mu   sync.Mutex
	said map[engine.StepID]said // several steps may run side by side
}

// said is what was last told of a step's progress.
type said struct {
	phase string
	at    time.Time
}

var _ engine.Events = (*engineLog)(nil)

func newEngineLog(w io.Writer) *engineLog {
	return &engineLog{out: &lines{enc: json.NewEncoder(w)}, said: map[engine.StepID]said{}}
}

func (l *engineLog) write(e engine.HostedEvent) { l.out.write(e.Line()) }

// Plan tells what this pod is going to do.
func (l *engineLog) Plan(p engine.Plan) {
	e := engine.HostedEvent{Kind: engine.HostedPlans}
	for _, s := range p.Steps {
		e.Steps = append(e.Steps, engine.HostedStep{ID: s.ID, Title: s.Title})
	}
	l.write(e)
}

// StepBegins tells that a step begins.
func (l *engineLog) StepBegins(s engine.Step) {
	l.mu.Lock()
	delete(l.said, s.ID)
	l.mu.Unlock()
	l.write(engine.HostedEvent{Kind: engine.HostedBegins, Step: s.ID, Title: s.Title})
}

// StepSkipped tells that there was nothing to do, and why.
func (l *engineLog) StepSkipped(s engine.Step, why string) {
	l.write(engine.HostedEvent{Kind: engine.HostedSkips, Step: s.ID, Title: s.Title, Text: why})
}

// StepProgress tells how far a step is, once a second and when its phase
// changes.
func (l *engineLog) StepProgress(s engine.Step, e mover.Event) {
	l.mu.Lock()
	now := time.Now()
	last := l.said[s.ID]
	skip := e.Phase == last.phase && now.Sub(last.at) < progressEvery
	if !skip {
		l.said[s.ID] = said{e.Phase, now}
	}
	l.mu.Unlock()
	if !skip {
		l.write(engine.HostedEvent{Kind: engine.HostedProgress, Step: s.ID, Title: s.Title, Progress: &e})
	}
}

// StepEnds tells how long a step took, or why it failed.
func (l *engineLog) StepEnds(s engine.Step, d time.Duration, err error) {
	e := engine.HostedEvent{Kind: engine.HostedEnds, Step: s.ID, Title: s.Title, Duration: d}
	if err != nil {
		e.Failed, e.Text = true, err.Error()
	}
	l.write(e)
}

// Service tells whether the application is up.
func (l *engineLog) Service(s engine.Service) {
	l.write(engine.HostedEvent{Kind: engine.HostedService, Service: &s})
}

// Note tells a sentence.
func (l *engineLog) Note(text string) {
	l.write(engine.HostedEvent{Kind: engine.HostedNotes, Text: text})
}

// outcome is the last line.
func (l *engineLog) outcome(out engine.HostedOutcome) error {
	raw, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("write the outcome: %w", err)
	}
	l.out.write(mover.Event{Phase: "done", Result: raw})
	return l.out.err
}
