package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stand-in for the compiler, which takes minutes for four platforms: a binary
// that says what it is for.
func written(_ context.Context, o options, p platform, out string) error {
	return os.WriteFile(out, []byte(o.version+p.system+p.machine), 0o755)
}

// A release has one binary for each platform, and sums that sha256sum takes.
func TestReleaseHasBinariesAndTheirSums(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "release")
	o := options{binaries: dir, version: "1.2.3"}
	if err := release(t.Context(), o, written); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	want := []string{"SHA256SUMS", "circleci-dr-1.2.3-darwin-amd64", "circleci-dr-1.2.3-darwin-arm64", "circleci-dr-1.2.3-linux-amd64", "circleci-dr-1.2.3-linux-arm64"}
	if !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = dir
	if said, err := check.CombinedOutput(); err != nil || strings.Count(string(said), ": OK\n") != 4 {
		t.Errorf("sha256sum says %s, %v", said, err)
	}
	if err := release(t.Context(), o, written); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("a second release into the same folder: %v", err)
	}
}

// What is no release is none, and a compiler that fails leaves no sums behind,
// by which a person would take the rest for whole.
func TestNoReleaseWithoutAllOfIt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "release")
	if err := release(t.Context(), options{binaries: dir}, written); err == nil || !strings.Contains(err.Error(), "VERSION") {
		t.Errorf("without a version: %v", err)
	}
	fails := func(ctx context.Context, o options, p platform, out string) error {
		if p.system == "darwin" {
			return errors.New("no")
		}
		return written(ctx, o, p, out)
	}
	if err := release(t.Context(), options{binaries: dir, version: "1"}, fails); err == nil || !strings.Contains(err.Error(), "darwin/amd64: no") {
		t.Errorf("with a compiler that fails: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, checksums)); err == nil {
		t.Error("there are sums")
	}
}
