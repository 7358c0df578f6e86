package engine

import (
	"context"
	"sync"
	"time"
)

// Flow is one kind of work that the engine can carry through, such as the move
// of a datastore. Its methods are called with the lease held.
type Flow interface {
	// Action gives what a kind of step does; ok is false of a kind that the flow
	// does not know.
	Action(kind ActionKind) (a Action, ok bool)
	// Failed is called once, when step st failed with cause and every step beside
	// it has ended: it brings service back where that is right, says in the report
	// what became of the application, and gives the error that a person is told.
	Failed(ctx context.Context, rep Report, st Step, cause error) (Report, error)
	// Finish is called once, when all steps are settled. The report is good also
	// with an error: what is missing is done by the next apply.
	Finish(ctx context.Context, rep Report) (Report, error)
}

// Action is one kind of step: how to tell that it is so, and one idempotent
// call that makes it so.
type Action struct {
	Look  func(ctx context.Context, st Step) (Look, error)
	Apply func(ctx context.Context, st Step) error
	// Beside tells that steps of this kind take long and touch nothing in common:
	// those that follow each other run at the same time.
	Beside bool
	// Patience is how long the last look waits for what comes and goes by itself.
	Patience time.Duration
	// Bound is how the deadline of the apply holds for it now; nil is Bounded.
	Bound func() Bound
	// Measured gives the measurement of a step that was settled in took, and the
	// name it is kept under; ok is false where it tells nothing. Nil is never.
	Measured func(st Step, took time.Duration) (key string, m Measurement, ok bool)
}

// Look is what an action saw when it looked.
type Look struct {
	Settled bool
	// Why says what is there, or what is still missing.
	Why string
}

// Bound is how a deadline holds for a step.
type Bound uint8

// The bounds.
const (
	Bounded   Bound = iota // it ends when the time is up
	BegunOnly              // it is begun in time or not at all, and then it ends
	Unbounded              // there is only forward, or only back
)

// Outside is what the engine itself asks of the outside.
type Outside struct {
	Records Records
	// Now is the clock.
	Now func() time.Time
	// Wait returns after d, or earlier with the context's error.
	Wait func(ctx context.Context, d time.Duration) error
	// At is called at every named point of a run; tests kill there. Nil is nobody.
	At func(point string)
	// Together runs functions side by side and waits for all of them; nil is
	// one goroutine for each. Tests give an order that can be repeated.
	Together func(all ...func())
}

// SideBySide runs functions side by side and waits for all of them.
func (o Outside) SideBySide(all ...func()) {
	if o.Together == nil {
		together(all...)
		return
	}
	o.Together(all...)
}

// together runs functions side by side and waits for all of them. A panic in
// one of them is the caller's.
func together(all ...func()) {
	var wg sync.WaitGroup
	panics := make(chan any, len(all))
	for _, f := range all {
		wg.Go(func() {
			defer func() {
				if v := recover(); v != nil {
					panics <- v
				}
			}()
			f()
		})
	}
	wg.Wait()
	select {
	case v := <-panics:
		panic(v)
	default:
	}
}
