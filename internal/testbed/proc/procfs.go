package proc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// stat reads the start time and the state letter of a process.
func stat(pid int) (start uint64, state byte, err error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	// The second field is the name in parentheses and may hold anything.
	i := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[i+1:]))
	if i < 0 || len(fields) < 20 {
		return 0, 0, fmt.Errorf("look at process %d: its stat is too short", pid)
	}
	start, err = strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("look at process %d: %w", pid, err)
	}
	return start, fields[0][0], nil
}

// alive says whether the recorded process, not another with its id, runs. A
// zombie is dead: some init processes reap slowly.
func (r Record) alive() bool {
	if r.Boot != bootID() {
		return false
	}
	start, state, err := stat(r.PID)
	return err == nil && start == r.Start && state != 'Z' && state != 'X'
}

// bootID is the kernel's name for this boot.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // then all records are of the same, nameless boot
	}
	return strings.TrimSpace(string(data))
}

// BootID is the kernel's name for this boot.
func BootID() string { return bootID() }

func (s Spec) digest() string {
	h := sha256.New()
	for _, list := range [][]string{{s.Name, strconv.Itoa(int(s.UID))}, s.Args, s.Env, s.Inputs} {
		fmt.Fprintf(h, "[%d]", len(list))
		for _, x := range list {
			fmt.Fprintf(h, "%d:%s", len(x), x)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Marked lists the running processes that carry the table's mark, recorded or not.
func (t Table) Marked() []int {
	want := []byte(markVariable + "=" + t.Mark)
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil // the pattern is constant and well formed
	}
	var pids []int
	for _, dir := range dirs {
		env, err := os.ReadFile(filepath.Join(dir, "environ"))
		if err != nil {
			continue // gone in the meantime
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() {
			continue
		}
		for _, v := range bytes.Split(env, []byte{0}) {
			if bytes.Equal(v, want) {
				pids = append(pids, pid)
				break
			}
		}
	}
	return pids
}

// KillMarked kills every process with the table's mark until none is left.
func (t Table) KillMarked(ctx context.Context, patience time.Duration) error {
	return KillAll(ctx, patience, "kill what is left of the testbed", func() ([]int, error) { return t.Marked(), nil })
}

// KillAll kills the listed processes until the list is empty; what names the
// attempt in the error.
func KillAll(ctx context.Context, patience time.Duration, what string, list func() ([]int, error)) error {
	for end := time.Now().Add(patience); ; {
		pids, err := list()
		if err != nil || len(pids) == 0 {
			return err
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return fmt.Errorf("%s: processes %v are still there", what, pids)
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may be gone; the next look tells
		}
		time.Sleep(20 * time.Millisecond)
	}
}
