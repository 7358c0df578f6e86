package kube

import (
	"context"
	"fmt"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// stuckError means a mover pod could not start and was given up.
type stuckError struct{ reason string }

func (e *stuckError) Error() string { return "the mover pod does not start: " + e.reason }

// startKind is what keeps a pod from starting; each has its own patience.
type startKind int

const (
	nothingSeen startKind = iota
	lacksImage
	lacksConfig
	lacksNode
	// refused is a pod that admission denies: it is denied again however long one
	// waits.
	refused
)

// startWait remembers since when a pod has been held up by what.
type startWait struct {
	patience patience
	kind     startKind
	since    time.Time
}

// check gives up when the same kind of trouble has lasted too long.
func (w *startWait) check(now time.Time, reason string, kind startKind) error {
	if w.since.IsZero() || kind != w.kind {
		w.kind, w.since = kind, now
	}
	limit := map[startKind]time.Duration{
		nothingSeen: w.patience.start, lacksImage: w.patience.image, lacksConfig: w.patience.config, lacksNode: w.patience.schedule, refused: 0,
	}[kind]
	if now.Sub(w.since) < limit {
		return nil
	}
	return &stuckError{reason}
}

// whyNotStarted says what a Job's pod waits for, in Kubernetes' own words.
func (c *Client) whyNotStarted(ctx context.Context, job *batchv1.Job, pod corev1.Pod) (string, startKind) {
	if pod.UID == "" {
		// Quotas and admission refuse the pod itself; only an event says so.
		message := c.warning(ctx, string(job.UID), "FailedCreate")
		switch {
		case message == "":
			return "no pod was made for it", nothingSeen
		case denied(message):
			return message, refused
		}
		return message, lacksConfig
	}
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			return condition.Reason + ": " + firstLine(condition.Message), lacksNode
		}
	}
	for _, s := range pod.Status.ContainerStatuses {
		if w := s.State.Waiting; w != nil && !ordinary(w.Reason) {
			return waitingText(s, *w), kindOf(w.Reason)
		}
	}
	// A Secret or a key that a volume wants is reported by events only.
	message := c.warning(ctx, string(pod.UID), "FailedMount")
	if message != "" {
		return message, lacksConfig
	}
	return fmt.Sprintf("pod %s is %s", pod.Name, pod.Status.Phase), nothingSeen
}

func kindOf(reason string) startKind {
	if strings.Contains(reason, "Image") || strings.Contains(reason, "Registry") {
		return lacksImage
	}
	return lacksConfig
}

// warning gives the newest event of a kind about an object, or "".
func (c *Client) warning(ctx context.Context, uid, reason string) string {
	list, err := c.kube.CoreV1().Events(c.options.Namespace).List(ctx, metav1.ListOptions{
		FieldSelector: fields.Set{"involvedObject.uid": uid, "reason": reason}.String(),
	})
	if err != nil {
		// Events only explain; without the right to read them the pod's own
		// state has to do.
		c.log.DebugContext(ctx, "events not read", "error", err)
		return ""
	}
	var newest *corev1.Event
	for i, e := range list.Items {
		if newest == nil || newest.LastTimestamp.Before(&e.LastTimestamp) {
			newest = &list.Items[i]
		}
	}
	if newest == nil {
		return ""
	}
	return reason + ": " + firstLine(newest.Message) + remedy(newest.Message)
}

// outOfMemory is the container runtime's word for one that the kernel ended
// because it reached its limit.
const outOfMemory = "OOMKilled"

// killedCode is the exit code of a container that got SIGKILL.
const killedCode = 137

// deathOf says why a Job failed that left no error of its own.
func (f *follower) deathOf() error {
	if f.failure.Reason == batchv1.JobReasonDeadlineExceeded {
		return fmt.Errorf("the Job passed its deadline of %d s and was ended", *f.job.Spec.ActiveDeadlineSeconds)
	}
	if f.pod.Status.Reason != "" { // the node's own words, such as Evicted
		return fmt.Errorf("the %s pod failed: %s: %s", f.container, f.pod.Status.Reason, firstLine(f.pod.Status.Message))
	}
	for _, s := range f.pod.Status.ContainerStatuses {
		if t := s.State.Terminated; s.Name == f.container && t != nil && t.ExitCode != 0 {
			if t.Reason == outOfMemory && f.container == moverContainer {
				return fmt.Errorf("the mover needed more memory than it may have and was killed (%s); raise mover.resources.limits.memory in the spec", t.Reason)
			}
			if t.ExitCode == killedCode && t.Reason == "Error" { // other words say more
				return fmt.Errorf("the %s was killed (exit code %d), by its node for want of disk or memory, or by somebody", f.container, t.ExitCode)
			}
			return fmt.Errorf("the %s ended with %s, exit code %d, and gave no reason", f.container, t.Reason, t.ExitCode)
		}
	}
	return fmt.Errorf("the Job failed: %s: %s", f.failure.Reason, firstLine(f.failure.Message))
}
