// Package proc runs processes that outlive the program that starts them and
// finds them again. It knows process ids and why not to trust them: an id is
// reused, so a record also holds the start time and the boot it is from. It
// knows nothing of what the processes do.
package proc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"syscall"
	"time"
)

// markVariable is in the environment of every process started here, and so in
// that of its children: it finds those whose record was never written.
const markVariable = "CIRCLECI_DR_TESTBED_OWNER"

// Table is a set of named processes.
type Table struct {
	// Dir holds the records.
	Dir string
	// LogDir holds one log per process.
	LogDir string
	// Mark tells the processes of this table from all others.
	Mark string
}

// Spec is a process to start.
type Spec struct {
	Name string
	Args []string
	Env  []string
	// UID is the user and group it runs as; 0 is root.
	UID uint32
	// Inputs are the contents of the files it reads at the start: when they
	// change, the process is not the wanted one any more.
	Inputs []string
}

// Record is what is known of a started process.
type Record struct {
	Name   string `json:"name"`
	PID    int    `json:"pid"`
	Start  uint64 `json:"start"` // in clock ticks since boot
	Boot   string `json:"boot"`
	Digest string `json:"digest"` // of the Spec
}

// State is what a process is found to be.
type State string

// The states of a process.
const (
	Running State = "running"
	Dead    State = "dead"    // there is a record, and no such process
	Absent  State = "absent"  // there is no record
	Foreign State = "changed" // running, but not with the wanted arguments
)

// Start starts s, in a session of its own with its log file as output.
func (t Table) Start(s Spec) error {
	for _, dir := range []string{t.Dir, t.LogDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("start %s: %w", s.Name, err)
		}
	}
	log, err := os.OpenFile(t.Log(s.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	defer log.Close()
	if err := keepInherited(); err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	//nolint:noctx // it outlives whoever starts it
	cmd := exec.Command(s.Args[0], s.Args[1:]...)
	cmd.Dir = "/" // keep no other directory busy
	// Not our own environment: what a process does must not depend on who ran up.
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "LANG=C.UTF-8",
		markVariable + "=" + t.Mark}, s.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if s.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: s.UID, Gid: s.UID}
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	start, _, err := stat(cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("start %s: %w", s.Name, err)
	}
	// Reap it when it dies while we live; its exit is seen by Find.
	go func() { _ = cmd.Wait() }()
	return t.write(Record{Name: s.Name, PID: cmd.Process.Pid, Start: start, Boot: bootID(), Digest: s.digest()})
}

func (t Table) write(r Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("record %s: %w", r.Name, err)
	}
	file := filepath.Join(t.Dir, r.Name+".json")
	if err := os.WriteFile(file+".tmp", data, 0o644); err != nil {
		return fmt.Errorf("record %s: %w", r.Name, err)
	}
	if err := os.Rename(file+".tmp", file); err != nil {
		return fmt.Errorf("record %s: %w", r.Name, err)
	}
	return nil
}

// Log is the path of a process's log.
func (t Table) Log(name string) string { return filepath.Join(t.LogDir, name+".log") }

// Find looks up a process. A record that cannot be read counts as absent: it
// is from a killed writer, and the mark still finds the process.
func (t Table) Find(name string) (Record, State) {
	data, err := os.ReadFile(filepath.Join(t.Dir, name+".json"))
	if err != nil {
		return Record{}, Absent
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil || r.PID <= 0 {
		return Record{}, Absent
	}
	if r.alive() {
		return r, Running
	}
	return r, Dead
}

// Compare is Find that also tells a process started with other arguments.
func (t Table) Compare(s Spec) (Record, State) {
	r, state := t.Find(s.Name)
	if state == Running && r.Digest != s.digest() {
		state = Foreign
	}
	return r, state
}

// Names lists the recorded processes.
func (t Table) Names() []string {
	files, err := filepath.Glob(filepath.Join(t.Dir, "*.json"))
	if err != nil {
		return nil // the pattern is constant and well formed
	}
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".json"))
	}
	sort.Strings(names)
	return names
}

// Ensure starts s unless it runs already with the same arguments and inputs.
func (t Table) Ensure(ctx context.Context, s Spec) (started bool, err error) {
	_, state := t.Compare(s)
	if state == Running {
		return false, nil
	}
	if state == Foreign {
		if err := t.Stop(ctx, s.Name, syscall.SIGTERM, 5*time.Second); err != nil {
			return false, err
		}
	}
	return true, t.Start(s)
}

// Stop signals a process, waits, kills it if it does not go, and forgets it.
func (t Table) Stop(ctx context.Context, name string, sig syscall.Signal, patience time.Duration) error {
	r, state := t.Find(name)
	if state == Running {
		for _, step := range []struct {
			sig  syscall.Signal
			wait time.Duration
		}{{sig, patience}, {syscall.SIGKILL, 10 * time.Second}} {
			if err := syscall.Kill(r.PID, step.sig); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stop %s: %w", name, err)
			}
			if waitGone(ctx, r.alive, step.wait) {
				break
			}
		}
		if r.alive() {
			return fmt.Errorf("stop %s: process %d is still there after SIGKILL", name, r.PID)
		}
	}
	if err := os.Remove(filepath.Join(t.Dir, name+".json")); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("forget %s: %w", name, err)
	}
	return nil
}

func waitGone(ctx context.Context, alive func() bool, patience time.Duration) bool {
	for end := time.Now().Add(patience); alive(); {
		if time.Now().After(end) || ctx.Err() != nil {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}
