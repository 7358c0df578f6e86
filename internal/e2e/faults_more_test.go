//go:build testbed && faults

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestMoreFaults are real faults of the movers: their pods, their memory, their
// network. All are on one installation: what fails before the switch leaves it
// usable, and the last one ends the move.
func TestMoreFaults(t *testing.T) {
	s := newSite(t, "e2e-faults-more", "5MB")
	before := s.replicas()
	fault := func(name string, f func()) {
		t.Run(name, func(t *testing.T) {
			defer s.as(t)()
			f()
		})
	}
	fault("the source's pod deleted", func() { s.sourceDeleted(before) })
	fault("the mover's pod deleted", func() { s.moverDeleted(before) })
	fault("the mover out of memory", func() { s.outOfMemory(before) })
	fault("the network cut for good", func() { s.cutForGood(before) })
	fault("two movers at once", func() { s.twoMovers(before) })
	fault("MongoDB dies in a move of both", func() { s.mongoDied(before) })
	fault("two interrupts", func() { s.leftAtOnce() })
	fault("evicted, and cut for a while", func() { s.evictedAndCut() })
	fault("killed beside a mesh's container", func() { s.killedInMesh(before) })
	fault("an upgrade of our own pending", func() { s.pendingOfOurs(before) })
}

// failCopy begins an apply, lets a fault happen while the copy is held in the
// middle, and demands that the application is back on its source.
func (s *site) failCopy(before map[string]int32, port string, fault func(frozen)) outcome {
	s.t.Helper()
	_, steps := s.plan()
	a := s.begin(nil, "apply", "--plan", "plan.json", "--accept", acceptAll)
	mover := s.holdCopy(port)
	defer mover.thaw()
	fault(mover)
	o := a.wait()
	if o.code != 1 {
		s.t.Errorf("want exit 1, got %s", o)
	}
	s.wentBack(o, before, steps)
	return o
}

// killedInMesh kills the mover while a mesh's container in its pod lives on: the
// pod never ends by itself.
func (s *site) killedInMesh(before map[string]int32) {
	s.mesh()
	s.failCopy(before, s.out.port, func(m frozen) {
		if err := syscall.Kill(m.pid, syscall.SIGKILL); err != nil {
			s.t.Error(err)
		}
	})
}

func (s *site) sourceDeleted(before map[string]int32) {
	s.failCopy(before, s.out.port, func(m frozen) {
		if err := s.kube.CoreV1().Pods(s.ns).Delete(s.t.Context(), "postgresql-0", metav1.DeleteOptions{}); err != nil {
			s.t.Fatal(err)
		}
		eventually(s.t, "the source has another pod", func() bool {
			pod, err := s.kube.CoreV1().Pods(s.ns).Get(s.t.Context(), "postgresql-0", metav1.GetOptions{})
			return err == nil && pod.DeletionTimestamp == nil
		})
		m.thaw()
	})
}

func (s *site) moverDeleted(before map[string]int32) {
	s.failCopy(before, s.out.port, func(m frozen) {
		pod := s.copyPod()
		if err := s.kube.CoreV1().Pods(s.ns).Delete(s.t.Context(), pod.Name, metav1.DeleteOptions{}); err != nil {
			s.t.Fatal(err)
		}
		m.thaw()
	})
}

// outOfMemory lowers the limit of the mover's control group below what it
// needs, as a limit in the spec that fits small data only.
func (s *site) outOfMemory(before map[string]int32) {
	o := s.failCopy(before, s.out.port, func(m frozen) {
		s.starve(m.pid)
		m.thaw()
	})
	s.contains("apply", o.err, "OOMKilled", "mover.resources.limits.memory")
}

