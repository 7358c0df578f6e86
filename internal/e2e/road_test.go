//go:build testbed

package e2e

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestTheApplicationsOwnRoad: a name that some of the application's pods cannot
// resolve is found by a pod in their place; an authority that the application
// does not trust is added by the move, and to the user's own files; nothing of
// the tries is left.
func TestTheApplicationsOwnRoad(t *testing.T) {
	s := newSite(t, "e2e-road", "10MB")
	helmUpgrade(t, s, map[string]any{"tls": map[string]any{"certificates": []any{}}})
	s.rolledOut()
	s.write("values.yaml", "# mine\ntls:\n  certificates: []\n")
	text := s.specOf("external") + fmt.Sprintf(mongoText, "external", s.out.mongoAddress())
	s.write("circleci-dr.yaml", strings.Replace(text, "  release: circleci-server\n", "  release: circleci-server\n  values: [values.yaml]\n", 1))

	s.lose()
	o := s.want(7, "plan")
	s.contains("plan", unwrapped(o), "BLOCKED", "Deployment/lost", "cannot resolve "+s.out.mongoAddress(), "cannot resolve "+s.out.address(), "tried by a pod with the labels")
	if err := s.kube.AppsV1().Deployments(s.ns).Delete(t.Context(), "lost", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}

	o = s.want(0, "plan", "--out", "plan.json", "--details")
	s.contains("plan", strings.ReplaceAll(unwrapped(o), "┃ ", ""), "not in tls.certificates → CN=", "Adds to tls.certificates in the release's values what vouches for "+s.out.mongoAddress(), "ConfigMap/tls-certificates", "tls.certificates (values.yaml:3) lacks CN=")
	if strings.Contains(o.out, "tried by a pod") || strings.Contains(o.out, "was not tried") {
		t.Errorf("the road is not open:\n%s", o.out)
	}
	if o = s.run(nil, "apply", "--plan", "plan.json", "--accept", acceptAll); o.code != 0 {
		t.Fatalf("apply: %s", o)
	}
	if c := s.count(); !strings.HasPrefix(c.Frontend.MongoDB.Host, s.out.mongoHost()) {
		t.Errorf("the frontend writes to %s", c.Frontend.MongoDB.Host)
	}
	s.contains("drift", s.want(2, "drift").out, "values.yaml")
	s.want(0, "values", "--write")
	s.want(0, "values", "--check")
	s.want(0, "drift")
	if _, steps := s.plan(); len(steps) != 0 {
		t.Errorf("a second plan has %v", steps)
	}
	jobs, err := s.kube.BatchV1().Jobs(s.ns).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=circleci-dr"})
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs.Items {
		if strings.HasPrefix(j.Name, "circleci-dr-reach-") {
			t.Errorf("Job %s is left", j.Name)
		}
	}
}

// lose makes a workload of the application whose pods have no DNS.
func (s *site) lose() {
	s.t.Helper()
	labels := map[string]string{"app": "lost", "layer": "application"}
	none := int32(0)
	_, err := s.kube.AppsV1().Deployments(s.ns).Create(s.t.Context(), &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "lost", Labels: labels},
		Spec: appsv1.DeploymentSpec{Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "lost"}}, Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "lost", Image: "tb/fixture:1"}},
				DNSPolicy:  corev1.DNSNone, DNSConfig: &corev1.PodDNSConfig{Nameservers: []string{"127.0.0.1"}},
			},
		}},
	}, metav1.CreateOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
}
