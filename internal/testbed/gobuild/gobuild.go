// Package gobuild builds Go commands the way the testbed wants them: static,
// reproducible, with a sign of life during a long build. It knows go, not what
// is built.
package gobuild

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
)

// Target is one command to build.
type Target struct {
	// Dir is the folder go runs in.
	Dir string
	// Package is the package to build, relative to Dir.
	Package string
	// LDFlags go to the linker besides -s -w.
	LDFlags string
	// Tags are the build tags.
	Tags string
}

// Build compiles t into the file out. note hears how many packages were
// compiled so far.
func Build(ctx context.Context, t Target, out string, note func(string)) error {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("build %s: %w", t.Package, err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-v", "-trimpath", "-buildvcs=false", "-mod=readonly",
		"-tags", t.Tags, "-ldflags", strings.TrimSpace("-s -w "+t.LDFlags), "-o", out, t.Package)
	cmd.Dir = t.Dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		return fmt.Errorf("build %s: %w", t.Package, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("build %s: %w", t.Package, err)
	}
	var talk []string
	compiled, fetched := 0, 0
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "go: downloading"):
			fetched++
			note(fmt.Sprintf("%d modules downloaded", fetched))
		case isImportPath(line):
			compiled++
			note(fmt.Sprintf("%d packages compiled", compiled))
		default:
			talk = append(talk, line)
		}
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("build %s in %s: %w\n%s", t.Package, t.Dir, err, strings.Join(tail(talk, 20), "\n"))
	}
	return nil
}

// isImportPath tells the package names that -v prints from error messages.
func isImportPath(line string) bool {
	return line != "" && !strings.ContainsAny(line, " :#\t")
}

func tail(lines []string, n int) []string {
	if len(lines) > n {
		return lines[len(lines)-n:]
	}
	return lines
}

// Key names a build of a module folder by everything that goes into it: its
// files, the linker flags and the compiler.
func Key(ctx context.Context, t Target) (string, error) {
	cmd := exec.CommandContext(ctx, "go", "env", "GOVERSION")
	cmd.Dir = t.Dir
	version, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its version in %s: %w", t.Dir, err)
	}
	sum, err := cache.FolderSum(filepath.Join(t.Dir, t.Package), ".go", "go.mod", "go.sum")
	if err != nil {
		return "", err
	}
	flags := t.LDFlags
	if t.Tags != "" {
		flags += " -tags=" + t.Tags
	}
	return cache.Key(string(version), t.Package, flags, sum), nil
}

// Cached builds t once and returns the path of the binary called name.
func Cached(ctx context.Context, c cache.Cache, name string, t Target, note func(string)) (string, error) {
	key, err := Key(ctx, t)
	if err != nil {
		return "", err
	}
	path := filepath.Join(c.Dir, "bin", name+"-"+key, name)
	err = cache.Once(ctx, path, func(tmp string) error { return Build(ctx, t, tmp, note) })
	return path, err
}
