package kube

import (
	"maps"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// What Argo CD marks it would prune when the application lacks it; options
// that somebody set there stay.
func TestProtectKeepsArgoCDFromPruning(t *testing.T) {
	meta := func(name string, more map[string]string) metav1.ObjectMeta {
		annotations := map[string]string{annotHelmName: "server"}
		maps.Copy(annotations, more)
		return metav1.ObjectMeta{Name: name, Namespace: "ci", Annotations: annotations}
	}
	k := fake.NewClientset(
		&appsv1.StatefulSet{ObjectMeta: meta("postgresql", map[string]string{"argocd.argoproj.io/tracking-id": "ci:x", annotArgoSync: "Validate=false"})},
		&corev1.Secret{ObjectMeta: meta("postgresql", nil)},
	)
	c := newClient(Options{Namespace: "ci", Release: "server"}, k)
	for range 2 { // the second finds everything in place
		if err := c.Protect(t.Context(), mover.PostgreSQL, "postgresql"); err != nil {
			t.Fatal(err)
		}
	}
	set, err := k.AppsV1().StatefulSets("ci").Get(t.Context(), "postgresql", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{annotHelmName: "server", annotHelmPolicy: keep, "argocd.argoproj.io/tracking-id": "ci:x", annotArgoSync: "Validate=false,Prune=false"}
	if !maps.Equal(set.Annotations, want) {
		t.Errorf("the StatefulSet has %v, want %v", set.Annotations, want)
	}
	secret, err := k.CoreV1().Secrets("ci").Get(t.Context(), "postgresql", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{annotHelmName: "server", annotHelmPolicy: keep}; !maps.Equal(secret.Annotations, want) {
		t.Errorf("the Secret, which Argo CD did not mark, has %v, want %v", secret.Annotations, want)
	}
}

// Preflight hears who keeps a Secret, and of one that is nobody's.
func TestCompareNamesWhoKeepsTheSecret(t *testing.T) {
	of := func(labels, annotations map[string]string) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "pg", Labels: labels, Annotations: annotations}}
	}
	for want, secret := range map[string]*corev1.Secret{
		"":                 of(map[string]string{labelManagedBy: manager}, nil),
		"External Secrets": of(nil, map[string]string{"reconcile.external-secrets.io/data-hash": "x"}),
		"somebody else (no label app.kubernetes.io/managed-by=circleci-dr)": of(nil, nil),
	} {
		if got := keeperOf(*secret); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
