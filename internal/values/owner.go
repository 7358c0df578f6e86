package values

import (
	"os"
	"syscall"
)

// keepOwner gives a new file the owner of the one it replaces, where they
// differ: root edits a file for somebody else.
func (t target) keepOwner(f *os.File) error {
	old, err := os.Stat(t.real)
	if err != nil {
		return err
	}
	now, err := f.Stat()
	if err != nil {
		return err
	}
	was, ok := old.Sys().(*syscall.Stat_t)
	is, same := now.Sys().(*syscall.Stat_t)
	if !ok || !same || was.Uid == is.Uid && was.Gid == is.Gid {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}
