package mongo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"go.mongodb.org/mongo-driver/bson"
)

// childRequest makes the test binary a mover that prints its phases.
const childRequest = "MONGO_TEST_REQUEST"

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
	_, err := Run(context.Background(), req, func(e reconcile.MoverEvent) { fmt.Println(strings.TrimSpace(e.Phase + " " + e.Object)) })
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

// bulk fills collections large enough to be caught in the middle of.
func bulk(t *testing.T, s *mongotest.Server, collections, documents int) {
	t.Helper()
	text := strings.Repeat("0123456789abcdef", 60)
	for i := range collections {
		name := fmt.Sprintf("c%d", i)
		for from := 0; from < documents; from += 10000 {
			var all []any
			for j := range min(10000, documents-from) {
				all = append(all, bson.D{{Key: "_id", Value: from + j}, {Key: "n", Value: j % 100}, {Key: "text", Value: text}})
			}
			insert(t, s, "bulk", name, all...)
		}
		s.Command(t, "bulk", `{"createIndexes": "`+name+`", "indexes": [{"key": {"n": 1, "text": 1}, "name": "n"}]}`)
	}
}

func TestCopyKilledAnywhereConverges(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "5.0")
	awkward(t, p.source)
	bulk(t, p.source, 3, 8000)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	for _, point := range []string{"prepare", "documents", "documents bulk.c0", "documents main.indexed", "views"} {
		cmd, lines := startChild(t, p.request(reconcile.OpCopy))
		until(t, lines, point)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // killed on purpose
	}
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	equal(t, p)
}

func TestNewerMoverTakesOver(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	bulk(t, p.source, 4, 12000)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	older, lines := startChild(t, p.request(reconcile.OpCopy))
	until(t, lines, "documents bulk.c0")
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
	equal(t, p)
}

// TestServerRestartsInTheMiddle kills the target while a copy writes to it,
// and then the source, whose lock goes with it.
func TestServerRestartsInTheMiddle(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "6.0")
	bulk(t, p.source, 2, 30000)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	// On a busy machine a copy may be over before the target is: it is whole then.
	for try := 1; !diesWithItsTarget(t, p); try++ {
		equal(t, p)
		if try == 5 {
			t.Fatal("the target was never restarted in the middle")
		}
	}
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	proof := equal(t, p)
	p.source.Restart(t)
	codeIs(t, p.request(reconcile.OpCopy), reconcile.CodeMoved, sourceSide)
	codeIs(t, p.request(reconcile.OpProve), reconcile.CodeMoved, sourceSide)
	commit := p.request(reconcile.OpCommit)
	commit.Counters = proof.Counters
	codeIs(t, commit, reconcile.CodeMoved, sourceSide)
	do[reconcile.FenceResult](t, p, reconcile.OpFence) // up again
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	equal(t, p)
}

// diesWithItsTarget restarts the target once the copy has begun, and tells
// whether the copy ended with an error.
func diesWithItsTarget(t *testing.T, p pair) bool {
	t.Helper()
	mover, lines := startChild(t, p.request(reconcile.OpCopy))
	until(t, lines, "documents bulk.c0")
	p.target.Restart(t)
	for lines.Scan() { // until the mover is gone
	}
	return mover.Wait() != nil
}
