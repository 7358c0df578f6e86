//go:build !linux

package postgres

import (
	"errors"
	"os"
)

// passFile is a .pgpass in memory, which only Linux has. Movers run in a
// cluster's pods; elsewhere the same binary plans and applies.
func passFile(string) (*os.File, error) {
	return nil, errors.New("make password file in memory: this machine has no memfd_create; a mover runs on Linux only")
}
