package kube

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestAnOldStatusCountsNothing: scaled down and up again, a workload has the
// right number of ready pods in a status that speaks of those about to end.
func TestAnOldStatusCountsNothing(t *testing.T) {
	for _, row := range []struct {
		generation, observed int64
		want                 int32
	}{{3, 3, 2}, {3, 2, 0}, {1, 0, 0}} {
		meta := metav1.ObjectMeta{Name: "web", Generation: row.generation}
		d := ofDeployment(appsv1.Deployment{ObjectMeta: meta, Status: appsv1.DeploymentStatus{ObservedGeneration: row.observed, ReadyReplicas: 2}})
		s := ofStatefulSet(appsv1.StatefulSet{ObjectMeta: meta, Status: appsv1.StatefulSetStatus{ObservedGeneration: row.observed, ReadyReplicas: 2}})
		if d.ready != row.want || s.ready != row.want {
			t.Errorf("generation %d seen as %d: %d and %d ready, want %d", row.generation, row.observed, d.ready, s.ready, row.want)
		}
	}
}
