//go:build testbed && faults

package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// crashing lets the api-service do on start what a ConfigMap says.
var crashing = habit{"templates/services.yaml", `include "circleci.pod.placement" $`, "      {{- if eq $name \"api-service\" }}\n      initContainers:\n" +
	"      - name: migrate\n        image: {{ include \"circleci.image\" $ }}\n        imagePullPolicy: {{ $.Values.image.pullPolicy }}\n" +
	"        args: [$(WORD), --version, \"1\"]\n        envFrom: [{configMapRef: {name: trial}}]\n      {{- end }}\n"}

// say makes the word of the ConfigMap another.
func (s *site) say(word string) {
	s.t.Helper()
	maps := s.kube.CoreV1().ConfigMaps(s.ns)
	if _, err := maps.Patch(s.t.Context(), "trial", types.MergePatchType, fmt.Appendf(nil, `{"data":{"WORD":%q}}`, word), metav1.PatchOptions{}); err == nil {
		return
	}
	if _, err := maps.Create(s.t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "trial"}, Data: map[string]string{"WORD": word}}, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// said waits until a run has told all parts, and gives how long that took.
func (r *running) said(parts ...string) time.Duration {
	r.site.t.Helper()
	began := time.Now()
	eventually(r.site.t, "apply says "+strings.Join(parts, ", "), func() bool {
		talk := r.talk()
		for _, p := range parts {
			if !strings.Contains(talk, p) {
				return false
			}
		}
		return true
	})
	return time.Since(began)
}

// TestFaultsOfAStart lets a workload crash on the target: the reason is told
// within half a minute, with its last words; the frontend, which has written
// there, runs on; and the next apply goes on once it is mended.
func TestFaultsOfAStart(t *testing.T) {
	s := newSite(t, "e2e-faults-start", "5MB")
	s.say("hook")
	s.withHabits(crashing)
	before := s.replicas()
	s.plan()
	a := s.begin(nil, "apply", "--plan", "plan.json", "--accept", acceptAll)
	mover := s.holdCopy(s.out.port)
	s.say("explode")
	mover.thaw()
	a.said("Start the application")
	took := a.said("api-service", `unknown command "explode"`)
	t.Logf("the reason was told after %s", took.Round(time.Second))
	if took > 40*time.Second {
		t.Errorf("the reason was told after %s", took)
	}
	o := a.wait()
	if o.code != 1 {
		t.Errorf("want exit 1, got %s", o)
	}
	t.Logf("the end of apply:\n%s\n%s", lastLines(o.err, 14), o.out)
	s.contains("apply", o.err+o.out, "only forward", "api-service")
	st := s.run(nil, "status")
	s.contains("status", st.out, "api-service", `unknown command "explode"`)
	frontend := s.podsOf("app=frontend")

	s.say("hook")
	if o := s.apply(); o.code != 0 {
		t.Fatalf("apply again: %s", o)
	}
	if now := s.podsOf("app=frontend"); strings.Join(now, " ") != strings.Join(frontend, " ") {
		t.Errorf("the frontend was stopped: pods %v, before %v", now, frontend)
	}
	s.settled(before)
}
