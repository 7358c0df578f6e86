// Package process is about the running process itself: how it waits, and how
// much memory it has held. It stands on the standard library alone, so that
// every adapter may import it; it must not know what we do.
package process

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// Pause waits for d, or until ctx ends and then gives its cause.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// PeakMemory is the most memory this process has held, in bytes, and 0 where
// the kernel does not say. What getrusage says includes the process that
// started this one.
func PeakMemory() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	return peakIn(string(status))
}

// peakIn reads proc_pid_status(5).
func peakIn(status string) int64 {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				return kib << 10
			}
		}
	}
	return 0
}
