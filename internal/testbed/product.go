package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
	"github.com/circleci-dr/circleci-dr/internal/testbed/gobuild"
)

// productDir keeps what was built from this checkout; each checkout has its own.
func productDir(c checkout) string {
	return filepath.Join(c.cache.Dir, "product", cache.Key(c.root))
}

// buildProduct compiles the product's command of this checkout.
func buildProduct(ctx context.Context, c checkout, note func(string)) (string, error) {
	out := filepath.Join(productDir(c), "circleci-dr")
	// Always through go: it knows best what changed, and is quick when nothing did.
	return out, gobuild.Build(ctx, gobuild.Target{Dir: c.root, Package: "./cmd/circleci-dr"}, out, note)
}

func readProductImage(c checkout) (string, error) {
	data, err := os.ReadFile(filepath.Join(productDir(c), "image"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the product image's name: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

func writeProductImage(c checkout, name string) error {
	if err := os.WriteFile(filepath.Join(productDir(c), "image"), []byte(name+"\n"), 0o644); err != nil {
		return fmt.Errorf("record the product image's name: %w", err)
	}
	return nil
}
