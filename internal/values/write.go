package values

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// target is a file that will be replaced.
type target struct {
	path string // as declared
	real string // behind symbolic links
	mode os.FileMode
	was  []byte
	data []byte
}

// Write replaces the files that change. All are looked at before the first one
// is touched; each is replaced as a whole or not at all. It returns the files
// written, also beside an error.
func (e *Edit) Write() ([]string, error) {
	var targets []target
	var failed []error
	for i, d := range e.after {
		if bytes.Equal(d.data, e.before[i].data) {
			continue
		}
		t, err := writable(d.path)
		t.was, t.data = e.before[i].data, d.data
		targets, failed = append(targets, t), append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	var written []string
	for _, t := range targets {
		if err := t.replace(); err != nil {
			return written, fmt.Errorf("write values file %s: %w", t.path, err)
		}
		written = append(written, t.path)
	}
	return written, nil
}

// writable follows links and tells whether the file may be replaced. Renaming
// over a file needs no right on it, but its owner made it read-only for a reason.
func writable(path string) (target, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return target{}, fmt.Errorf("write values file: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return target{}, fmt.Errorf("write values file: %w", err)
	}
	if info.Mode().Perm()&0o222 == 0 {
		return target{}, &Refusal{File: path, What: "is read-only", Fix: "make it writable, or run circleci-dr values and edit it by hand"}
	}
	f, err := os.OpenFile(real, os.O_WRONLY, 0)
	if err != nil {
		return target{}, fmt.Errorf("write values file: %w", err)
	}
	return target{path: path, real: real, mode: info.Mode()}, f.Close()
}

// replace writes a file beside the old one and renames it over it.
func (t target) replace() error {
	f, err := os.CreateTemp(filepath.Dir(t.real), "."+filepath.Base(t.real)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // after the rename it is not there any more
	_, err = f.Write(t.data)
	err = errors.Join(err, t.keepOwner(f), f.Chmod(t.mode.Perm()), f.Sync())
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	now, err := os.ReadFile(t.real)
	if err != nil {
		return err
	}
	if !bytes.Equal(now, t.was) {
		return errors.New("it was changed meanwhile; run it again")
	}
	if err := os.Rename(f.Name(), t.real); err != nil {
		return err
	}
	return syncDir(filepath.Dir(t.real))
}

// syncDir makes a rename outlive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
