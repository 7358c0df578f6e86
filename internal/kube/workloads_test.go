package kube

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// ofApplication is the metadata of an object of the application layer.
func ofApplication(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "ci", Labels: map[string]string{"layer": "application"}}
}

func appPod(container corev1.Container) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"layer": "application"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}
}

// listedKinds are the resources that were listed, sorted.
func listedKinds(k *fake.Clientset) []string {
	var out []string
	for _, a := range k.Actions() {
		out = append(out, a.GetVerb()+" "+a.GetResource().Resource)
	}
	slices.Sort(out)
	k.ClearActions()
	return out
}

// The loops of an outage ask for counts twice a second; nothing that they do
// not need is read for them.
func TestCountsReadNoSecret(t *testing.T) {
	web := &appsv1.Deployment{ObjectMeta: ofApplication("web"), Spec: appsv1.DeploymentSpec{
		Replicas: pointer[int32](2), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		Template: appPod(corev1.Container{Name: "web", EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: named("url")}}}}),
	}}
	url := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "url", Namespace: "ci"}, Data: map[string][]byte{"url": []byte("canary")}}
	k := fake.NewClientset(web, url)
	c := newClient(Options{Namespace: "ci"}, k)
	got := c.List(t.Context())
	if !got.Is() || len(got.Value) != 1 || got.Value[0].Replicas != 2 || got.Value[0].Texts != nil {
		t.Errorf("got %+v", got)
	}
	counts := []string{"list deployments", "list horizontalpodautoscalers", "list pods", "list statefulsets"}
	if read := listedKinds(k); !slices.Equal(read, counts) {
		t.Errorf("read %q, want %q", read, counts)
	}
	got = c.ListTexts(t.Context())
	if at := (reconcile.Place{Object: "Secret/url", Field: "data.url"}); !got.Is() || got.Value[0].Texts[at] != "canary" || got.Value[0].Replicas != 2 {
		t.Errorf("got %d workloads, %s", len(got.Value), got.Why)
	}
	texts := slices.Sorted(slices.Values(append(counts, "list configmaps", "list secrets")))
	if read := listedKinds(k); !slices.Equal(read, texts) {
		t.Errorf("read %q, want %q", read, texts)
	}
}
