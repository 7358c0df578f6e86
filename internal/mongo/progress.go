package mongo

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// reporter turns bytes into progress events, two a second at most.
type reporter struct {
	mu     sync.Mutex
	send   reconcile.Progress
	phase  string
	began  time.Time
	last   time.Time
	bytes  int64
	total  int64
	object string
}

func newReporter(send reconcile.Progress) *reporter {
	if send == nil {
		send = func(reconcile.MoverEvent) {}
	}
	return &reporter{send: send}
}

// enter begins a phase; total is its size in bytes, 0 if there is none.
func (r *reporter) enter(phase, object string, total int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.phase, r.object, r.total, r.bytes, r.began = phase, object, total, 0, time.Now()
	r.emit(r.began, "")
}

// add counts bytes done on an object.
func (r *reporter) add(object string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bytes += int64(n)
	r.object = object
	if now := time.Now(); now.Sub(r.last) >= 500*time.Millisecond {
		r.emit(now, "")
	}
}

// at says that work on an object begins.
func (r *reporter) at(object string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.object = object
	r.emit(time.Now(), "")
}

// say sends a message for people.
func (r *reporter) say(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emit(time.Now(), fmt.Sprintf(format, args...))
}

func (r *reporter) emit(now time.Time, message string) {
	r.last = now
	e := reconcile.MoverEvent{At: now.UTC(), Phase: r.phase, Object: r.object, Bytes: r.bytes, Total: r.total, Message: message}
	if took := now.Sub(r.began).Seconds(); took > 0 && r.bytes > 0 {
		e.Rate = float64(r.bytes) / took
		if left := r.total - r.bytes; left > 0 {
			e.ETA = time.Duration(float64(left) / e.Rate * float64(time.Second))
		}
	}
	r.send(e)
}

// peakRSS is the most memory this process has held, in bytes, and 0 where the
// kernel does not say. What getrusage says includes the process that started
// this one.
func peakRSS() int64 {
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// pause waits, unless ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
