package render

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// barWidth is how wide the moving part of a line is.
const barWidth = 24

// Bars tells an apply on a terminal: finished steps as lines, and below them
// the running ones as bars that move.
type Bars struct {
	mu    sync.Mutex
	p     *mpb.Progress
	place placer
	run   map[engine.StepID]*running
	down  outage
	err   error
}

// running is the bar of one step and what it shows.
type running struct {
	bar   *mpb.Bar
	title string
	mu    sync.Mutex
	event mover.Event
	down  outage
}

func (r *running) show(e mover.Event) {
	r.mu.Lock()
	r.event = e
	r.mu.Unlock()
	if e.Total > 0 && r.bar != nil {
		r.bar.SetTotal(e.Total, false)
		r.bar.SetCurrent(e.Bytes)
	}
}

func (r *running) text(decor.Statistics) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.down.clock(time.Now()) + reconcile.OneLine(progress(r.event))
}

var _ engine.Events = (*Bars)(nil)

// NewBars draws to w, which is a terminal. The steps are the plan's, for
// "[ 6/12]"; without them the numbers are left out.
func NewBars(w io.Writer, steps ...engine.Step) *Bars { return newBars(steps, mpb.WithOutput(w)) }

func newBars(steps []engine.Step, options ...mpb.ContainerOption) *Bars {
	return &Bars{p: mpb.New(options...), place: placerOf(steps), run: map[engine.StepID]*running{}}
}

// Err is the first error of writing; an apply does not stop for it.
func (b *Bars) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Close takes the running bars away and waits until the terminal is whole
// again.
func (b *Bars) Close() {
	b.stop(func(engine.StepID) bool { return true })
	b.p.Wait()
}

// StepBegins starts the step's bar. Bars of another kind of step are over:
// only those of one kind run side by side.
func (b *Bars) StepBegins(st engine.Step) {
	b.stop(func(id engine.StepID) bool { return id == st.ID || kindOf(id) != kindOf(st.ID) })
	b.mu.Lock()
	defer b.mu.Unlock()
	b.run[st.ID] = b.start(st)
}

// StepSkipped writes that there was nothing to do, and why.
func (b *Bars) StepSkipped(st engine.Step, why string) {
	b.line(b.place.of(st) + st.Title + ": nothing to do, " + why)
}

// StepProgress moves the bar; for a step that never began it starts one.
func (b *Bars) StepProgress(st engine.Step, e mover.Event) {
	b.mu.Lock()
	run, ok := b.run[st.ID]
	if !ok {
		run = b.start(st)
		b.run[st.ID] = run
	}
	b.mu.Unlock()
	run.show(e)
}

// StepEnds replaces the bar by how long the step took, or why it failed.
func (b *Bars) StepEnds(st engine.Step, d time.Duration, err error) {
	b.stop(func(id engine.StepID) bool { return id == st.ID })
	if err != nil {
		b.line(b.place.of(st) + ended(d, err))
		return
	}
	b.line(fmt.Sprintf("%s%s: %s", b.place.of(st), st.Title, reconcile.Took(d)))
}

// Service writes that the application is stopped from now on, or up again; bars
// say meanwhile for how long.
func (b *Bars) Service(s engine.Service) {
	b.mu.Lock()
	b.down = outageOf(s)
	for _, run := range b.run {
		run.mu.Lock()
		run.down = b.down
		run.mu.Unlock()
	}
	b.mu.Unlock()
	b.line(serviceLine(s))
}

// Note writes a sentence above the bar.
func (b *Bars) Note(text string) { b.line(text) }

func (b *Bars) start(st engine.Step) *running {
	style := mpb.BarStyle().Lbound("").Rbound(" ").Filler("━").Tip("━").Padding("─").Build()
	moving := mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		if s.Total == 0 {
			return nil // nothing to measure, so nothing to promise
		}
		return style.Fill(w, s)
	})
	r := &running{down: b.down, title: reconcile.OneLine(b.place.of(st)+st.Title) + "  "}
	bar, err := b.p.Add(0, moving, mpb.BarFillerTrim(), mpb.BarWidth(barWidth),
		mpb.PrependDecorators(decor.Name(r.title)), mpb.AppendDecorators(decor.Any(r.text)))
	if err != nil && b.err == nil { // the terminal went away; the apply goes on
		b.err = err
	}
	r.bar = bar
	return r
}

// stop takes the bars of some steps away.
func (b *Bars) stop(over func(engine.StepID) bool) {
	var runs []*running
	b.mu.Lock()
	for id, run := range b.run {
		if over(id) {
			runs = append(runs, run)
			delete(b.run, id)
		}
	}
	b.mu.Unlock()
	for _, run := range runs {
		if run.bar != nil {
			run.bar.Abort(true)
			run.bar.Wait()
		}
	}
}

// line writes above the bar.
func (b *Bars) line(text string) {
	if _, err := fmt.Fprintln(b.p, reconcile.OneLine(text)); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.err == nil {
			b.err = err
		}
	}
}
