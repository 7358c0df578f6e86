package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// A mesh may add a container to every pod. One that is no native sidecar goes on
// when ours has ended, and then neither the pod nor its Job ever ends
// (kubernetes.io, Sidecar Containers: only those are ended with the others).

// keptTime is how long a pod may take to end after our container did.
const keptTime = 3 * time.Second

// others are the containers of the pod that are not ours.
func (f *follower) others() []string {
	var out []string
	for _, container := range f.pod.Spec.Containers {
		if container.Name != f.container {
			out = append(out, container.Name)
		}
	}
	return out
}

// accompanied tells whether something else may keep the pod from ending.
func (f *follower) accompanied() bool { return len(f.others()) > 0 }

// keptByOthers tells whether our container has ended for good, was read to its
// end, and others have kept its pod since. A pod that is being deleted or was
// evicted is not kept: the Job makes a new one.
func (f *follower) keptByOthers() bool {
	t := stateIn(f.pod, f.container).Terminated
	if t == nil || ended(f.pod) || f.pod.DeletionTimestamp != nil || !f.accompanied() || !f.log.ended && !f.drained {
		return false
	}
	for _, condition := range f.pod.Status.Conditions {
		if condition.Type == corev1.DisruptionTarget && condition.Status == corev1.ConditionTrue {
			return false
		}
	}
	if f.held.IsZero() {
		f.held = time.Now()
	}
	return time.Since(f.held) >= min(keptTime, 6*f.client.patience.look)
}

// lastWord ends the following of a pod that others keep.
func (f *follower) lastWord() (mover.Event, error) {
	last := f.log.last
	switch t := stateIn(f.pod, f.container).Terminated; {
	case last.Error != "":
		return last, nil
	case t.ExitCode == 0:
		return last, errNoResult
	default:
		return last, &deadError{f.deathOf()}
	}
}

// release ends a pod that others keep, so that the Job makes the next one.
func (f *follower) release(ctx context.Context) error {
	f.held = time.Now() // once in a while, until it is gone
	err := f.free(ctx, f.pod)
	if err == nil {
		return nil
	}
	f.died(fmt.Sprintf("%s keeps the pod of the %s that has ended, and the pod could not be deleted (%v); run kubectl delete pod -n %s %s",
		strings.Join(f.others(), ", "), f.container, err, f.pod.Namespace, f.pod.Name))
	if Forbidden(err) || errors.Is(err, ErrReadOnly) {
		return nil // somebody else may
	}
	return err
}

// deletePod deletes this very pod.
func (c *Client) deletePod(ctx context.Context, pod corev1.Pod) error {
	return gone(c.kube.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
		Preconditions: metav1.NewUIDPreconditions(string(pod.UID)),
	}), "pod "+pod.Name)
}
