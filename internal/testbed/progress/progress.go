// Package progress tells a person what the testbed is doing and for how long.
// It prints a line when something is done, and when nothing was printed for a
// while a line that names what is still running. It knows nothing of the work.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// quiet is the longest silence while something runs.
const quiet = 8 * time.Second

// Reporter prints the lines. It is safe for concurrent use.
type Reporter struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	last  time.Time
	tasks []*Task
	stop  chan struct{}
	done  chan struct{}
}

// Task is one piece of work that is running.
type Task struct {
	r     *Reporter
	name  string
	note  string
	start time.Time
}

// New starts a reporter; Close stops it.
func New(out io.Writer) *Reporter {
	now := time.Now()
	r := &Reporter{out: out, start: now, last: now, stop: make(chan struct{}), done: make(chan struct{})}
	go r.heartbeat()
	return r
}

// Close ends the heartbeat.
func (r *Reporter) Close() {
	close(r.stop)
	<-r.done
}

// Say prints one line with the time since the start.
func (r *Reporter) Say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.line(fmt.Sprintf(format, args...))
}

// Elapsed is the time since the start.
func (r *Reporter) Elapsed() time.Duration { return time.Since(r.start) }

// Begin announces work that may take a while.
func (r *Reporter) Begin(name string) *Task {
	t := &Task{r: r, name: name, start: time.Now()}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tasks = append(r.tasks, t)
	return t
}

// Do runs work as a task.
func (r *Reporter) Do(name string, work func(*Task) error) error {
	t := r.Begin(name)
	err := work(t)
	t.end(err)
	return err
}

// Note says how far the task is; the heartbeat shows it.
func (t *Task) Note(format string, args ...any) {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	t.note = fmt.Sprintf(format, args...)
}

func (t *Task) end(err error) {
	t.r.mu.Lock()
	defer t.r.mu.Unlock()
	for i, other := range t.r.tasks {
		if other == t {
			t.r.tasks = append(t.r.tasks[:i], t.r.tasks[i+1:]...)
			break
		}
	}
	took := time.Since(t.start)
	switch {
	case err != nil:
		t.r.line(fmt.Sprintf("%s: failed", t.name))
	case took >= 100*time.Millisecond:
		t.r.line(fmt.Sprintf("%s (%.1fs)", t.name, took.Seconds()))
	}
}

func (r *Reporter) line(text string) {
	r.last = time.Now()
	fmt.Fprintf(r.out, "%7.1fs  %s\n", r.last.Sub(r.start).Seconds(), text)
}

func (r *Reporter) heartbeat() {
	defer close(r.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-r.stop:
			return
		case now := <-tick.C:
			r.mu.Lock()
			if now.Sub(r.last) >= quiet && len(r.tasks) > 0 {
				r.line("still running: " + r.running(now))
			}
			r.mu.Unlock()
		}
	}
}

func (r *Reporter) running(now time.Time) string {
	var parts []string
	for _, t := range r.tasks {
		text := fmt.Sprintf("%s (%.0fs)", t.name, now.Sub(t.start).Seconds())
		if t.note != "" {
			text += ", " + t.note
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}
