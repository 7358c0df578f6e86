package proc

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func table(t *testing.T) Table {
	t.Helper()
	dir := t.TempDir()
	return Table{Dir: dir + "/pids", LogDir: dir + "/log", Mark: dir}
}

var sleeper = Spec{Name: "sleeper", Args: []string{"sleep", "1000"}}

func TestStartFindStop(t *testing.T) {
	tb, ctx := table(t), context.Background()
	if _, state := tb.Find("sleeper"); state != Absent {
		t.Fatalf("before the start: %s, want %s", state, Absent)
	}
	if started, err := tb.Ensure(ctx, sleeper); err != nil || !started {
		t.Fatalf("first Ensure: %v, %v", started, err)
	}
	first, state := tb.Find("sleeper")
	if state != Running {
		t.Fatalf("after the start: %s, want %s", state, Running)
	}
	if started, err := tb.Ensure(ctx, sleeper); err != nil || started {
		t.Fatalf("second Ensure: %v, %v; want nothing done", started, err)
	}
	other := sleeper
	other.Inputs = []string{"another configuration"}
	if _, state := tb.Compare(other); state != Foreign {
		t.Fatalf("with other inputs: %s, want %s", state, Foreign)
	}
	if started, err := tb.Ensure(ctx, other); err != nil || !started {
		t.Fatalf("Ensure with other inputs: %v, %v", started, err)
	}
	second, _ := tb.Find("sleeper")
	if second.PID == first.PID {
		t.Fatalf("process %d was not restarted", first.PID)
	}
	if err := tb.Stop(ctx, "sleeper", syscall.SIGTERM, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, state := tb.Find("sleeper"); state != Absent {
		t.Fatalf("after the stop: %s, want %s", state, Absent)
	}
}

// A record whose process id now belongs to another process must count as dead,
// and that other process must not be signalled.
func TestReusedProcessID(t *testing.T) {
	tb := table(t)
	if err := os.MkdirAll(tb.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	stranger := exec.Command("sleep", "1000")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = stranger.Process.Kill(), stranger.Wait() }()
	start, _, err := stat(stranger.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	records := map[string]Record{
		"start": {Name: "start", PID: stranger.Process.Pid, Start: start - 1, Boot: bootID()},
		"boot":  {Name: "boot", PID: stranger.Process.Pid, Start: start, Boot: "another boot"},
	}
	for name, r := range records {
		if err := tb.write(r); err != nil {
			t.Fatal(err)
		}
		if _, state := tb.Find(name); state != Dead {
			t.Errorf("other %s: %s, want %s", name, state, Dead)
		}
		if err := tb.Stop(context.Background(), name, syscall.SIGKILL, time.Minute); err != nil {
			t.Error(err)
		}
	}
	if _, letter, err := stat(stranger.Process.Pid); err != nil || letter == 'Z' {
		t.Fatalf("the stranger was killed: state %c, %v", letter, err)
	}
}

func TestKilledProcessIsDead(t *testing.T) {
	tb := table(t)
	if err := tb.Start(sleeper); err != nil {
		t.Fatal(err)
	}
	r, _ := tb.Find("sleeper")
	if err := syscall.Kill(r.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if !waitGone(context.Background(), r.alive, time.Minute) {
		t.Fatal("the process is still there")
	}
	if _, state := tb.Find("sleeper"); state != Dead {
		t.Fatalf("after kill -9: %s, want %s", state, Dead)
	}
}

// A process is found by its mark when its record was never written.
func TestKillMarkedWithoutRecord(t *testing.T) {
	tb := table(t)
	spec := Spec{Name: "parent", Args: []string{"sh", "-c", "sleep 1000 & wait"}}
	if err := tb.Start(spec); err != nil {
		t.Fatal(err)
	}
	r, _ := tb.Find("parent")
	if err := os.Remove(tb.Dir + "/parent.json"); err != nil {
		t.Fatal(err)
	}
	if err := tb.KillMarked(context.Background(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if r.alive() || len(tb.Marked()) != 0 {
		t.Fatalf("left: parent alive %v, marked %v", r.alive(), tb.Marked())
	}
}

func TestTruncatedRecordIsAbsent(t *testing.T) {
	tb := table(t)
	if err := os.MkdirAll(tb.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tb.Dir+"/x.json", []byte(`{"name":"x","pi`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, state := tb.Find("x"); state != Absent {
		t.Fatalf("%s, want %s", state, Absent)
	}
	if names := strings.Join(tb.Names(), ","); names != "x" {
		t.Fatalf("names %q", names)
	}
}

// What the caller left open must not live on in what is started: a lock would
// stay taken, and the reader of a pipe would wait for ever.
func TestNothingOfTheCallerIsInherited(t *testing.T) {
	file := t.TempDir() + "/lock"
	fd, err := syscall.Open(file, syscall.O_CREAT|syscall.O_RDWR, 0o600) // as a shell leaves it: not close-on-exec
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	tb, ctx := table(t), context.Background()
	if err := tb.Start(sleeper); err != nil {
		t.Fatal(err)
	}
	defer tb.Stop(ctx, "sleeper", syscall.SIGKILL, time.Minute)
	r, _ := tb.Find("sleeper")
	dir := "/proc/" + strconv.Itoa(r.PID) + "/fd/"
	open, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range open {
		if name, err := os.Readlink(dir + e.Name()); err == nil && name == file {
			t.Errorf("descriptor %s of the started process is the caller's %s", e.Name(), name)
		}
	}
}
