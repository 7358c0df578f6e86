//go:build testbed

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestInCluster: the work is an engine's in the cluster, and who submitted it
// is killed right away. First the copy hangs until the deadline is past: the
// application is back on the source. Then the engine itself is killed in the
// middle of the copy, and its next pod is drained: the third ends the move.
func TestInCluster(t *testing.T) {
	s := newSite(t, "e2e-incluster", "30MB")
	s.passwordFromEnvironment()
	before := s.replicas()
	_, steps := s.plan()

	s.submitAndDie("--deadline", "100s")
	frozen := s.freezeCopy()
	st := s.want(0, "status")
	s.contains("status", st.out, "at work in the cluster since", "circleci-dr status --follow")
	o := s.want(1, "status", "--follow")
	frozen()
	t.Logf("a deadline in the copy:\n%s%s", o.err, o.out)
	s.contains("status --follow", o.out+o.err, "the deadline passed before the switch was committed", "the application is back on its source", "Copy every database")
	if got := s.replicas(); !maps.Equal(got, before) {
		t.Errorf("replicas = %v, before %v", got, before)
	}
	if c := s.count(); strings.HasPrefix(c.Frontend.Host, "pg14") {
		t.Errorf("the frontend writes to %s", c.Frontend.Host)
	}
	s.engineGone(1)
	st = s.want(0, "status")
	s.contains("status", st.out, "the last one ended", "with exit 1")
	if _, after := s.plan(); len(steps) == len(rehearsed(steps)) || !slices.Equal(after, rehearsed(steps)) {
		t.Errorf("the plan afterwards is %v, before it was %v", after, steps)
	}

	s.submitAndDie()
	thaw := s.freezeCopy()
	s.lookAtObjects()
	// Whoever applies again meanwhile watches the same engine.
	again := make(chan outcome, 1)
	go func() { again <- s.run([]string{"CI=true"}, "apply", "--plan", "plan.json", "--accept", acceptAll) }()
	s.replaceEngine(func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) })
	s.replaceEngine(s.drainEngine)
	thaw()
	o = s.want(0, "status", "--follow")
	t.Logf("an engine killed in the copy:\n%s%s", o.err, o.out)
	s.contains("status --follow", o.out, "Done: plan")
	if o := <-again; o.code != 0 {
		t.Errorf("the second apply: %s", o)
	} else {
		s.contains("the second apply", o.err, "an engine is at work on this file")
	}
	s.engineGone(2) // the second plan had no rehearsal
	s.settled(before)
	s.lookAtObjects()
}

