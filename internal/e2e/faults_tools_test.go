//go:build testbed && faults

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"helm.sh/helm/v3/pkg/release"
)

// running is a run of the product that a test lets go on meanwhile.
type running struct {
	site *site
	name string
	cmd  *exec.Cmd
	out  bytes.Buffer
	errs shared
	done chan error
}

// shared is a buffer that may be read while a process writes to it.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *shared) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *shared) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// begin starts the product in the site's directory.
func (s *site) begin(vars []string, args ...string) *running {
	s.t.Helper()
	r := &running{site: s, name: args[0], cmd: s.command(s.t.Context(), vars, args...), done: make(chan error, 1)}
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.errs
	if err := r.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() { r.done <- r.cmd.Wait() }()
	t := s.t
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s has said:\n%s%s", r.name, r.talk(), r.out.String())
		}
	})
	return r
}

// talk is what it has said on stderr so far.
func (r *running) talk() string { return r.errs.String() }

func (r *running) signal(sig syscall.Signal) {
	r.site.t.Helper()
	if err := r.cmd.Process.Signal(sig); err != nil {
		r.site.t.Fatalf("signal %s: %v", r.name, err)
	}
}

// wait waits for its end, as long as run does.
func (r *running) wait() outcome {
	r.site.t.Helper()
	select {
	case err := <-r.done:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			r.site.t.Fatalf("circleci-dr %s: %v", r.name, err)
		}
	case <-time.After(8 * time.Minute):
		_ = r.cmd.Process.Kill() // it is reported below
		r.site.t.Fatalf("circleci-dr %s does not end; it said\n%s", r.name, r.talk())
	}
	o := outcome{code: r.cmd.ProcessState.ExitCode(), out: r.out.String(), err: r.talk()}
	o.killed = o.code == -1
	r.site.noSecrets("the output of "+r.name, o.out+o.err)
	return o
}

// frozen is the process of a mover that a test has stopped.
type frozen struct{ pid int }

// thaw lets it go on; it may be gone with its pod.
func (f frozen) thaw() { _ = syscall.Kill(f.pid, syscall.SIGCONT) }

// copier is the process that copies one engine's data, 0 when there is none;
// others are not meant.
func (s *site) copier(datastore string, others []frozen) int {
	for _, pid := range s.processes("circleci-dr", "mover") {
		if slices.Contains(others, frozen{pid}) {
			continue
		}
		request, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/run/circleci-dr/request/request.json", pid))
		if err == nil && bytes.Contains(request, []byte(`"operation":"copy"`)) && bytes.Contains(request, []byte(`"engine":"`+datastore+`"`)) {
			return pid
		}
	}
	return 0
}

// holdCopy stops a mover in the middle of its copy: it lets it run for a
// moment at a time until it has sessions enough on the target's port.
func (s *site) holdCopy(port string, others ...frozen) frozen {
	s.t.Helper()
	datastore := "postgresql"
	if strings.HasPrefix(port, "27") {
		datastore = "mongodb"
	}
	const enough = 4 // the holder, its watch, and two that copy
	var f frozen
	eventually(s.t, "a mover copies to port "+port, func() bool {
		for f.pid = s.copier(datastore, others); f.pid != 0; {
			if syscall.Kill(f.pid, syscall.SIGSTOP) != nil {
				return false
			}
			n := connections(f.pid, port)
			if n >= enough {
				return true
			}
			f.thaw()
			time.Sleep(5 * time.Millisecond) // the moment it runs
			if n < 0 {
				return false
			}
		}
		return false
	})
	return f
}

// connections counts a pod's established connections to a port; -1 when the
// pod has gone.
func connections(pid int, port string) int {
	table, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/tcp", pid))
	if err != nil {
		return -1
	}
	number, _ := strconv.Atoi(port) // a constant of the test
	n := 0
	for line := range strings.Lines(string(table)) {
		if fields := strings.Fields(line); len(fields) > 3 && strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", number)) && fields[3] == "01" {
			n++
		}
	}
	return n
}

