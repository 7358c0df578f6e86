package main

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// progressEvery is how often a phase that goes on is written to the log: it is
// kept by the node, which turns long logs over.
const progressEvery = time.Second

// engineLog tells an apply as numbered lines of JSON.
type engineLog struct {
	out  *lines
	mu   sync.Mutex
	said map[reconcile.StepID]said // several steps may run side by side
}

// said is what was last told of a step's progress.
type said struct {
	phase string
	at    time.Time
}

var _ reconcile.Events = (*engineLog)(nil)

func newEngineLog(w io.Writer) *engineLog {
	return &engineLog{out: &lines{enc: json.NewEncoder(w)}, said: map[reconcile.StepID]said{}}
}

func (l *engineLog) write(e reconcile.EngineEvent) { l.out.write(e.Line()) }

// Plan tells what this pod is going to do.
func (l *engineLog) Plan(p reconcile.Plan) {
	e := reconcile.EngineEvent{Kind: reconcile.EnginePlans}
	for _, s := range p.Steps {
		e.Steps = append(e.Steps, reconcile.EngineStep{ID: s.ID, Title: s.Title})
	}
	l.write(e)
}

// StepBegins tells that a step begins.
func (l *engineLog) StepBegins(s reconcile.Step) {
	l.mu.Lock()
	delete(l.said, s.ID)
	l.mu.Unlock()
	l.write(reconcile.EngineEvent{Kind: reconcile.EngineBegins, Step: s.ID, Title: s.Title})
}

// StepSkipped tells that there was nothing to do, and why.
func (l *engineLog) StepSkipped(s reconcile.Step, why string) {
	l.write(reconcile.EngineEvent{Kind: reconcile.EngineSkips, Step: s.ID, Title: s.Title, Text: why})
}

// StepProgress tells how far a step is, once a second and when its phase
// changes.
func (l *engineLog) StepProgress(s reconcile.Step, e mover.Event) {
	l.mu.Lock()
	now := time.Now()
	last := l.said[s.ID]
	skip := e.Phase == last.phase && now.Sub(last.at) < progressEvery
	if !skip {
		l.said[s.ID] = said{e.Phase, now}
	}
	l.mu.Unlock()
	if !skip {
		l.write(reconcile.EngineEvent{Kind: reconcile.EngineProgress, Step: s.ID, Title: s.Title, Progress: &e})
	}
}

// StepEnds tells how long a step took, or why it failed.
func (l *engineLog) StepEnds(s reconcile.Step, d time.Duration, err error) {
	e := reconcile.EngineEvent{Kind: reconcile.EngineEnds, Step: s.ID, Title: s.Title, Duration: d}
	if err != nil {
		e.Failed, e.Text = true, err.Error()
	}
	l.write(e)
}

// Service tells whether the application is up.
func (l *engineLog) Service(s reconcile.Service) {
	l.write(reconcile.EngineEvent{Kind: reconcile.EngineService, Service: &s})
}

// Note tells a sentence.
func (l *engineLog) Note(text string) {
	l.write(reconcile.EngineEvent{Kind: reconcile.EngineNotes, Text: text})
}

// outcome is the last line.
func (l *engineLog) outcome(out reconcile.EngineOutcome) error {
	raw, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("write the outcome: %w", err)
	}
	l.out.write(mover.Event{Phase: "done", Result: raw})
	return l.out.err
}
