package external

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
)

// Stop ends every server and what a killed one left: its backends and its
// shared memory. The data directories go with the runtime directory.
func Stop(ctx context.Context) error {
	var errs []error
	for _, s := range Servers {
		// The server's immediate shutdown: its data goes too.
		errs = append(errs, cluster.Parts().Stop(ctx, s.Name(), syscall.SIGQUIT, 5*time.Second))
		errs = append(errs, killBackends(ctx, s.data()), removeSharedMemory(s.data()))
	}
	for _, s := range MongoServers {
		// One process, whose data goes too.
		errs = append(errs, cluster.Parts().Stop(ctx, s.Name(), syscall.SIGKILL, 5*time.Second))
	}
	return errors.Join(errs...)
}

// killBackends ends the processes of a server whose main process is gone. They
// have overwritten their environment with a title, but work in its directory.
func killBackends(ctx context.Context, data string) error {
	for end := time.Now().Add(5 * time.Second); ; {
		dirs, err := filepath.Glob("/proc/[0-9]*")
		if err != nil {
			return err
		}
		left := 0
		for _, dir := range dirs {
			cwd, err := os.Readlink(filepath.Join(dir, "cwd"))
			if err != nil || cwd != data {
				continue // gone, or another's
			}
			if pid, err := strconv.Atoi(filepath.Base(dir)); err == nil && ownedByServers(dir) {
				left++
				_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone; the next look tells
			}
		}
		if left == 0 {
			return nil
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("end the backends in %s: %d are still there", data, left)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// ownedByServers spares a person who looks around in the data directory.
func ownedByServers(procDir string) bool {
	info, err := os.Stat(procDir)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Uid == uid
}

// removeSharedMemory removes the segment that the server's pid file names, if
// nobody is attached any more: a killed server leaves it in the kernel.
func removeSharedMemory(data string) error {
	pidFile, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if errors.Is(err, os.ErrNotExist) {
		return nil // stopped in good order, or never started
	}
	if err != nil {
		return fmt.Errorf("find the shared memory of %s: %w", data, err)
	}
	lines := strings.Split(string(pidFile), "\n")
	if len(lines) < 7 {
		return nil // killed before it had one
	}
	key, err := strconv.ParseInt(firstWord(lines[6]), 10, 64)
	if err != nil {
		return nil // the same
	}
	const rmid = 0
	// By key, not by the recorded id: after a restart of the machine ids are
	// dealt out anew, while nobody else uses the key of this directory's inode.
	id, _, errno := syscall.Syscall(syscall.SYS_SHMGET, uintptr(key), 0, 0)
	if errno != 0 {
		return nil // there is none
	}
	if _, _, errno := syscall.Syscall(syscall.SYS_SHMCTL, id, rmid, 0); errno != 0 && errno != syscall.EINVAL {
		return fmt.Errorf("remove the shared memory of %s: %w", data, errno)
	}
	return nil
}

func firstWord(line string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
	return word
}
