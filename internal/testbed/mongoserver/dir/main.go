// Command dir prints the directory of the MongoDB server of the release given
// as its argument, and fetches it first where it is missing. Tests of other
// modules call it with the module's root as working directory.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
)

func main() {
	dir, err := find(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(dir)
}

func find(ctx context.Context, args []string) (string, error) {
	if len(args) != 1 {
		return "", fmt.Errorf("usage: dir RELEASE, one of %v", mongoserver.Releases)
	}
	c, err := cache.Open()
	if err != nil {
		return "", err
	}
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module's root: %w", err)
	}
	s := mongoserver.Source{Cache: c, PostgreSQL: pgserver.Source{Cache: c, Extension: filepath.Join(wd, "seed", "extension")}}
	return s.Fetch(ctx, args[0], func(what string) { fmt.Fprintln(os.Stderr, what) })
}
