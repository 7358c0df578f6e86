package kube

import (
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// following is a client that follows a Job whose pod runs. Each reading of its log
// takes as long as read does, and gives what it gives.
func following(t *testing.T, read func(n int) string) (*Client, *fake.Clientset, *batchv1.Job) {
	t.Helper()
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "copy", Namespace: "ci", UID: "uid-copy"}}
	running := pod("copy-1", "Job", "copy", corev1.PodRunning, map[string]string{batchv1.JobNameLabel: "copy"})
	running.Namespace, running.OwnerReferences[0].UID = "ci", job.UID
	running.Spec.Containers = []corev1.Container{{Name: moverContainer}}
	running.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: moverContainer, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}}
	k := fake.NewClientset(job, &running)
	n := 0
	k.PrependReactor("get", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() != "log" {
			return false, nil, nil
		}
		n++
		return true, &runtime.Unknown{Raw: []byte(read(n))}, nil
	})
	c := newClient(Options{Namespace: "ci"}, k)
	c.patience.look, c.patience.reconnect, c.patience.settle = time.Millisecond, time.Millisecond, 200*time.Millisecond
	return c, k, job
}

// How long an API server may be away counts from when it last answered, also when
// that was a log that was read for hours.
func TestAnAPIServerThatRestartsAfterALongLogIsWaitedFor(t *testing.T) {
	away := false
	c, k, job := following(t, func(n int) string {
		if n > 1 {
			return `{"seq":1,"result":{}}` + "\n"
		}
		time.Sleep(300 * time.Millisecond) // longer than it may be away
		away = true
		return ""
	})
	k.PrependReactor("get", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		if !away {
			return false, nil, nil
		}
		away = false
		return true, nil, apierrors.NewServiceUnavailable("it restarts")
	})
	last, err := c.follower(job, moverContainer, func(mover.Event) {}).follow(t.Context())
	if err != nil || string(last.Result) != "{}" {
		t.Errorf("it ended with %q, %v", last.Result, err)
	}
}

// A Job that is past its deadline and goes on: nobody is there to end it.
func TestAJobThatNothingEndsIsGivenUp(t *testing.T) {
	c, _, job := following(t, func(int) string { return "" })
	job.Spec.ActiveDeadlineSeconds = pointer[int64](0)
	begun := time.Now()
	_, err := c.follower(job, moverContainer, func(mover.Event) {}).follow(t.Context())
	if err == nil || transient(err) || !strings.HasPrefix(err.Error(), "its deadline of 0s has passed and nothing ended it") || time.Since(begun) > 20*time.Second {
		t.Errorf("after %s: %v", time.Since(begun), err)
	}
}
