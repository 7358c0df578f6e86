//go:build testbed

package kube

import (
	"context"
	"reflect"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func TestStoreIsProtectedAndRemoved(t *testing.T) {
	b := newBed(t)
	check := must(t)
	labels := map[string]string{labelAppName: "postgresql", labelInstance: "ci"}
	helm := metav1.ObjectMeta{Name: "postgresql", Labels: labels, Annotations: map[string]string{annotHelmName: "ci"}}
	core := b.admin.CoreV1()
	check(core.Secrets(b.namespace).Create(t.Context(), &corev1.Secret{ObjectMeta: helm, StringData: map[string]string{"postgres-password": "x"}}, metav1.CreateOptions{}))
	check(core.ConfigMaps(b.namespace).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: helm}, metav1.CreateOptions{}))
	service := &corev1.Service{ObjectMeta: helm, Spec: corev1.ServiceSpec{Selector: labels, ClusterIP: "None"}}
	check(core.Services(b.namespace).Create(t.Context(), service, metav1.CreateOptions{}))
	check(core.Services(b.namespace).Create(t.Context(), &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, ClusterIP: "None"},
	}, metav1.CreateOptions{}))
	set := &appsv1.StatefulSet{ObjectMeta: helm, Spec: appsv1.StatefulSetSpec{
		ServiceName: "postgresql", Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template:                             corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: sleeper()},
		PersistentVolumeClaimRetentionPolicy: &appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{WhenDeleted: appsv1.DeletePersistentVolumeClaimRetentionPolicyType},
		VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Mi")}},
		}}},
	}}
	check(b.admin.AppsV1().StatefulSets(b.namespace).Create(t.Context(), set, metav1.CreateOptions{}))
	c := b.client(nil)
	var volumeName string
	if err := c.waitFor(t.Context(), "the store", func(ctx context.Context) (string, error) {
		got := c.Internal(ctx, mover.PostgreSQL, "postgresql").Value
		if got.StatefulSet.Value.Ready != 1 || len(got.Volumes) != 1 || len(got.Unprotected) != 6 && len(got.Unprotected) != 7 {
			return "not ready", nil
		}
		volumeName = got.Volumes[0].Name
		return "", nil
	}); err != nil {
		t.Fatalf("%v: %+v", err, c.Internal(t.Context(), mover.PostgreSQL, "postgresql"))
	}
	if volumeName == "" {
		t.Fatal("the claim has no volume")
	}
	body := []byte(`{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}`)
	check(core.PersistentVolumes().Patch(t.Context(), volumeName, "application/merge-patch+json", body, metav1.PatchOptions{}))
	t.Cleanup(func() { // the volume would outlive the namespace
		_, err := core.PersistentVolumes().Patch(context.Background(), volumeName, "application/merge-patch+json", body, metav1.PatchOptions{})
		if err != nil {
			t.Error(err)
		}
	})
	before := c.Internal(t.Context(), mover.PostgreSQL, "postgresql").Value
	want := []string{
		"PersistentVolume " + volumeName + ": reclaim policy Delete, not Retain",
		"StatefulSet postgresql: deletes its claims when it is deleted (whenDeleted)",
		"PersistentVolumeClaim data-postgresql-0: goes with the StatefulSet that owns it",
		"StatefulSet/postgresql: Helm deletes it with the release's next manifest that lacks it",
		"Service/postgresql: Helm deletes it with the release's next manifest that lacks it",
		"Secret/postgresql: Helm deletes it with the release's next manifest that lacks it",
		"ConfigMap/postgresql: Helm deletes it with the release's next manifest that lacks it",
	}
	if before.Protected || !reflect.DeepEqual(before.Unprotected, want) {
		t.Errorf("unprotected:\n%s\nwant\n%s", strings.Join(before.Unprotected, "\n"), strings.Join(want, "\n"))
	}
	at := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	err := c.Remove(t.Context(), mover.PostgreSQL, "postgresql", at)
	if err == nil || err.Error() != "remove postgresql: PersistentVolumeClaim data-postgresql-0 would be deleted with the StatefulSet; protect the datastore first" {
		t.Errorf("removing the unprotected gave %v", err)
	}
	for range 2 {
		if err := c.Protect(t.Context(), mover.PostgreSQL, "postgresql"); err != nil {
			t.Fatal(err)
		}
	}
	present := server.InternalStore{
		StatefulSet: engine.Found(server.StatefulSet{Name: "postgresql", Replicas: 1, Ready: 1, Image: "tb/pause:1"}),
		Secret:      engine.Found(server.SecretInfo{Name: "postgresql", Keys: []string{"postgres-password"}, Owner: "Helm release ci"}),
		Services:    []string{"postgresql"}, Protected: true,
		Volumes: []server.Volume{{Claim: "data-postgresql-0", Name: volumeName, ReclaimPolicy: "Retain", Bytes: 1 << 20, By: "local"}},
	}
	if got := c.Internal(t.Context(), mover.PostgreSQL, "postgresql"); !reflect.DeepEqual(got, engine.Found(present)) {
		t.Errorf("protected: got  %+v\nwant %+v", got, present)
	}
	for _, when := range []time.Time{at, at.Add(time.Hour)} { // a second run keeps the first one's time
		if err := c.Remove(t.Context(), mover.PostgreSQL, "postgresql", when); err != nil {
			t.Fatal(err)
		}
	}
	gone := present
	gone.StatefulSet, gone.Services = engine.NotThere[server.StatefulSet](), nil
	gone.Volumes[0].KeptSince = at
	if got := c.Internal(t.Context(), mover.PostgreSQL, "postgresql"); !reflect.DeepEqual(got, engine.Found(gone)) {
		t.Errorf("removed: got  %+v\nwant %+v", got, gone)
	}
	pv, err := core.PersistentVolumes().Get(t.Context(), volumeName, metav1.GetOptions{})
	if err != nil || pv.Annotations[annotKeptSince] != "2026-11-22T05:00:00Z" || pv.Labels[labelStore] != "postgresql" || pv.Status.Phase != corev1.VolumeBound {
		t.Errorf("the volume is %+v, %v", pv, err)
	}
	pods, err := core.Pods(b.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(pods.Items) != 0 {
		t.Errorf("%d pods are left, %v", len(pods.Items), err)
	}
	services, err := core.Services(b.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(services.Items) != 1 || services.Items[0].Name != "web" {
		t.Errorf("services left: %+v, %v", services.Items, err)
	}
}
