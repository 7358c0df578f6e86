// Package cache keeps what is slow to make, by the hash of what it was made
// from, in a directory outside the working tree. It knows nothing of what is
// kept; it must never be told to keep something whose inputs are not in its key.
package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Variable names the environment variable that moves the cache elsewhere.
const Variable = "CIRCLECI_DR_TESTBED_CACHE"

const folder = "circleci-dr-testbed"

// publicFallback serves unprivileged processes when root's own cache directory
// lies behind a directory that only root may enter.
const publicFallback = "/var/cache/" + folder

// Cache is a directory of things that can be made again.
type Cache struct {
	// Dir is for the user who runs the testbed.
	Dir string
	// Public is for what other users must be able to read and execute, such
	// as the PostgreSQL servers, which refuse to run as root.
	Public string
}

// Open finds the cache directory and makes it.
func Open() (Cache, error) {
	dir := os.Getenv(Variable)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return Cache{}, fmt.Errorf("find the cache directory: %w; set %s", err, Variable)
		}
		dir = filepath.Join(base, folder)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Cache{}, fmt.Errorf("find the cache directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Cache{}, fmt.Errorf("make the cache directory: %w; set %s to a writable one", err, Variable)
	}
	c := Cache{Dir: dir, Public: dir}
	if !enterable(dir) {
		c.Public = publicFallback
	}
	return c, nil
}

// enterable says whether every user may enter dir and all its parents.
func enterable(dir string) bool {
	for {
		info, err := os.Stat(dir)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return true
		}
		dir = parent
	}
}

// Once returns path, calling make first when it does not exist. make fills a
// temporary path beside it, which is renamed only when it is whole and on
// disk: a kill or a machine reset in between leaves nothing that looks done.
// Two processes that want the same path make it once.
func Once(ctx context.Context, path string, make func(tmp string) error) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make the cache directory: %w", err)
	}
	unlock, err := lock(ctx, filepath.Dir(path))
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	tmp := path + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return fmt.Errorf("clear %s: %w", tmp, err)
	}
	if err := make(tmp); err != nil {
		return err
	}
	if err := Sync(filepath.Dir(path)); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("keep %s: %w", path, err)
	}
	return nil
}

// lock takes the lock of one cache directory. The lock is on the directory
// itself, so it leaves no file behind and a killed holder lets go of it.
func lock(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the cache: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil // closing it is what unlocks
		}
		if err != syscall.EWOULDBLOCK && err != syscall.EINTR {
			_ = f.Close() // the lock's own failure is the one to report
			return nil, fmt.Errorf("lock %s: %w", dir, err)
		}
		select {
		case <-ctx.Done():
			_ = f.Close() // nothing was locked
			return nil, fmt.Errorf("wait for the lock of %s: %w", dir, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Sync writes the file system that holds dir to disk.
func Sync(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	defer f.Close()
	const syncfs = 306 // linux/amd64; package syscall has no name for it
	if _, _, errno := syscall.Syscall(syncfs, f.Fd(), 0, 0); errno != 0 {
		return fmt.Errorf("sync %s: %w", dir, errno)
	}
	return nil
}

// Key is a short name for the given parts.
func Key(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))[:16]
}

// FileSum is the SHA-256 of a file in hex.
func FileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("hash a file: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("hash %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Pinned runs a client that leaves one file with a name like pattern in dir,
// checks the file's SHA-256 and moves it to path. The directory is removed.
func Pinned(what string, client *exec.Cmd, dir, pattern, sum, path string) error {
	defer os.RemoveAll(dir)   // a leftover is overwritten next time
	client.Dir = os.TempDir() // a client's settings in the working directory must not matter
	if out, err := client.CombinedOutput(); err != nil {
		return fmt.Errorf("download %s: %w: %s", what, err, strings.TrimSpace(string(out)))
	}
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) != 1 {
		return fmt.Errorf("download %s: expected one %s, found %d", what, pattern, len(files))
	}
	got, err := FileSum(files[0])
	if err != nil {
		return err
	}
	if got != sum {
		return fmt.Errorf("download %s: the SHA-256 is %s, expected %s; it is not the pinned file, nothing of it is used", what, got, sum)
	}
	return os.Rename(files[0], path)
}

// FolderSum is a hash over the names and contents of the files directly in
// dir whose names end in one of the suffixes. A folder that does not exist
// has a sum of its own.
func FolderSum(dir string, suffixes ...string) (string, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return Key(), nil
	}
	if err != nil {
		return "", fmt.Errorf("hash a folder: %w", err)
	}
	var parts []string
	for _, e := range entries {
		if e.IsDir() || !slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(e.Name(), s) }) {
			continue
		}
		sum, err := FileSum(filepath.Join(dir, e.Name()))
		if err != nil {
			return "", err
		}
		parts = append(parts, e.Name(), sum)
	}
	return Key(parts...), nil
}
