package proc

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// keepInherited keeps to this process what its caller left open in it: a
// process that lives on would hold the caller's lock for ever, and whoever reads
// the caller's pipe would never see its end. Go's own descriptors are kept
// already; those of the standard streams are set for every process anyway.
func keepInherited() error {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("list our own descriptors: %w", err)
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd) // of one that was closed meanwhile it is a no-op
		}
	}
	return nil
}