// starve sets the memory limit of a process's control group to the least the
// kernel takes while it lives.
func (s *site) starve(pid int) {
	s.t.Helper()
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(string(groups)) {
		parts := strings.SplitN(strings.TrimSpace(line), ":", 3)
		file := ""
		switch {
		case strings.Contains(parts[1], "memory"):
			file = filepath.Join("/sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes")
		case parts[0] == "0" && parts[1] == "":
			file = filepath.Join("/sys/fs/cgroup", parts[2], "memory.max")
		default:
			continue
		}
		for kib := 1024; kib < 1<<20; kib += 256 {
			if os.WriteFile(file, fmt.Appendf(nil, "%d", kib*1024), 0) == nil {
				s.t.Logf("%s is %d KiB", file, kib)
				return
			}
		}
	}
	s.t.Fatalf("no limit of memory was found in\n%s", groups)
}

// cut drops what pods send to a port of the servers outside, until restore.
func (s *site) cut(port string) (restore func()) {
	s.t.Helper()
	const table = "circleci-dr-faults"
	restore = func() {
		_ = exec.Command("nft", "delete", "table", "inet", table).Run() // it may be restored already
	}
	s.t.Cleanup(restore)
	nft := exec.Command("nft", "-f", "-")
	nft.Stdin = strings.NewReader(fmt.Sprintf("table inet %s {\n chain input {\n type filter hook input priority -20; iifname \"testbed0\" tcp dport %s drop\n }\n}\n", table, port))
	if out, err := nft.CombinedOutput(); err != nil {
		s.t.Fatalf("cut the network: %v: %s", err, out)
	}
	return restore
}

func (s *site) cutForGood(before map[string]int32) {
	begun := time.Now()
	_, steps := s.plan()
	a := s.begin(nil, "apply", "--plan", "plan.json", "--accept", acceptAll)
	mover := s.holdCopy(s.out.port)
	restore := s.cut(s.out.port)
	mover.thaw()
	o := a.wait()
	restore()
	s.t.Logf("noticed after %s", time.Since(begun).Round(time.Second))
	if o.code != 1 {
		s.t.Errorf("want exit 1, got %s", o)
	}
	s.wentBack(o, before, steps)
}

// twoMovers: a second pod with the same request, as after a node that was
// given up and lives on. The newer one takes the target over; an apply after
// it takes it over from that one, which must not come back when it wakes up.
func (s *site) twoMovers(before map[string]int32) {
	var twin frozen
	o := s.failCopy(before, s.out.port, func(m frozen) {
		name := s.twinOf(s.copyPod())
		var pid int
		eventually(s.t, "the second mover copies", func() bool {
			for _, p := range s.processes("circleci-dr", "mover") {
				if host, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/etc/hostname", p)); err == nil && strings.TrimSpace(string(host)) == name && connections(p, s.out.port) >= 3 {
					pid = p
					return syscall.Kill(p, syscall.SIGSTOP) == nil
				}
			}
			return false
		})
		twin = frozen{pid}
		m.thaw()
	})
	s.contains("apply", o.err, "a newer mover has taken over the target")
	_, steps := s.plan()
	a := s.begin([]string{"CIRCLECI_DR_TEST_RUN_AT=prove:end=kill -INT $PPID"}, "apply", "--plan", "plan.json", "--accept", acceptAll)
	next := s.holdCopy(s.out.port, twin)
	twin.thaw()
	eventually(s.t, "the second mover has ended", func() bool {
		pod, err := s.kube.CoreV1().Pods(s.ns).Get(s.t.Context(), "second-mover", metav1.GetOptions{})
		return err == nil && pod.Status.Phase == corev1.PodFailed
	})
	next.thaw()
	o = a.wait()
	if o.code != 130 {
		s.t.Errorf("want exit 130, got %s", o)
	}
	s.contains("apply", o.err, "interrupted")
	s.wentBack(o, before, steps)
}

// copyPod is the pod that copies.
func (s *site) copyPod() corev1.Pod {
	s.t.Helper()
	pods, err := s.kube.CoreV1().Pods(s.ns).List(s.t.Context(), metav1.ListOptions{LabelSelector: batchv1.JobNameLabel})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range pods.Items {
		if strings.HasPrefix(p.Name, "circleci-dr-copy") && p.Status.Phase == corev1.PodRunning {
			return p
		}
	}
	s.t.Fatal("no pod copies")
	return corev1.Pod{}
}

