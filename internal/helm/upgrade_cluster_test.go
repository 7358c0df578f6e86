//go:build testbed

package helm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func liveReplicas(objects map[string]unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	for name, o := range objects {
		if strings.HasPrefix(name, "Deployment/") || strings.HasPrefix(name, "StatefulSet/") {
			out[name] = show(server.ValueAt(o.Object, "spec", "replicas"))
		}
	}
	return out
}

var keepAll = []string{"StatefulSet/postgresql", "Service/postgresql", "Secret/postgresql"}

func TestUpgradeHoldsKeepsAndGoesBack(t *testing.T) {
	s := newSite(t, map[string]any{"postgresql": map[string]any{"auth": map[string]any{"postgresPassword": secretValue}}})
	before := s.look(t)
	change := switchOver(true)
	change.Keep = keepAll
	preview := s.Preview(t.Context(), change)
	if err := s.Upgrade(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	after := s.look(t)
	want := map[string]string{"Deployment/frontend": "0", "Deployment/schedulerer": "0", "StatefulSet/postgresql": "1"}
	if diff := cmp.Diff(want, liveReplicas(after)); diff != "" {
		t.Error(diff)
	}
	for _, name := range keepAll {
		object, was := after[name], before[name]
		if object.GetUID() != was.GetUID() || object.GetAnnotations()["helm.sh/resource-policy"] != "keep" {
			t.Errorf("%s was not kept: %v", name, object.GetAnnotations())
		}
	}
	wanted := predicted(preview.Value)
	for _, name := range keepAll {
		i := slices.Index(wanted, "keep "+name)
		if i < 0 {
			t.Fatalf("the preview does not say that %s is kept: %q", name, wanted)
		}
		wanted = slices.Delete(wanted, i, i+1)
		wanted = append(wanted, fmt.Sprintf(`update %s metadata.annotations["helm.sh/resource-policy"]  > keep`, name))
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(wanted)), happened(before, after)); diff != "" {
		t.Errorf("predicted (-) and happened (+): %s", diff)
	}

	if err := s.Rollback(t.Context(), 1, true); err != nil {
		t.Fatal(err)
	}
	back := s.look(t)
	if diff := cmp.Diff(want, liveReplicas(back)); diff != "" {
		t.Errorf("the way back let the application up: %s", diff)
	}
	if _, there := back["ConfigMap/external"]; there {
		t.Error("the way back left ConfigMap/external behind")
	}
	secret := back["Secret/postgresql"]
	if diff := cmp.Diff(before["Secret/postgresql"].Object["data"], secret.Object["data"]); diff != "" {
		t.Error(diff)
	}
	if err := s.Rollback(t.Context(), 1, false); err != nil {
		t.Fatal(err)
	}
	want["Deployment/frontend"], want["Deployment/schedulerer"] = "2", "1"
	if diff := cmp.Diff(want, liveReplicas(s.look(t))); diff != "" {
		t.Error(diff)
	}
}

func TestRollbackBringsBackWhatWasDeleted(t *testing.T) {
	s := newSite(t, nil)
	if err := s.kube.AppsV1().StatefulSets(s.namespace).Delete(t.Context(), "postgresql", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second finds nothing to do
		if err := s.Rollback(t.Context(), 1, false); err != nil {
			t.Fatal(err)
		}
	}
	if got := liveReplicas(s.look(t))["StatefulSet/postgresql"]; got != "1" {
		t.Errorf("the StatefulSet has %q replicas, want 1", got)
	}
	if diff := cmp.Diff([]string{"superseded: Install complete", "deployed: circleci-dr: back to revision 1"}, s.revisions(t)); diff != "" {
		t.Error(diff)
	}
}

func TestUpgradeNamesTheHookThatFailed(t *testing.T) {
	s := newSite(t, nil)
	before := s.look(t)
	change := switchOver(false)
	change.Set = map[string]any{"breakHook": true, "postgresql": toExternal["postgresql"]}
	err := s.Upgrade(t.Context(), change)
	if err == nil || !strings.Contains(err.Error(), "pre-upgrade hooks failed") || !strings.Contains(err.Error(), "Not A Name") || strings.Contains(err.Error(), secretValue) {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string(nil), happened(before, s.look(t))); diff != "" {
		t.Error(diff)
	}
	if err := s.Upgrade(t.Context(), switchOver(false)); err != nil {
		t.Errorf("after a failed one: %v", err)
	}
}

