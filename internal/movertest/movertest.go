// Package movertest runs a mover in a process of its own, which a test can
// kill. It knows the mover's requests and events; it must not know an engine.
package movertest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// request makes the test binary a mover that prints its phases.
const request = "MOVER_TEST_REQUEST"

// Main runs the tests of a package, or in a child of Start the mover. It does
// not return.
func Main(m *testing.M, run func(context.Context, mover.Request, mover.Progress) (any, error)) {
	if raw := os.Getenv(request); raw != "" {
		os.Exit(child(raw, run))
	}
	os.Exit(m.Run())
}

func child(raw string, run func(context.Context, mover.Request, mover.Progress) (any, error)) int {
	var req mover.Request
	if err := json.Unmarshal([]byte(raw), &req); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, err := run(context.Background(), req, func(e mover.Event) { fmt.Println(e.Phase + " " + e.Object) })
	var known *mover.Error
	if errors.As(err, &known) {
		fmt.Println("error " + known.Code)
		return 2
	}
	return 0
}

// Start runs a request in a process of its own. Its lines are "PHASE OBJECT",
// and "error CODE" when it fails.
func Start(t *testing.T, req mover.Request) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	raw, err := json.Marshal(req)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), request+"="+string(raw))
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

// Until reads a child's lines up to the given one.
func Until(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	for lines.Scan() {
		if lines.Text() == want {
			return
		}
	}
	t.Fatalf("the mover ended without saying %q", want)
}

// KillAt starts a request, kills it once it has said a line, and waits for its
// end.
func KillAt(t *testing.T, req mover.Request, line string) {
	t.Helper()
	cmd, lines := Start(t, req)
	Until(t, lines, line)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed on purpose
}

// LosesTo starts a request, runs newer once it has said a line, and fails the
// test unless the older mover ends because of it.
func LosesTo(t *testing.T, req mover.Request, line string, newer func()) {
	t.Helper()
	older, lines := Start(t, req)
	Until(t, lines, line)
	newer()
	last := ""
	for lines.Scan() {
		last = lines.Text()
	}
	err := older.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || last != "error "+mover.CodeOtherHolder {
		t.Errorf("the older mover ended with %v and %q", err, last)
	}
}
