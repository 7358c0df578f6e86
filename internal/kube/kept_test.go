package kube

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// A volume that was kept, used again after a move back, and is left behind a
// second time is kept since then: that is when its data were last the truth.
// Where the StatefulSet is gone already the date stays.
func TestAVolumeIsKeptSinceItWasLastLeft(t *testing.T) {
	first := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	second := first.AddDate(0, 6, 0)
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ci", Name: "data-postgresql-0",
			Labels: map[string]string{labelStore: "postgresql"}, Annotations: map[string]string{annotKeptSince: first.Format(time.RFC3339)}},
	}
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ci", Name: "postgresql"}}
	c := newClient(Options{Namespace: "ci", Release: "server", Name: "ci"}, fake.NewClientset(claim, set))
	for _, at := range []time.Time{second, second.AddDate(0, 1, 0)} {
		if err := c.Remove(t.Context(), mover.PostgreSQL, "postgresql", at); err != nil {
			t.Fatal(err)
		}
		got := c.Internal(t.Context(), mover.PostgreSQL, "postgresql")
		if !got.Is() || len(got.Value.Volumes) != 1 || !got.Value.Volumes[0].KeptSince.Equal(second) {
			t.Errorf("removed at %s: %+v", at, got)
		}
	}
}