// hook waits for the next run of the slow hook and gives it.
func (s *site) hook(ctx context.Context, not types.UID) (*batchv1.Job, error) {
	watch, err := s.kube.BatchV1().Jobs(s.namespace).Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	defer watch.Stop()
	for event := range watch.ResultChan() {
		if job, ok := event.Object.(*batchv1.Job); ok && job.UID != not && job.DeletionTimestamp == nil {
			return job, nil
		}
	}
	return nil, errors.New("the watch ended before a hook ran")
}

func (s *site) release(ctx context.Context, job *batchv1.Job) error {
	_, err := s.kube.BatchV1().Jobs(s.namespace).Patch(ctx, job.Name, types.MergePatchType, []byte(`{"spec":{"suspend":false}}`), metav1.PatchOptions{})
	return err
}

func TestUpgradeOutlivesItsContext(t *testing.T) {
	s := newSite(t, map[string]any{"slowHook": true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Upgrade(ctx, switchOver(true)) }()
	job, err := s.hook(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := s.release(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"superseded: Install complete", "deployed: " + switchOver(true).Description}, s.revisions(t)); diff != "" {
		t.Error(diff)
	}
}

// killed runs the upgrade in another process and kills it inside the hook.
func (s *site) killed(t *testing.T) *batchv1.Job {
	t.Helper()
	self := exec.Command(os.Args[0], "-test.run=^TestUpgradeToBeKilled$")
	self.Env = append(os.Environ(), "HELM_TEST_NAMESPACE="+s.namespace)
	if err := self.Start(); err != nil {
		t.Fatal(err)
	}
	job, err := s.hook(t.Context(), "")
	if err := errors.Join(err, self.Process.Kill()); err != nil {
		t.Fatal(err)
	}
	if err := self.Wait(); err == nil {
		t.Fatal("the upgrade ended before it was killed")
	}
	if diff := cmp.Diff([]string{"deployed: Install complete", "pending-upgrade: " + switchOver(true).Description}, s.revisions(t)); diff != "" {
		t.Fatal(diff)
	}
	return job
}

// TestUpgradeToBeKilled is the process that killed starts; alone it has
// nothing to do.
func TestUpgradeToBeKilled(t *testing.T) {
	namespace := os.Getenv("HELM_TEST_NAMESPACE")
	if namespace == "" {
		return
	}
	config, err := Kubeconfig(os.Getenv("KUBECONFIG"), "")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{config: config, namespace: namespace}
	t.Fatal(s.client(t, fixture).Upgrade(t.Context(), switchOver(true)))
}

func TestKilledUpgradeIsTakenOver(t *testing.T) {
	s := newSite(t, map[string]any{"slowHook": true})
	old := s.killed(t)
	if err := s.Upgrade(t.Context(), server.ReleaseChange{Description: "another"}); !errors.Is(err, ErrPending) {
		t.Errorf("got %v, want ErrPending", err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Upgrade(t.Context(), switchOver(true)) }()
	job, err := s.hook(t.Context(), old.UID)
	if err := errors.Join(err, s.release(t.Context(), job)); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want := []string{"superseded: Install complete", "failed: " + switchOver(true).Description + " (cut off)", "deployed: " + switchOver(true).Description}
	if diff := cmp.Diff(want, s.revisions(t)); diff != "" {
		t.Error(diff)
	}
}

func TestKilledUpgradeCanBeRolledBack(t *testing.T) {
	s := newSite(t, map[string]any{"slowHook": true})
	before := s.look(t)
	s.killed(t)
	if err := s.Rollback(t.Context(), 1, false); err != nil {
		t.Fatal(err)
	}
	want := []string{"superseded: Install complete", "failed: " + switchOver(true).Description + " (cut off)", "deployed: circleci-dr: back to revision 1"}
	if diff := cmp.Diff(want, s.revisions(t)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string(nil), happened(before, s.look(t))); diff != "" {
		t.Error(diff)
	}
}
