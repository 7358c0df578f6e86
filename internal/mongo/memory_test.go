package mongo

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestMemoryDoesNotGrowWithTheData copies 20 MB and 120 MB in a program built
// as the product is: the race detector takes memory of its own.
func TestMemoryDoesNotGrowWithTheData(t *testing.T) {
	t.Parallel()
	binary := filepath.Join(t.TempDir(), "mover")
	if out, err := exec.Command("go", "build", "-o", binary, "./bench").CombinedOutput(); err != nil {
		t.Fatalf("build the mover: %v: %s", err, out)
	}
	const bar = 280 << 20 // the tools' buffers of several connections, and what the collector leaves
	for _, documents := range []int{10000, 60000} {
		p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4"}), target: mongotest.New(t, mongotest.Options{Release: "6.0"})}
		bulk(t, p.source, 2, documents)
		do[mover.FenceResult](t, p, mover.OpFence)
		request, err := json.Marshal(p.request(mover.OpCopy))
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(binary)
		cmd.Env, cmd.Stderr = append(os.Environ(), "BENCH_MOVER="+string(request)), os.Stderr
		out, err := cmd.Output()
		var peak int64
		if _, scanErr := fmt.Sscan(string(out), &peak); err != nil || scanErr != nil {
			t.Fatalf("copy: %v, %q", err, out)
		}
		t.Logf("%d documents of 1 KB: %d MiB", 2*documents, peak>>20)
		if peak == 0 || peak > bar {
			t.Errorf("copying %d documents took %d MiB, more than %d", 2*documents, peak>>20, bar>>20)
		}
		equal(t, p)
	}
}