// endPart sends a signal to one part of the testbed and waits for its end.
func (s *site) endPart(part string, sig syscall.Signal) {
	s.t.Helper()
	pid := s.partPID(part)
	s.t.Cleanup(s.repair) // whatever becomes of the test
	if err := syscall.Kill(pid, sig); err != nil {
		s.t.Fatalf("end %s: %v", part, err)
	}
	eventually(s.t, part+" has ended", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return err != nil || bytes.Contains(stat, []byte(") Z ")) // whose parent does not ask
	})
}

// partPID is the process of a part of the testbed.
func (s *site) partPID(part string) int {
	s.t.Helper()
	record, err := os.ReadFile(filepath.Join(env(s.t, "CIRCLECI_DR_TESTBED"), "pids", part+".json"))
	if err != nil {
		s.t.Fatal(err)
	}
	var p struct{ PID int }
	if err := json.Unmarshal(record, &p); err != nil || p.PID <= 1 {
		s.t.Fatalf("the record of %s: %v, %s", part, err, record)
	}
	return p.PID
}

// repair starts what the testbed lacks.
func (s *site) repair() { s.testbed("up", "--without-product") }

// leavePending leaves the newest revision as a helm upgrade that was killed
// would, the one before it still deployed; the function it gives puts both
// back.
func (s *site) leavePending(description string) (undo func()) {
	s.t.Helper()
	releases := s.history().Releases
	newest, err := releases.Last("circleci-server")
	if err != nil {
		s.t.Fatal(err)
	}
	former, err := releases.Get("circleci-server", newest.Version-1)
	if err != nil {
		s.t.Fatal(err)
	}
	set := func(r *release.Release, status release.Status, text string) {
		r.Info.Status, r.Info.Description = status, text
		if err := releases.Update(r); err != nil {
			s.t.Fatal(err)
		}
	}
	was := newest.Info.Description
	set(newest, release.StatusPendingUpgrade, description)
	set(former, release.StatusDeployed, former.Info.Description)
	return func() {
		set(former, release.StatusSuperseded, former.Info.Description)
		set(newest, release.StatusDeployed, was)
	}
}

// fillDisk has the kubelet find its disk full: it wants almost all of it free.
// It evicts pods and takes no new ones until the function it gives is called.
func (s *site) fillDisk() (empty func()) {
	s.t.Helper()
	pid := s.partPID("kubelet")
	args, vars := s.nulls(pid, "cmdline"), s.nulls(pid, "environ")
	const flag = "--config="
	i := slices.IndexFunc(args, func(a string) bool { return strings.HasPrefix(a, flag) })
	if i < 0 {
		s.t.Fatalf("the kubelet runs with %q", args)
	}
	config, err := os.ReadFile(strings.TrimPrefix(args[i], flag))
	if err != nil {
		s.t.Fatal(err)
	}
	text := string(config)
	for _, change := range [][2]string{
		{"nodefs.available: 1%", "nodefs.available: 99%"},
		{"localStorageCapacityIsolation: false", "localStorageCapacityIsolation: true"}, // else it does not look
		{"volumeStatsAggPeriod: 0s", "volumeStatsAggPeriod: 10s"},
	} {
		if !strings.Contains(text, change[0]) {
			s.t.Fatalf("the kubelet's configuration has no %q", change[0])
		}
		text = strings.ReplaceAll(text, change[0], change[1])
	}
	args[i] = flag + s.write("kubelet.yaml", text)
	s.endPart("kubelet", syscall.SIGTERM)
	var log shared
	kubelet := exec.Command(args[0], args[1:]...)
	kubelet.Args[0], kubelet.Path = "kubelet", args[0]
	kubelet.Env, kubelet.Stdout, kubelet.Stderr = vars, &log, &log
	if err := kubelet.Start(); err != nil {
		s.t.Fatal(err)
	}
	empty = sync.OnceFunc(func() {
		_ = kubelet.Process.Signal(syscall.SIGTERM) // Wait tells
		_ = kubelet.Wait()
		s.repair()
	})
	s.t.Cleanup(empty)
	return empty
}

// nulls reads a list of the process file system that zero bytes end.
func (s *site) nulls(pid int, file string) []string {
	s.t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}
