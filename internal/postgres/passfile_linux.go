package postgres

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// passFile is a .pgpass in memory.
func passFile(password string) (*os.File, error) {
	fd, err := unix.MemfdCreate("pgpass", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make password file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "pgpass")
	if err := f.Chmod(0o600); err != nil { // libpq ignores a file that others may read
		return nil, errors.Join(fmt.Errorf("make password file in memory: %w", err), f.Close())
	}
	line := "*:*:*:*:" + strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace(password) + "\n"
	if _, err := f.WriteString(line); err != nil {
		return nil, errors.Join(fmt.Errorf("write password file in memory: %w", err), f.Close())
	}
	return f, nil
}
