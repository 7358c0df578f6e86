package mover

import (
	"fmt"
	"sync"
	"time"
)

// Reporter turns what a mover does into progress events: bytes two a second at
// most and at the end of their phase, the rest as it comes. Safe for use by
// several goroutines.
type Reporter struct {
	mu     sync.Mutex
	send   Progress
	now    func() time.Time
	phase  string
	began  time.Time
	last   time.Time
	bytes  int64
	told   int64 // the bytes the last event told of
	total  int64
	object string
}

// NewReporter makes a Reporter that reads the clock now; a nil send is told
// nothing.
func NewReporter(send Progress, now func() time.Time) *Reporter {
	if send == nil {
		send = func(Event) {}
	}
	return &Reporter{send: send, now: now}
}

// Enter ends the phase before and begins one; total is its size in bytes, 0 if
// there is none.
func (r *Reporter) Enter(phase, object string, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if r.bytes > r.told { // a quick phase would seem to have copied nothing
		r.emit(now, "")
	}
	r.phase, r.object, r.total, r.bytes, r.began = phase, object, total, 0, now
	r.emit(now, "")
}

// Add counts bytes done on an object.
func (r *Reporter) Add(object string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += int64(n)
	r.object = object
	if now := r.now(); now.Sub(r.last) >= 500*time.Millisecond {
		r.emit(now, "")
	}
}

// At says that work on an object begins.
func (r *Reporter) At(object string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.object = object
	r.emit(r.now(), "")
}

// Say sends a message for people.
func (r *Reporter) Say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emit(r.now(), fmt.Sprintf(format, args...))
}

func (r *Reporter) emit(now time.Time, message string) {
	r.last, r.told = now, r.bytes
	e := Event{At: now.UTC(), Phase: r.phase, Object: r.object, Bytes: r.bytes, Total: r.total, Message: message}
	if took := now.Sub(r.began).Seconds(); took > 0 && r.bytes > 0 {
		e.Rate = float64(r.bytes) / took
		if left := r.total - r.bytes; left > 0 {
			e.ETA = time.Duration(float64(left) / e.Rate * float64(time.Second))
		}
	}
	r.send(e)
}
