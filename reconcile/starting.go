package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// StartError is an application that does not come up: why, and where it is.
type StartError struct {
	Waited time.Duration
	Why    string
	// Ailing are all pods that are not ready; Unread says why that is not known.
	Ailing []engine.Ailment
	Unread string
	// Stopped is why it was not waited for any longer, nil when its time was up.
	Stopped error
}

// Error says how long it was waited, and what the worst of it is.
func (e *StartError) Error() string {
	text := fmt.Sprintf("the application did not become ready within %s: ", e.Waited.Round(time.Second))
	if e.Stopped != nil {
		text = fmt.Sprintf("not waited any longer for the application, after %s: ", e.Waited.Round(time.Second))
	}
	if len(e.Ailing) == 0 {
		text += e.Why // else the worst pod says the same, and more of it
	}
	if e.Unread != "" {
		text += "; why could not be found out: " + e.Unread
	}
	for _, a := range inShort(e.Ailing, 1) {
		text += a.Brief()
	}
	if n := len(e.Ailing); n > 1 {
		text += fmt.Sprintf("; and %d more (circleci-dr status)", n-1)
	}
	return text
}

// Unwrap gives the interruption to errors.Is.
func (e *StartError) Unwrap() error { return e.Stopped }

// startFailed tells whether the application was started and did not come up.
func startFailed(err error) bool {
	var tried *StartError
	return errors.As(err, &tried)
}

// inShort are the n that say most: those that only take their time come last.
func inShort(all []engine.Ailment, n int) []engine.Ailment {
	out := slices.Clone(all)
	slices.SortStableFunc(out, func(a, b engine.Ailment) int {
		switch {
		case a.Hopeful == b.Hopeful:
			return 0
		case b.Hopeful:
			return -1
		}
		return 1
	})
	return out[:min(n, len(out))]
}

// When the pods are asked why they are not ready. What is wrong for sure is
// told at once; what only takes its time is told when half a minute is over.
const (
	ailingFirst = 10 * time.Second
	ailingAll   = 25 * time.Second
	ailingEvery = 15 * time.Second
)

// toldAtOnce is how many ailments are told while an application starts: with
// twelve workloads that fail for one reason, one reason is enough.
const toldAtOnce = 4

// start is one wait for the application, and what was told about it.
type start struct {
	r     *run
	st    engine.Step
	begun time.Time
	next  time.Duration
	told  map[string]string // by workload
}

func (r *run) newStart(st engine.Step) *start {
	return &start{r: r, st: st, begun: r.p.Now(), next: ailingFirst, told: map[string]string{}}
}

// wait waits until every workload is at its recorded count, tells why one is
// not, and gives up when there is no hope or no time left.
func (s *start) wait(ctx context.Context) error {
	for {
		ws, err := s.r.workloads(ctx)
		if err != nil {
			return err
		}
		why := server.NotUp(ws, s.r.move.Replicas)
		if why == "" {
			return nil
		}
		waited := s.r.p.Now().Sub(s.begun)
		trouble := server.TroubleOf(ws)
		if trouble != "" && waited > troubleTime || waited > resumeTime {
			return s.failed(ctx, ws, cmp.Or(trouble, why), nil)
		}
		if waited >= s.next {
			s.next = nextLook(s.next)
			s.explain(ctx, ws, waited)
		}
		s.r.ev.StepProgress(s.st, mover.Event{Phase: "starting", Message: why, Waited: waited, Budget: resumeTime})
		if err := s.r.p.Wait(ctx, 500*time.Millisecond); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				err = nil // its time is up, and nobody is in a hurry
			}
			return s.failed(context.WithoutCancel(ctx), ws, why, err)
		}
		if s.r.giveUp != nil && s.r.giveUp() != nil {
			return s.failed(ctx, ws, why, s.r.giveUp())
		}
	}
}

func nextLook(last time.Duration) time.Duration {
	if last < ailingAll {
		return ailingAll
	}
	return last + ailingEvery
}

// failed asks once more, for the error and the report. Whoever interrupted is
// not kept waiting for it.
func (s *start) failed(ctx context.Context, ws []server.Workload, why string, stopped error) error {
	out := &StartError{Waited: s.r.p.Now().Sub(s.begun), Why: why, Stopped: stopped}
	if stopped != nil {
		return out
	}
	found := s.r.p.Starts.Ailing(ctx, ailingOf(ws, s.r.move.Replicas))
	if found.Unread() {
		out.Unread = found.Why
	}
	out.Ailing = found.Value
	s.r.ailing = found.Value
	return out
}

// ailingOf are the workloads that are not at their recorded counts.
func ailingOf(ws []server.Workload, want map[string]int) []string {
	var out []string
	for _, w := range ws {
		if !server.AtRecorded([]server.Workload{w}, want) {
			out = append(out, w.Key())
		}
	}
	return out
}

// explain tells what is new about the pods that are not ready.
func (s *start) explain(ctx context.Context, ws []server.Workload, waited time.Duration) {
	found := s.r.p.Starts.Ailing(ctx, ailingOf(ws, s.r.move.Replicas))
	if !found.Is() {
		if found.Why != s.told[""] {
			s.told[""] = found.Why
			s.r.ev.Note("why the application is not ready yet could not be found out: " + found.Why)
		}
		return
	}
	clock := fmt.Sprintf(" (%s of %s)", Took(waited), Took(resumeTime))
	var fresh []engine.Ailment
	for _, a := range inShort(found.Value, len(found.Value)) {
		key := joinNonEmpty(" ", a.Container, cmp.Or(a.Reason, a.Condition))
		switch {
		case waited < ailingAll && a.Hopeful:
		case s.told[a.Workload] == key: // known
		default:
			s.told[a.Workload] = key
			fresh = append(fresh, a)
		}
	}
	for _, a := range fresh[:min(toldAtOnce, len(fresh))] {
		s.r.ev.Note(a.String() + clock)
		for _, line := range a.Log {
			s.r.ev.Note("  | " + line)
		}
		if a.NoLog != "" {
			s.r.ev.Note("  its log is not shown: " + a.NoLog)
		}
	}
	if more := len(fresh) - toldAtOnce; more > 0 {
		s.r.ev.Note(fmt.Sprintf("and %d more are not ready; circleci-dr status shows all of them%s", more, clock))
	}
}

// observeAiling asks about the workloads that have fewer ready pods than they
// want now.
func observeAiling(ctx context.Context, p server.Providers, o Observation) engine.Observed[[]engine.Ailment] {
	var keys []string
	for _, w := range o.Workloads.Value {
		if w.Ready < w.Replicas {
			keys = append(keys, w.Key())
		}
	}
	if len(keys) == 0 {
		return engine.NotThere[[]engine.Ailment]()
	}
	return p.Starts.Ailing(ctx, keys)
}

// statusAiling is a line for every workload with a pod that is not ready, and
// one for each of the last lines of its log.
func statusAiling(o Observation) []StatusLine {
	if o.Ailing.Unread() && o.Ailing.Why != "" {
		return []StatusLine{{Topic: "not ready", Alarm: true, Text: "why could not be found out: " + o.Ailing.Why}}
	}
	var out []StatusLine
	for _, a := range inShort(o.Ailing.Value, len(o.Ailing.Value)) {
		out = append(out, StatusLine{Topic: "not ready", Alarm: !a.Hopeful, Text: a.String()})
		for _, line := range a.Log {
			out = append(out, StatusLine{Topic: "", Text: "| " + line})
		}
		if a.NoLog != "" {
			out = append(out, StatusLine{Topic: "", Text: "its log is not shown: " + a.NoLog})
		}
	}
	return out
}