// twinOf makes a pod of its own that does the same, and gives its name.
func (s *site) twinOf(pod corev1.Pod) string {
	s.t.Helper()
	twin := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "second-mover"}, Spec: *pod.Spec.DeepCopy()}
	twin.Spec.NodeName = ""
	if _, err := s.kube.CoreV1().Pods(s.ns).Create(s.t.Context(), twin, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	return twin.Name
}

// mongoDied: in a move of both one target dies; neither is switched.
func (s *site) mongoDied(before map[string]int32) {
	s.declareBoth("external", "external")
	_, steps := s.plan()
	a := s.begin(nil, "apply", "--plan", "plan.json", "--accept", acceptAll)
	mover := s.holdCopy(s.out.mongoPort)
	s.endPart(s.out.mongo, syscall.SIGKILL)
	mover.thaw()
	o := a.wait()
	s.repair()
	if o.code != 1 {
		s.t.Errorf("want exit 1, got %s", o)
	}
	s.wentBack(o, before, steps)
}

// leftAtOnce: the second signal leaves the application stopped, and status
// says how to go on.
func (s *site) leftAtOnce() {
	s.plan()
	a := s.begin(nil, "apply", "--plan", "plan.json", "--accept", acceptAll)
	thaw := s.freezeCopy()
	defer thaw()
	a.signal(syscall.SIGINT)
	eventually(s.t, "the first signal is heard", func() bool { return strings.Contains(a.talk(), "once more leaves at once") })
	a.signal(syscall.SIGINT)
	if o := a.wait(); o.code != 130 {
		s.t.Errorf("want exit 130, got %s", o)
	}
	o := s.want(0, "status")
	first, _, _ := strings.Cut(o.out, "\n")
	s.contains("the first line of status", first, "THE APPLICATION IS STOPPED")
	s.contains("status", o.out, "circleci-dr apply --file circleci-dr.yaml")
}

// evictedAndCut: the run that goes on survives an evicted mover and twenty
// seconds without network, and is killed once the release is switched. It
// also has to take the lease of the run that left.
func (s *site) evictedAndCut() {
	s.declareBoth("external", "external")
	s.plan() // it resumes the move where one was left
	a := s.begin([]string{"CIRCLECI_DR_TEST_KILL_AT=switch-release:after-effect"}, "apply", "--plan", "plan.json", "--accept", acceptAll)
	first := s.holdCopy(s.out.port)
	pod := s.copyPodOf(first)
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: s.ns}}
	if err := s.kube.PolicyV1().Evictions(s.ns).Evict(s.t.Context(), eviction); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the evicted mover has gone", func() bool { return syscall.Kill(first.pid, 0) != nil })
	next := s.holdCopy(s.out.port)
	restore := s.cut(s.out.port)
	next.thaw()
	time.Sleep(20 * time.Second) // the fault itself
	restore()
	o := a.wait()
	s.t.Logf("evicted, and cut for a while:\n%s", o.err)
	if !o.killed {
		s.t.Fatalf("apply did not come to its switch: %s", o)
	}
}

func (s *site) copyPodOf(f frozen) string {
	s.t.Helper()
	host, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/etc/hostname", f.pid))
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.TrimSpace(string(host))
}

// pendingOfOurs: a killed run left its own upgrade pending. The next one takes
// it over and ends the move.
func (s *site) pendingOfOurs(before map[string]int32) {
	newest, err := s.history().Releases.Last("circleci-server")
	if err != nil {
		s.t.Fatal(err)
	}
	s.leavePending(newest.Info.Description)
	if o := s.apply(); o.code != 0 {
		s.t.Fatalf("apply again: %s", o)
	}
	s.bothOn(s.out.host(), s.out.mongoHost(), before)
}
