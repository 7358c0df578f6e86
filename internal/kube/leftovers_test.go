package kube

import (
	"slices"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"
)

// What a killed run left behind is found by our labels, whatever its name, and
// removed by the next run's first Job; what is at work, new, owned or somebody
// else's stays.
func TestSecretsOfKilledRunsAreSwept(t *testing.T) {
	old := metav1.NewTime(time.Now().Add(-time.Hour))
	secret := func(name, job string, change func(*corev1.Secret)) *corev1.Secret {
		s := &corev1.Secret{ObjectMeta: metaOf(name)}
		s.CreationTimestamp, s.Labels = old, map[string]string{labelManagedBy: manager, labelName: "ci-prod", labelJob: job}
		if change != nil {
			change(s)
		}
		return s
	}
	k := fake.NewClientset(&batchv1.Job{ObjectMeta: metaOf("works")},
		secret("circleci-dr-reach-0a", "circleci-dr-reach-0a", nil),
		secret("circleci-dr-engine-0b-chart-0", "circleci-dr-engine-0b", nil),
		secret("works", "works", nil),
		secret("new", "new", func(s *corev1.Secret) { s.CreationTimestamp = metav1.Now() }),
		secret("owned", "gone", func(s *corev1.Secret) { s.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Name: "gone"}} }),
		secret("theirs", "gone", func(s *corev1.Secret) { s.Labels[labelManagedBy] = "Helm" }),
		secret("credentials", "", func(s *corev1.Secret) { delete(s.Labels, labelJob) }),
	)
	c := newClient(Options{Namespace: "ci", Name: "ci-prod", Image: "i"}, k)
	for range 2 {
		job := plainMover("another")
		if _, err := c.start(t.Context(), job, job.Request, nil, "digest"); err != nil {
			t.Fatal(err)
		}
		if err := k.Tracker().Delete(batchv1.SchemeGroupVersion.WithResource("jobs"), "ci", "another"); err != nil {
			t.Fatal(err)
		}
	}
	left, err := k.CoreV1().Secrets("ci").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range left.Items {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	if want := []string{"another", "credentials", "new", "owned", "theirs", "works"}; !slices.Equal(names, want) {
		t.Errorf("left are %v, want %v", names, want)
	}
	lists := 0
	for _, a := range k.Actions() {
		if a.Matches("list", "secrets") {
			lists++
		}
	}
	if lists != 2 { // ours above is one
		t.Errorf("they are listed %d times for one process", lists-1)
	}
}

// An engine's files lie in a ConfigMap that is made before its Secrets.
func TestAnEngineThatNeverCameToBeLeavesNoFiles(t *testing.T) {
	made := func(name string, labels map[string]string) *corev1.ConfigMap {
		m := &corev1.ConfigMap{ObjectMeta: metaOf(name)}
		m.Labels = labels
		return m
	}
	ours := map[string]string{labelManagedBy: manager, labelJob: engineName + "-0b"}
	k := fake.NewClientset(made(engineName+"-0b", ours), made("record", map[string]string{labelManagedBy: manager}), made("theirs", map[string]string{labelJob: engineName + "-0c"}))
	if err := newClient(Options{Namespace: "ci", Name: "ci-prod"}, k).sweepEngines(t.Context()); err != nil {
		t.Fatal(err)
	}
	left, err := k.CoreV1().ConfigMaps("ci").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(left.Items) != 2 || left.Items[0].Name != "record" || left.Items[1].Name != "theirs" {
		t.Errorf("left are %+v, %v", left.Items, err)
	}
}
