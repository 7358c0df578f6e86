package spec

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// Opening a pipe waits for its writer; one that never comes must not hold the
// command for ever.
func TestLoadDoesNotWaitForAWriter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "spec")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(path)
	var problems *Problems
	if !errors.As(err, &problems) || problems.Items[0].Want != "the file is empty" {
		t.Fatalf("Load = %v, want an empty file", err)
	}
}

// A pipe that is being written is read to its end, as with the shell's <(…).
func TestLoadReadsAPipe(t *testing.T) {
	want, err := os.ReadFile("../examples/server-external.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		_, _ = w.Write(want[:100])
		_, _ = w.Write(want[100:])
		_ = w.Close()
	}()
	s, err := Load("/dev/fd/" + strconv.FormatUint(uint64(r.Fd()), 10))
	if err != nil || s.Name != "ci-prod" {
		t.Fatalf("Load = %v, %v", s, err)
	}
}