// passwordFromEnvironment lets the spec refer to the runner's environment, so
// that the password has to travel.
func (s *site) passwordFromEnvironment() {
	s.t.Helper()
	secret, err := s.kube.CoreV1().Secrets(s.ns).Get(s.t.Context(), "pg-external", metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	s.vars = append(s.vars, "PG_EXTERNAL_PASSWORD="+string(secret.Data["password"]))
	s.write("circleci-dr.yaml", strings.Replace(s.specOf("external"), "{secret: {name: pg-external, key: password}}", "{env: PG_EXTERNAL_PASSWORD}", 1))
}

// submitAndDie submits the plan file and is killed with SIGKILL right after.
func (s *site) submitAndDie(args ...string) {
	s.t.Helper()
	o := s.run([]string{"CIRCLECI_DR_TEST_KILL_AT=submitted"},
		append([]string{"apply", "--in-cluster", "--plan", "plan.json", "--accept", acceptAll}, args...)...)
	if !o.killed {
		s.t.Fatalf("apply was not killed after it had submitted: %s", o)
	}
	s.contains("apply", o.err, "runs in the cluster (--in-cluster)")
}

// processes gives the pids of pods' processes whose command line has every
// part.
func processes(parts ...string) []int {
	var out []int
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		args, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		words := strings.Split(string(args), "\x00")
		if slices.ContainsFunc(parts, func(p string) bool { return !slices.Contains(words, p) }) {
			continue
		}
		var pid int
		if _, err := fmt.Sscanf(f, "/proc/%d/cmdline", &pid); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// freezeCopy waits for the mover that copies and stops its process; the
// function it gives lets it go on.
func (s *site) freezeCopy() (thaw func()) {
	s.t.Helper()
	var pid int
	eventually(s.t, "a mover copies", func() bool {
		for _, candidate := range s.processes("circleci-dr", "mover") {
			request, err := os.ReadFile(fmt.Sprintf("/proc/%d/root/run/circleci-dr/request/request.json", candidate))
			if err == nil && bytes.Contains(request, []byte(`"operation":"copy"`)) {
				pid = candidate
				return syscall.Kill(pid, syscall.SIGSTOP) == nil
			}
		}
		return false
	})
	return func() { _ = syscall.Kill(pid, syscall.SIGCONT) } // gone with its pod, after a deadline
}

// replaceEngine ends the engine's process and waits for its next pod's.
func (s *site) replaceEngine(end func(pid int) error) {
	s.t.Helper()
	running := s.processes("circleci-dr", "engine", "--job")
	if len(running) != 1 {
		s.t.Fatalf("%d engines run", len(running))
	}
	if err := end(running[0]); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, "the engine is back", func() bool {
		now := s.processes("circleci-dr", "engine", "--job")
		return len(now) == 1 && now[0] != running[0]
	})
}

// drainEngine deletes the engine's pod as a drained node does: it is told to
// end, and hands its work over.
func (s *site) drainEngine(int) error {
	s.t.Helper()
	var running string
	eventually(s.t, "the engine's pod is known to run", func() bool {
		for _, name := range s.podsOf("circleci-dr/engine") {
			pod, err := s.kube.CoreV1().Pods(s.ns).Get(s.t.Context(), name, metav1.GetOptions{})
			if err == nil && pod.Status.Phase == corev1.PodRunning {
				running = name
			}
		}
		return running != ""
	})
	return s.kube.CoreV1().Pods(s.ns).Delete(s.t.Context(), running, metav1.DeleteOptions{})
}

// engineGone demands that nothing is left of engines but their Jobs, one for each
// plan.
func (s *site) engineGone(plans int) {
	s.t.Helper()
	const name = "circleci-dr-engine"
	ctx, get := s.t.Context(), metav1.GetOptions{}
	for what, look := range map[string]func() error{
		"ServiceAccount":     func() error { _, err := s.kube.CoreV1().ServiceAccounts(s.ns).Get(ctx, name, get); return err },
		"Role":               func() error { _, err := s.kube.RbacV1().Roles(s.ns).Get(ctx, name, get); return err },
		"RoleBinding":        func() error { _, err := s.kube.RbacV1().RoleBindings(s.ns).Get(ctx, name, get); return err },
		"ClusterRole":        func() error { _, err := s.kube.RbacV1().ClusterRoles().Get(ctx, name+"-"+s.ns, get); return err },
		"ClusterRoleBinding": func() error { _, err := s.kube.RbacV1().ClusterRoleBindings().Get(ctx, name+"-"+s.ns, get); return err },
	} {
		eventually(s.t, "the engine's "+what+" is gone", func() bool { return apierrors.IsNotFound(look()) })
	}
	secrets, err := s.kube.CoreV1().Secrets(s.ns).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, secret := range secrets.Items {
		if strings.HasPrefix(secret.Name, name) {
			s.t.Errorf("Secret %s was left behind", secret.Name)
		}
	}
	configs, err := s.kube.CoreV1().ConfigMaps(s.ns).List(ctx, metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range configs.Items {
		if strings.HasPrefix(m.Name, name+"-") {
			s.t.Errorf("ConfigMap %s was left behind", m.Name)
		}
	}
	jobs, err := s.kube.BatchV1().Jobs(s.ns).List(ctx, metav1.ListOptions{LabelSelector: "circleci-dr/engine"})
	if err != nil || len(jobs.Items) != plans {
		s.t.Errorf("%d Jobs of engines are there, want %d (%v)", len(jobs.Items), plans, err)
	}
}

// TestPipelineInThePatient: the program runs in a pod of the very application
// that it stops, as a CI job of that installation does, and dies with it. Its
// movers and its engine run the image that make image makes.
func TestPipelineInThePatient(t *testing.T) {
	s := newSite(t, "e2e-pipeline", "20MB")
	s.imageFromArchive()
	before := s.replicas()
	before["Deployment/pipeline"] = 1
	s.runPipeline()
	eventually(t, "the pipeline has submitted its work", func() bool {
		jobs, err := s.kube.BatchV1().Jobs(s.ns).List(t.Context(), metav1.ListOptions{LabelSelector: "circleci-dr/engine"})
		return err == nil && len(jobs.Items) == 1
	})
	first := s.podsOf("app=pipeline")
	o := s.want(0, "status", "--follow")
	t.Logf("a pipeline in the patient:\n%s%s", o.err, o.out)
	s.contains("status --follow", o.out, "Done: plan")
	if now := s.podsOf("app=pipeline"); len(first) != 1 || slices.Contains(now, first[0]) {
		t.Errorf("the pipeline's pod was %v and is %v: it was to die", first, now)
	}
	s.ranTheArchive()
	s.engineGone(1)
	s.settled(before)
	s.lookAtObjects()
}

func (s *site) podsOf(selector string) (names []string) {
	s.t.Helper()
	pods, err := s.kube.CoreV1().Pods(s.ns).List(context.WithoutCancel(s.t.Context()), metav1.ListOptions{LabelSelector: selector})
	if err != nil {
		s.t.Fatal(err)
	}
	for _, p := range pods.Items {
		names = append(names, p.Name)
	}
	return names
}
