//go:build testbed && faults

package e2e

import (
	"maps"
	"strings"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// TestFaults are real faults around the movers: Helm, the API server, the
// target, other people, Ctrl-C. All are on one installation. Each fault hits a
// copy that is held in the middle; then either the move ends, or the application
// is back on its source and the same plan is there to do.
func TestFaults(t *testing.T) {
	s := newSite(t, "e2e-faults", "5MB")
	before := s.replicas()
	fault := func(name string, f func()) {
		t.Run(name, func(t *testing.T) {
			defer s.as(t)()
			f()
		})
	}
	fault("an upgrade of somebody else pending", func() { s.pendingOfOthers(before) })
	fault("one interrupt", func() { s.interrupted(before) })
	fault("the target restarted", func() { s.targetRestarted(before) })
	fault("others at work meanwhile", func() { s.othersAtWork(before) })
	fault("the API server killed", func() { s.apiServerKilled(before) })
}

// interrupted: one Ctrl-C in the copy. The mover is stopped where it is, and
// the application comes back.
func (s *site) interrupted(before map[string]int32) {
	_, steps := s.plan()
	a := s.begin(nil, "apply", "--plan", "plan.json", "--accept", acceptAll)
	thaw := s.freezeCopy()
	defer thaw()
	a.signal(syscall.SIGINT)
	o := a.wait()
	if o.code != 130 {
		s.t.Errorf("want exit 130, got %s", o)
	}
	s.contains("apply", o.err, "interrupted: stopping at the next safe point", "circleci-dr: error: Copy every database: run Job circleci-dr-copy-postgresql-e1-a1: interrupted")
	s.wentBack(o, before, steps)
}

// targetRestarted: an administrator restarts the server that is copied to.
func (s *site) targetRestarted(before map[string]int32) {
	_, steps := s.plan()
	a := s.begin(nil, "apply", "--plan", "plan.json", "--accept", acceptAll)
	mover := s.holdCopy(s.out.port)
	s.endPart(s.out.postgres, syscall.SIGINT) // the fast shutdown, which asks no session
	s.repair()
	mover.thaw()
	o := a.wait()
	if o.code != 1 {
		s.t.Errorf("want exit 1, got %s", o)
	}
	for _, misleading := range []string{"newer mover", "context canceled"} {
		if strings.Contains(o.out+o.err, misleading) {
			s.t.Errorf("a restart is called %q: %s", misleading, o)
		}
	}
	s.wentBack(o, before, steps)
}

// othersAtWork: while the application is stopped somebody applies the same
// file twice, scales a workload up and runs helm upgrade. The first apply ends
// its work; nobody else does any.
func (s *site) othersAtWork(before map[string]int32) {
	s.plan()
	first := s.begin(nil, "apply", "--plan", "plan.json", "--accept", acceptAll)
	mover := s.holdCopy(s.out.port)
	second := s.apply()
	if second.code != 6 {
		s.t.Errorf("the second apply: want exit 6, got %s", second)
	}
	s.contains("the second apply", second.err, "the lease is held by", "(apply, since 20", "circleci-dr unlock")
	third := s.begin(nil, "apply", "--accept", "any:"+acceptAll, "--wait", "5m")
	eventually(s.t, "the third apply waits", func() bool { return strings.Contains(third.talk(), "waiting up to 5m0s for") })
	s.scaleUp("api-service", 1)
	helmUpgrade(s.t, s, map[string]any{"global": map[string]any{"domainName": "ci.example.test"}})
	mover.thaw()
	o := first.wait()
	s.t.Logf("others at work meanwhile:\n%s%s", o.err, o.out)
	if o.code != 0 {
		s.t.Logf("the application went back: %s", lastLines(o.err, 4))
		s.healthy(before)
	}
	if o := third.wait(); o.code != 0 && o.code != 5 {
		s.t.Errorf("the third apply: %s", o)
	}
	if o.code != 0 {
		s.carryOut(acceptAll)
	}
	s.settledOn(s.out.host(), before)
}

// apiServerKilled: the API server dies while MongoDB is copied and is started
// again. Depending on how long that takes the run goes on, or it has lost its
// lease and says how to go on.
func (s *site) apiServerKilled(before map[string]int32) {
	s.declareBoth("external", "external")
	s.plan()
	s.words = acceptOut // MongoDB keeps its way back
	a := s.begin(nil, "apply", "--plan", "plan.json", "--accept", s.words)
	mover := s.holdCopy(s.out.mongoPort)
	s.endPart("kube-apiserver", syscall.SIGKILL)
	s.repair()
	mover.thaw()
	o := a.wait()
	s.t.Logf("the API server killed:\n%s%s", o.err, o.out)
	if o.code != 0 {
		s.contains("apply", o.err, "the application is stopped", "run the same command again")
		if o := s.apply(); o.code != 0 {
			s.t.Fatalf("apply again: %s", o)
		}
	}
	s.bothOn(s.out.host(), s.out.mongoHost(), before)
}

// TestFaultsOfTheNode: it has no disk left while the copy runs. The kubelet
// evicts the mover and the source, and no pod starts until there is room again.
// The run waits for that, or ends; the same plan ends the move.
func TestFaultsOfTheNode(t *testing.T) {
	s := newSite(t, "e2e-faults", "5MB")
	before := s.replicas()
	s.plan()
	a := s.begin(nil, "apply", "--plan", "plan.json", "--accept", acceptAll)
	mover := s.holdCopy(s.out.port)
	empty := s.fillDisk()
	eventually(t, "the mover is evicted", func() bool { return syscall.Kill(mover.pid, 0) != nil })
	eventually(t, "the run says what its pod waits for", func() bool { return strings.Contains(a.talk(), "waiting, Unschedulable") })
	empty()
	o := a.wait()
	t.Logf("the node out of disk, exit %d:\n%s%s", o.code, o.err, o.out)
	if o.code != 0 {
		s.healthy(before)
		s.carryOut(acceptAll)
	}
	s.settledOn(s.out.host(), before)
}

// pendingOfOthers: somebody's helm upgrade was killed. Nothing is begun over
// it, and the fix is named.
func (s *site) pendingOfOthers(before map[string]int32) {
	helmUpgrade(s.t, s, map[string]any{})
	picture := s.untouched()
	leave := s.leavePending("Preparing upgrade")
	o := s.want(7, "plan")
	s.contains("plan", o.out+o.err, "release-pending", "helm rollback circleci-server -n e2e-faults")
	o = s.want(7, "apply", "--accept", "any:"+acceptAll)
	s.contains("apply", o.out+o.err, "release-pending")
	if got := s.untouched(); got != picture {
		s.t.Errorf("the application was touched: %s\nwas %s", got, picture)
	}
	leave()
	s.healthy(before)
}

// scaleUp is what a colleague does who finds a workload at zero.
func (s *site) scaleUp(name string, n int) {
	s.t.Helper()
	patch := []byte(`{"spec":{"replicas":` + string(rune('0'+n)) + `}}`)
	if _, err := s.kube.AppsV1().Deployments(s.ns).Patch(s.t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// wentBack demands what must hold after a move that failed before its switch:
// the application as it was, on its source, and the same plan to do.
func (s *site) wentBack(o outcome, before map[string]int32, steps []string) {
	s.t.Helper()
	s.t.Logf("the end of apply:\n%s", lastLines(o.err, 8))
	s.contains("apply", o.out, "the application is back on its source")
	s.healthy(before)
	if c := s.count(); strings.HasPrefix(c.Frontend.Host, "pg1") {
		s.t.Errorf("the frontend writes to %s", c.Frontend.Host)
	}
	if _, after := s.plan(); strings.Join(after, " ") != strings.Join(rehearsed(steps), " ") {
		s.t.Errorf("the plan afterwards is %v, before it was %v", after, steps)
	}
}

// healthy demands every replica that there was, and no row lost or doubled.
func (s *site) healthy(before map[string]int32) {
	s.t.Helper()
	if got := s.replicas(); !maps.Equal(got, before) {
		s.t.Errorf("replicas = %v, before %v", got, before)
	}
	s.count()
}
