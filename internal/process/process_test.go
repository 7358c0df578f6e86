package process

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPauseLastsUntilItsTimeOrItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lost := errors.New("lost")
		for _, row := range []struct {
			after, want time.Duration
			cause       error
		}{{2 * time.Hour, time.Hour, nil}, {time.Minute, time.Minute, lost}, {0, 0, lost}} {
			ctx, cancel := context.WithCancelCause(t.Context())
			if row.after == 0 {
				cancel(lost)
			} else {
				time.AfterFunc(row.after, func() { cancel(lost) })
			}
			begun := time.Now()
			if err := Pause(ctx, time.Hour); !errors.Is(err, row.cause) || time.Since(begun) != row.want {
				t.Errorf("ended after %s: it took %s and says %v", row.after, time.Since(begun), err)
			}
			cancel(nil)
		}
	})
}

func TestThePeakCountsWhatWasHeldOnce(t *testing.T) {
	const more = 64 << 20
	before := PeakMemory()
	held := make([]byte, more)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	runtime.KeepAlive(held)
	if before <= 0 {
		t.Fatalf("the peak is %d", before)
	}
	if now := PeakMemory(); now < more {
		t.Errorf("the peak is %d with %d held, and was %d", now, more, before)
	}
}

func TestAPeakThatIsNotToldIsZero(t *testing.T) {
	for status, want := range map[string]int64{
		"Name:\tx\nVmPeak:\t  999 kB\nVmHWM:\t    1234 kB\nVmRSS:\t 7 kB\n": 1234 << 10,
		"Name:\tx\nVmRSS:\t 7 kB\n":                                         0,
		"VmHWM:\tnobody knows\n":                                            0,
		"":                                                                  0,
	} {
		if got := peakIn(status); got != want {
			t.Errorf("%q gives %d, want %d", status, got, want)
		}
	}
}
