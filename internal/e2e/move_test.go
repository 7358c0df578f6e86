//go:build testbed

package e2e

import (
	"fmt"
	"maps"
	"strconv"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// replicas are the counts of the application's workloads.
func (s *site) replicas() map[string]int32 {
	s.t.Helper()
	out := map[string]int32{}
	opts := metav1.ListOptions{LabelSelector: "layer=application"}
	deployments, err := s.kube.AppsV1().Deployments(s.ns).List(s.t.Context(), opts)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range deployments.Items {
		out["Deployment/"+d.Name] = *d.Spec.Replicas
	}
	sets, err := s.kube.AppsV1().StatefulSets(s.ns).List(s.t.Context(), opts)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range sets.Items {
		out["StatefulSet/"+d.Name] = *d.Spec.Replicas
	}
	if len(out) < 9 {
		s.t.Fatalf("the fixture has %d workloads, too few to prove anything", len(out))
	}
	return out
}

// settled demands what must hold after every finished move out.
func (s *site) settled(before map[string]int32) {
	s.t.Helper()
	s.settledOn(s.out.host(), before)
}

// settledOn demands what must hold after every finished move: the application
// as it was, writing to the given host, and nothing left to do.
func (s *site) settledOn(host string, before map[string]int32) {
	s.t.Helper()
	if got := s.replicas(); !maps.Equal(got, before) {
		s.t.Errorf("replicas = %v, before the move %v", got, before)
	}
	if c := s.count(); !strings.HasPrefix(c.Frontend.Host, host) {
		s.t.Errorf("the frontend writes to %s", c.Frontend.Host)
	}
	s.want(0, "drift") // right away: apply has recorded what drift needs
	o := s.want(0, "plan", "--detailed-exitcode")
	s.contains("the second plan", o.out, "nothing to do")
	s.want(0, "drift")
}

// TestMove is the main job, whole: plan, apply, nothing lost, second plan
// empty, no drift; then four changes by hand, each named by drift.
func TestMove(t *testing.T) {
	s := newSite(t, "e2e-move", "30MB")
	// Hand-scaled: a count that no values file knows must come back.
	scale(s, "api-service", 3)
	before := s.replicas()
	first := s.count()
	s.initSettles("internal", "internal")
	stop := s.watchProcesses()
	s.rehearsals()
	_, steps := s.plan()
	if len(steps) < 10 {
		t.Fatalf("the plan has only the steps %v", steps)
	}
	o := s.apply()
	looked := stop()
	t.Logf("apply:\n%s%s", o.err, o.out)
	if o.code != 0 {
		t.Fatalf("apply: %s", o)
	}
	if looked < 100 {
		t.Errorf("looked at %d processes only", looked)
	}
	s.settled(before)
	s.initSettles("external", "internal")
	if last := s.count(); last.Frontend.Writes.Total <= first.Frontend.Writes.Total {
		t.Errorf("the frontend wrote %d rows before and %d after", first.Frontend.Writes.Total, last.Frontend.Writes.Total)
	}
	s.lookAtObjects()
	if _, err := s.kube.AppsV1().StatefulSets(s.ns).Get(t.Context(), "postgresql", metav1.GetOptions{}); err == nil {
		t.Error("the internal StatefulSet is still there")
	}
	claim, err := s.kube.CoreV1().PersistentVolumeClaims(s.ns).Get(t.Context(), "data-postgresql-0", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("the internal database's volume is gone: %v", err)
	}
	volume, err := s.kube.CoreV1().PersistentVolumes().Get(t.Context(), claim.Spec.VolumeName, metav1.GetOptions{})
	if err != nil || string(volume.Spec.PersistentVolumeReclaimPolicy) != "Retain" {
		t.Errorf("volume %s: %v, policy %s", claim.Spec.VolumeName, err, volume.Spec.PersistentVolumeReclaimPolicy)
	}
	t.Run("drift", func(t *testing.T) { driftByHand(t, s) })
}

func scale(s *site, name string, n int) {
	s.t.Helper()
	patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, n)
	if _, err := s.kube.AppsV1().Deployments(s.ns).Patch(s.t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
	eventually(s.t, name+" has its replicas", func() bool {
		d, err := s.kube.AppsV1().Deployments(s.ns).Get(s.t.Context(), name, metav1.GetOptions{})
		return err == nil && d.Status.ReadyReplicas == int32(n) && d.Status.Replicas == int32(n)
	})
}

// eventually waits for what a real cluster does in its own time.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; {
		if done() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func driftByHand(t *testing.T, s *site) {
	t.Helper()
	parent := s.t
	s.t = t
	defer func() { s.t = parent }()
	t.Run("a Secret key", func(t *testing.T) {
		patch := `{"stringData":{"password":"changed-by-hand-1"}}`
		secret, err := s.kube.CoreV1().Secrets(s.ns).Get(t.Context(), "circleci-dr-postgresql", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.kube.CoreV1().Secrets(s.ns).Patch(t.Context(), secret.Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		o := s.want(2, "drift")
		s.contains("drift", o.out, "circleci-dr-postgresql", "password")
		// Apply puts it back, without an outage.
		id, steps := s.plan()
		if len(steps) != 1 {
			t.Errorf("plan %s repairs it with %v", id, steps)
		}
		if o := s.run(nil, "apply", "--plan", "plan.json"); o.code != 0 {
			t.Fatalf("apply: %s", o)
		}
		s.want(0, "drift")
	})
	t.Run("replicas at zero", func(t *testing.T) {
		d, err := s.kube.AppsV1().Deployments(s.ns).Get(t.Context(), "output-processor", metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		was := *d.Spec.Replicas
		if was != 2 {
			t.Errorf("output-processor has %d replicas, the documented count is 2", was)
		}
		scale(s, "output-processor", 0)
		o := s.want(2, "drift")
		s.contains("drift", o.out, "Deployment/output-processor", "zero")
		scale(s, "output-processor", int(was))
		s.want(0, "drift")
	})
	t.Run("the values", func(t *testing.T) {
		helmUpgrade(t, s, map[string]any{"global": map[string]any{"domainName": "moved.example.com"}})
		o := s.want(2, "drift")
		s.contains("drift", o.out, "values of release circleci-server")
	})
	t.Run("the internal database brought back", func(t *testing.T) {
		helmUpgrade(t, s, map[string]any{"postgresql": map[string]any{"internal": true}})
		o := s.want(2, "drift")
		s.contains("drift", o.out, "internal PostgreSQL again")
		// Two truths: nothing is planned over them.
		o = s.want(7, "plan")
		s.contains("plan", o.out+o.err, "two-truths")
	})
}

// TestKilled: kill -9 at four named points, then the same command again.
func TestKilled(t *testing.T) {
	for _, point := range []struct{ name, at, ns string }{
		{"copying", "copying", "e2e-killed-copying"},
		{"proven", "prove:end", "e2e-killed-proven"},
		{"upgraded", "switch-release:after-effect", "e2e-killed-upgraded"},
		{"before scale-up", "resume-service:before-effect", "e2e-killed-scaling"},
	} {
		t.Run(point.name, func(t *testing.T) {
			s := newSite(t, point.ns, "20MB")
			before := s.replicas()
			s.plan()
			o := s.apply("CIRCLECI_DR_TEST_KILL_AT=" + point.at)
			if !o.killed {
				t.Fatalf("apply was not killed at %s: %s", point.at, o)
			}
			st := s.run(nil, "status")
			first, _, _ := strings.Cut(st.out, "\n")
			s.contains("the first line of status", first, "THE APPLICATION IS STOPPED")
			s.contains("status", st.out, "circleci-dr apply --file circleci-dr.yaml")
			s.want(2, "drift")
			if point.name == "upgraded" { // nothing is left that the way back by hand would not need
				s.breakGlass()
				s.backByHand(before)
			}
			if o := s.apply(); o.code != 0 {
				t.Fatalf("apply again: %s", o)
			}
			s.settled(before)
		})
	}
}

// untouched gives a picture of the application that must not change while a
// command is refused.
func (s *site) untouched() string {
	s.t.Helper()
	// A pod that tried the application's road has its labels, and may just be leaving.
	pods, err := s.kube.CoreV1().Pods(s.ns).List(s.t.Context(), metav1.ListOptions{LabelSelector: "layer=application,app.kubernetes.io/managed-by!=circleci-dr"})
	if err != nil {
		s.t.Fatal(err)
	}
	out := fmt.Sprint(s.replicas())
	for _, p := range pods.Items {
		out += fmt.Sprintf("\n%s %s", p.Name, p.UID)
	}
	return out
}

// TestRefused: what can fail early fails before the application is touched,
// each with its own message and exit code.
func TestRefused(t *testing.T) {
	s := newSite(t, "e2e-refused", "5MB")
	picture := s.untouched()
	refuse := func(name string, code int, parts ...string) {
		t.Run(name, func(t *testing.T) {
			parent := s.t
			s.t = t
			defer func() { s.t = parent }()
			o := s.run(nil, "apply", "--accept", "any:"+acceptAll)
			if o.code != code {
				t.Errorf("want exit %d, got %s", code, o)
			}
			s.contains("apply", o.out+o.err, parts...)
			if got := s.untouched(); got != picture {
				t.Errorf("the application was touched: %s\nwas %s", got, picture)
			}
		})
	}
	original := s.specOf("external")
	with := func(from, to string) { s.write("circleci-dr.yaml", strings.Replace(original, from, to, 1)) }

	with("port: "+s.out.port, "port: 15499")
	refuse("target unreachable", 7, "target-unreachable", "15499")
	with("name: pg-external, key: password", "name: pg-wrong, key: password")
	s.secret("pg-wrong", "password", "not-the-password")
	refuse("wrong password", 7, "target-credentials", "circleci")
	with("name: pg-external, key: password", "name: pg-external, key: passwrod")
	refuse("missing key of the Secret", 7, "pg-external", "passwrod")
	s.write("circleci-dr.yaml", original)

	conn := s.target("postgres")
	if _, err := conn.Exec(t.Context(), "create database somebody_elses owner circleci"); err != nil {
		t.Fatal(err)
	}
	other := s.target("somebody_elses")
	if _, err := other.Exec(t.Context(), "create table kept (id int)"); err != nil {
		t.Fatal(err)
	}
	_ = other.Close(t.Context())
	refuse("target not empty", 7, "target-not-empty", "somebody_elses")
	if _, err := conn.Exec(t.Context(), "drop database somebody_elses"); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())

	right := s.chart
	s.chart = strings.TrimSpace(s.testbed("chart", "--dir", s.dir, "--without-subchart"))
	refuse("chart without its subchart", 7, "chart-differs", "postgresql")
	s.chart = right

	s.domain("changed-by-hand.example.com")
	refuse("an upgrade that would undo somebody's change", 7, "upgrade-does-more", "circleci-config", "changed-by-hand.example.com")
	s.domain("ci.example.test")

	s.label("argocd.argoproj.io/instance", "circleci")
	refuse("release under Argo CD", 7, "release-managed", "argocd")
	with("release: circleci-server", "release: circleci-server\n  managedBy: argocd")
	s.secretOf("circleci-dr-postgresql", "password")
	refuse("a Secret that somebody else keeps", 7, "secret-owned", "External Secrets", "postgres-password")
	s.dropSecret("circleci-dr-postgresql")
	s.write("circleci-dr.yaml", original)
	s.label("argocd.argoproj.io/instance", "")

	s.holdLease()
	refuse("lease held", 6, "somebody@elsewhere")
	o := s.want(0, "unlock")
	s.contains("unlock", o.out, "somebody@elsewhere")
	s.want(0, "unlock", "--holder", "somebody@elsewhere/1")
	o = s.run(nil, "apply", "--accept", "any:outage")
	if o.code != 5 {
		t.Errorf("an acceptance of another plan: want exit 5, got %s", o)
	}
}

// domain changes the live ConfigMap of the release, as kubectl edit would.
func (s *site) domain(name string) {
	s.t.Helper()
	s.patchConfig(fmt.Sprintf(`{"data":{"domainName":%q}}`, name))
}

// label puts a label on the live frontend, as the tool that manages a release
// would on all of its objects; an empty value takes it away.
func (s *site) label(key, value string) {
	s.t.Helper()
	quoted := "null"
	if value != "" {
		quoted = strconv.Quote(value)
	}
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%s}}}`, key, quoted)
	if _, err := s.kube.AppsV1().Deployments(s.ns).Patch(s.t.Context(), "frontend", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) patchConfig(patch string) {
	s.t.Helper()
	if _, err := s.kube.CoreV1().ConfigMaps(s.ns).Patch(s.t.Context(), "circleci-config", types.MergePatchType, []byte(patch), metav1.PatchOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) secret(name, key, value string) {
	s.t.Helper()
	if _, err := s.kube.CoreV1().Secrets(s.ns).Create(s.t.Context(), secretObject(name, key, value), metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	s.secrets = append(s.secrets, value)
}

// secretOf makes a Secret as External Secrets would, with one key.
func (s *site) secretOf(name, key string) {
	s.t.Helper()
	o := secretObject(name, key, "somebody-else-s")
	o.Annotations = map[string]string{"reconcile.external-secrets.io/data-hash": "x"}
	if _, err := s.kube.CoreV1().Secrets(s.ns).Create(s.t.Context(), o, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) dropSecret(name string) {
	s.t.Helper()
	if err := s.kube.CoreV1().Secrets(s.ns).Delete(s.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
