package pgtest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Debian's package of pg_partman: SQL, and a worker that no test loads. The SQL
// is the same for every major.
const (
	// PartmanPublished leaves the control file as it is published, see Options.
	PartmanPublished = "# as published"

	partmanPackage = "postgresql-15-partman=4.7.2-1"
	partmanSum     = "ffb6e6befd4d6e19d0f93e92517aee482f5394f1850d63052530e81893fa927c"
)

// partman is the directory with the extension's files, fetched once.
func partman(ctx context.Context) (string, error) {
	dir, err := once("partman-4.7.2", "pg_partman.control", func(work string) (string, error) { return fetchPartman(ctx, work) })
	if err != nil {
		return "", fmt.Errorf("fetch pg_partman: %w", err)
	}
	return dir, nil
}

func fetchPartman(ctx context.Context, work string) (string, error) {
	download := func() error { return command(ctx, work, "apt-get", "-q", "download", partmanPackage) }
	err := download()
	if err != nil { // a machine that was never asked does not know its packages
		err = errors.Join(command(ctx, work, "apt-get", "-q", "update"), download())
	}
	if err != nil {
		return "", err
	}
	file, err := pinned(filepath.Join(work, "*.deb"), partmanPackage, partmanSum)
	if err != nil {
		return "", err
	}
	tree := filepath.Join(work, "tree")
	return filepath.Join(tree, "usr/share/postgresql/15/extension"), command(ctx, work, "dpkg-deb", "-x", file, tree)
}

// pinned is the one file of a pattern that a package was downloaded to, when it
// is what its SHA-256 says.
func pinned(pattern, name, sum string) (string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("download %s: expected one file, got %d", name, len(files))
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		return "", fmt.Errorf("read %s: %w", files[0], err)
	}
	if got := sha256.Sum256(raw); hex.EncodeToString(got[:]) != sum {
		return "", fmt.Errorf("check %s: the SHA-256 is not the pinned one", name)
	}
	return files[0], nil
}

func command(ctx context.Context, dir, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(out))
	}
	return nil
}

// withPartman is a copy of a server with pg_partman beside it, made once for
// each text of its control file. The server finds its files from where its
// program lies, so that the program is copied too.
func withPartman(ctx context.Context, bin string, major int, control string) (string, error) {
	extension, err := partman(ctx)
	if err != nil {
		return "", err
	}
	program, err := os.Stat(filepath.Join(bin, "bin", "postgres"))
	if err != nil {
		return "", fmt.Errorf("find PostgreSQL %d: %w", major, err)
	}
	lib, share := "", "share/postgresql"
	if bin == systemDir { // as the distribution lays it out below /usr
		lib, share = "lib/postgresql/15", "share/postgresql/15"
	}
	key := sha256.Sum256([]byte(control))
	name := fmt.Sprintf("partman-%d-%d-%d-%x", major, program.Size(), program.ModTime().UnixNano(), key[:4])
	root, err := once(name, filepath.Join(share, "extension", "pg_partman.control"), func(work string) (string, error) {
		tree := filepath.Join(work, "tree")
		return tree, copyServer(ctx, bin, tree, lib, share, extension, control)
	})
	return filepath.Join(root, lib), err
}

func copyServer(ctx context.Context, bin, tree, lib, share, extension, control string) error {
	if err := os.MkdirAll(filepath.Join(tree, lib), 0o755); err != nil {
		return fmt.Errorf("copy server: %w", err)
	}
	parts := [][2]string{{filepath.Join(bin, "bin"), lib}, {filepath.Join(bin, "lib"), lib}, {filepath.Join(bin, "share"), ""}}
	if bin == systemDir {
		parts[2] = [2]string{"/usr/share/postgresql/15/.", share}
	}
	for _, p := range parts {
		if err := os.MkdirAll(filepath.Join(tree, p[1]), 0o755); err != nil {
			return fmt.Errorf("copy server: %w", err)
		}
		if err := command(ctx, tree, "cp", "-aL", p[0], filepath.Join(tree, p[1])); err != nil {
			return err
		}
	}
	to := filepath.Join(tree, share, "extension")
	if err := command(ctx, tree, "cp", "-a", extension+"/.", to); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(to, "pg_partman.control"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("write control file: %w", err)
	}
	_, err = f.WriteString("\n" + control + "\n")
	return errors.Join(err, f.Close())
}
