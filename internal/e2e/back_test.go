//go:build testbed

package e2e

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestThereAndBackAndThereAgain moves out, back in, and out again. No write
// made in between is lost, and each plan afterwards is empty.
func TestThereAndBackAndThereAgain(t *testing.T) {
	s := roundTrip(t, "e2e-back", "10MB")
	before := s.replicas()
	s.declare("external")
	s.carryOut(acceptOut)
	s.settledOn(s.out.host(), before)
	outside := s.count().Frontend.Writes.Total

	t.Run("back", func(t *testing.T) {
		defer s.as(t)()
		s.declare("internal")
		o := s.want(2, "drift")
		s.contains("drift", o.out, "PostgreSQL is still external")
		o = s.want(0, "plan")
		t.Log(o.out)
		s.contains("the plan of the way back", o.out, "was kept on", "replace-internal-data", "Bring the internal database up", s.out.address())
		s.carryOut("outage,replace-internal-data")
		s.settledOn("postgresql", before)
		set, err := s.kube.AppsV1().StatefulSets(s.ns).Get(t.Context(), "postgresql", metav1.GetOptions{})
		if err != nil || set.Status.ReadyReplicas != 1 {
			t.Errorf("the internal StatefulSet: %v, %d ready", err, set.Status.ReadyReplicas)
		}
		if inside := s.count().Frontend.Writes.Total; inside <= outside {
			t.Errorf("the frontend had written %d rows outside and %d now", outside, inside)
		}
	})
	t.Run("killed on the way out again", func(t *testing.T) {
		defer s.as(t)()
		s.declare("external")
		s.plan()
		accept := "outage,remove-internal-database,replace-external-data"
		o := s.run([]string{"CIRCLECI_DR_TEST_KILL_AT=copying"}, "apply", "--plan", "plan.json", "--accept", accept)
		if !o.killed {
			t.Fatalf("apply was not killed: %s", o)
		}
		if o := s.run(nil, "apply", "--plan", "plan.json", "--accept", accept); o.code != 0 {
			t.Fatalf("apply again: %s", o)
		}
		s.settledOn(s.out.host(), before)
	})
	t.Run("back, killed at every turn", func(t *testing.T) {
		defer s.as(t)()
		s.declare("internal")
		s.plan()
		for _, point := range []string{"switch-release:after-effect", "prove:end", "resume-service:before-effect"} {
			o := s.run([]string{"CIRCLECI_DR_TEST_KILL_AT=" + point}, "apply", "--plan", "plan.json", "--accept", "outage,replace-internal-data")
			if !o.killed {
				t.Fatalf("apply was not killed at %s: %s", point, o)
			}
			first, _, _ := strings.Cut(s.run(nil, "status").out, "\n")
			s.contains("the first line of status", first, "THE APPLICATION IS STOPPED")
		}
		if o := s.run(nil, "apply", "--plan", "plan.json", "--accept", "outage,replace-internal-data"); o.code != 0 {
			t.Fatalf("apply again: %s", o)
		}
		s.settledOn("postgresql", before)
	})
}

// as makes t the test the site reports to, and gives what ends that.
func (s *site) as(t *testing.T) func() {
	t.Helper()
	parent := s.t
	s.t = t
	return func() { s.t = parent }
}
