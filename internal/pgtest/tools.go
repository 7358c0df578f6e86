package pgtest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// newestDump is the newest pg_dump of the product's image, below its root.
const newestDump = "usr/lib/postgresql/18/bin/pg_dump"

// ClientTools gives a directory with the newest pg_dump of the product's image,
// made once from the packages that are pinned for it: no distribution that the
// tests run on has one as new.
func ClientTools(t testing.TB) string {
	t.Helper()
	dir, err := clientTools(t.Context())
	if err != nil {
		t.Fatalf("make the image's client tools: %v", err)
	}
	return dir
}

func clientTools(ctx context.Context) (string, error) {
	module, err := exec.CommandContext(ctx, "go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	image := filepath.Join(filepath.Dir(strings.TrimSpace(string(module))), "internal/image")
	pins, err := os.ReadFile(filepath.Join(image, "product/pins.json"))
	if err != nil {
		return "", fmt.Errorf("read what is pinned: %w", err)
	}
	name := fmt.Sprintf("image-tools-%x", sha256.Sum256(pins))[:len("image-tools-")+16]
	dir, err := once(name, "own/pg_dump", func(work string) (string, error) {
		tree := filepath.Join(work, "tree")
		if err := command(ctx, work, "go", "-C", image, "run", "./build", "-newest-if-stale", "-tools", tree); err != nil {
			return "", err
		}
		return tree, startDump(tree)
	})
	return filepath.Join(dir, "own"), err
}

// startDump has pg_dump start with its own linker and libraries: those of this
// machine may be older.
func startDump(tree string) error {
	const script = `#!/bin/sh
root=$(dirname "$0")/..
exec "$root/usr/lib64/ld-linux-x86-64.so.2" --inhibit-cache --library-path "$root/usr/lib/x86_64-linux-gnu" "$root/` + newestDump + `" "$@"
`
	if _, err := os.Stat(filepath.Join(tree, newestDump)); err != nil {
		return fmt.Errorf("find the image's pg_dump: %w", err)
	}
	return errors.Join(os.Mkdir(filepath.Join(tree, "own"), 0o755), os.WriteFile(filepath.Join(tree, "own", "pg_dump"), []byte(script), 0o755))
}
