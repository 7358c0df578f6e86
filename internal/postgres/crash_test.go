package postgres

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// childRequest makes the test binary a mover that prints its phases.
const childRequest = "POSTGRES_TEST_REQUEST"

func TestMain(m *testing.M) {
	if raw := os.Getenv(childRequest); raw != "" {
		os.Exit(child(raw))
	}
	os.Exit(m.Run())
}

func child(raw string) int {
	var req reconcile.MoverRequest
	if err := json.Unmarshal([]byte(raw), &req); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, err := Run(context.Background(), req, func(e reconcile.MoverEvent) { fmt.Println(e.Phase + " " + e.Object) })
	var known *reconcile.MoverError
	if errors.As(err, &known) {
		fmt.Println("error " + known.Code)
		return 2
	}
	return 0
}

// startChild runs a request in a process of its own.
func startChild(t *testing.T, req reconcile.MoverRequest) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	raw, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childRequest+"="+string(raw))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, bufio.NewScanner(out)
}

// until reads a child's lines up to the given one.
func until(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	for lines.Scan() {
		if lines.Text() == want {
			return
		}
	}
	t.Fatalf("the mover ended without saying %q", want)
}

func TestCopyKilledAnywhereConverges(t *testing.T) {
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	for _, point := range []string{"roles ", "schema main", "rows main", "constraints main", "privileges main", "schema other", "analyze other"} {
		cmd, lines := startChild(t, p.request(reconcile.OpCopy))
		until(t, lines, point)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed on purpose
	}
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	if proof := do[reconcile.Proof](t, p, reconcile.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

func TestNewerMoverTakesOver(t *testing.T) {
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	older, lines := startChild(t, p.request(reconcile.OpCopy))
	until(t, lines, "roles ")
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	err := older.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || last != "error "+reconcile.CodeOtherHolder {
		t.Errorf("the older mover ended with %v and %q", err, last)
	}
	if proof := do[reconcile.Proof](t, p, reconcile.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}
