package render

import (
	"fmt"
	"io"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// lineEvery is how often a phase that goes on is reported in a log; a wait in
// which nothing changes speaks up every quietFor, because CI services end a
// job that is silent for ten minutes.
const (
	lineEvery = 10 * time.Second
	quietFor  = 5 * time.Minute
)

// Lines tells an apply as plain lines, for logs: one when a step begins, is
// skipped or ends, one when its phase changes, and one every ten seconds. Each
// begins with the time, and says how long the application has been stopped.
type Lines struct {
	mu    sync.Mutex
	w     io.Writer
	now   func() time.Time
	place placer
	run   map[engine.StepID]*told
	down  outage
	err   error
}

// told is what was last said of a step that runs.
type told struct {
	phase   string
	message string
	at      time.Time
}

// due tells whether an event is to be written at a time.
func (t *told) due(e mover.Event, now time.Time) bool {
	since := now.Sub(t.at)
	if e.Phase != t.phase {
		return true
	}
	if e.Budget > 0 && e.Message == t.message {
		return since >= quietFor
	}
	return since >= lineEvery
}

var _ engine.Events = (*Lines)(nil)

// NewLines writes to w. The steps are the plan's, for "step 6 of 12"; without
// them the numbers are left out.
func NewLines(w io.Writer, now func() time.Time, steps ...engine.Step) *Lines {
	return &Lines{w: w, now: now, place: placerOf(steps), run: map[engine.StepID]*told{}}
}

// Err is the first error of writing; an apply does not stop for it.
func (l *Lines) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// StepBegins writes the step's title.
func (l *Lines) StepBegins(st engine.Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.begin(st)
	l.say(st, st.Title)
}

// StepSkipped writes that there was nothing to do, and why.
func (l *Lines) StepSkipped(st engine.Step, why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.say(st, st.Title+": nothing to do, "+why)
}

// begin forgets steps that are over; only those of one kind run side by side.
func (l *Lines) begin(st engine.Step) *told {
	maps.DeleteFunc(l.run, func(id engine.StepID, _ *told) bool { return kindOf(id) != kindOf(st.ID) })
	l.run[st.ID] = &told{}
	return l.run[st.ID]
}

// kindOf is what a step does, without what it does it to.
func kindOf(id engine.StepID) string {
	kind, _, _ := strings.Cut(string(id), "/")
	return kind
}

// StepProgress writes the event when its phase is new or the step's last line
// is ten seconds old; of a wait only what changed. Where several run side by side
// it says whose it is.
func (l *Lines) StepProgress(st engine.Step, e mover.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	run, ok := l.run[st.ID]
	if !ok {
		run = l.begin(st)
	}
	now := l.now()
	if !run.due(e, now) {
		return
	}
	text := progress(e)
	if text == "" {
		return
	}
	run.phase, run.message, run.at = e.Phase, e.Message, now
	if len(l.run) > 1 && len(l.place.number) == 0 {
		text = st.Title + ": " + text
	}
	l.say(st, text)
}

// StepEnds writes how long the step took, or why it failed.
func (l *Lines) StepEnds(st engine.Step, d time.Duration, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.run, st.ID)
	l.say(st, ended(d, err))
}

// Service writes that the application is stopped from now on, or up again.
func (l *Lines) Service(s engine.Service) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = outageOf(s)
	l.print(serviceLine(s))
}

// Note writes a sentence.
func (l *Lines) Note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.print(text)
}

// say writes a line of a step.
func (l *Lines) say(st engine.Step, text string) {
	l.print(l.place.of(st) + l.down.clock(l.now()) + text)
}

func (l *Lines) print(text string) {
	head := l.now().UTC().Format("15:04:05Z") + "  "
	if strings.HasPrefix(text, " ") { // it goes on with what the line before began, such as values to be copied
		head = strings.Repeat(" ", len(head))
	}
	if _, err := fmt.Fprintln(l.w, head+reconcile.OneLine(text)); err != nil && l.err == nil {
		l.err = err
	}
}

func ended(d time.Duration, err error) string {
	if err != nil {
		return fmt.Sprintf("failed after %s: %s", reconcile.Took(d), err)
	}
	return "done in " + reconcile.Took(d)
}

// placer knows which number a step has in its plan.
type placer struct {
	number map[engine.StepID]int
}

func placerOf(steps []engine.Step) placer {
	p := placer{number: map[engine.StepID]int{}}
	for i, st := range steps {
		p.number[st.ID] = i + 1
	}
	return p
}

// of is "[ 6/12] ", or dots for a step that is in no plan, such as the way
// back after a failure.
func (p placer) of(st engine.Step) string {
	if n, ok := p.number[st.ID]; ok {
		return fmt.Sprintf("[%2d/%d] ", n, len(p.number))
	}
	if len(p.number) == 0 {
		return ""
	}
	return "[ .. ] "
}

// progress says one event: phase and object, how much of how much, rate and
// the time that is left.
func progress(e mover.Event) string {
	var parts []string
	if head := strings.TrimSpace(e.Phase + " " + e.Object); head != "" {
		parts = append(parts, head)
	}
	if e.Total > 0 && e.Bytes == 0 { // it only begins: how much there is, and no "0 %" that would be the last word
		parts = append(parts, mover.Bytes(e.Total))
	} else if e.Total > 0 {
		parts = append(parts, fmt.Sprintf("%s of %s (%d %%)", mover.Bytes(e.Bytes), mover.Bytes(e.Total), percent(e)))
	} else if e.Bytes > 0 {
		parts = append(parts, mover.Bytes(e.Bytes))
	}
	if e.Rate > 0 {
		parts = append(parts, mover.Bytes(int64(e.Rate))+"/s")
	}
	if e.ETA > 0 {
		parts = append(parts, reconcile.Took(e.ETA)+" left")
	}
	if e.Budget > 0 {
		parts = append(parts, reconcile.Took(e.Waited)+" of "+reconcile.Took(e.Budget))
	}
	if e.Message != "" {
		parts = append(parts, e.Message)
	}
	return strings.Join(parts, ", ")
}

// percent is 100 only when all of it is done.
func percent(e mover.Event) int64 {
	if e.Bytes >= e.Total {
		return 100
	}
	return int64(float64(e.Bytes) / float64(e.Total) * 100)
}
