package mongo

import (
	"fmt"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile"
)

// TestMemoryDoesNotGrowWithTheData copies 20 MB and 200 MB.
func TestMemoryDoesNotGrowWithTheData(t *testing.T) {
	peaks := map[reconcile.Operation][]int64{}
	for _, documents := range []int{10000, 100000} {
		p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4"}), target: mongotest.New(t, mongotest.Options{Release: "6.0"})}
		bulk(t, p.source, 2, documents)
		do[reconcile.FenceResult](t, p, reconcile.OpFence)
		for _, op := range []reconcile.Operation{reconcile.OpCopy, reconcile.OpProve} {
			cmd, lines := startChild(t, p.request(op))
			last := ""
			for lines.Scan() {
				last = lines.Text()
			}
			var peak int64
			if _, err := fmt.Sscanf(last, peakLine+" %d", &peak); err != nil || cmd.Wait() != nil {
				t.Fatalf("%s: ended with %q: %v", op, last, err)
			}
			peaks[op] = append(peaks[op], peak)
		}
		equal(t, p)
	}
	t.Logf("peaks in MiB at 20 MB and 200 MB: %v", peaks)
	const bar = 256 // MiB: the tools' buffers of several connections, and what the collector leaves
	for op, peak := range peaks {
		if peak[1] > bar {
			t.Errorf("%s took %d MiB for 200 MB, more than %d", op, peak[1], bar)
		}
	}
}
