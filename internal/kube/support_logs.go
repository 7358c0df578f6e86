package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// logLimit is how much of one mover's log a supporter gets: its end.
const (
	logLimit = 1 << 20
	logLines = 5000
)

// MoverLogs reads the logs of the mover pods that are still there, by pod. The
// logs it could read come with the error that names the others.
func (c *Client) MoverLogs(ctx context.Context) (map[string]string, error) {
	pods, err := all[corev1.Pod](ctx, labelManagedBy+"="+manager+","+batchv1.JobNameLabel, listOf(c.kube.CoreV1().Pods(c.options.Namespace).List))
	if err != nil {
		return nil, fmt.Errorf("list mover pods: %w", err)
	}
	out := map[string]string{}
	var failed []error
	for _, pod := range pods {
		lines, bytes := int64(logLines), int64(logLimit)
		log, err := c.kube.CoreV1().Pods(c.options.Namespace).GetLogs(pod.Name, &corev1.PodLogOptions{TailLines: &lines, LimitBytes: &bytes}).DoRaw(ctx)
		if noLog(err) {
			continue
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("read the log of %s: %w", pod.Name, err))
			continue
		}
		out[pod.Name] = wholeLines(log)
	}
	return out, errors.Join(failed...)
}

// noLog tells that a pod has no log to read: it or its log has gone since it was
// looked at, or has not begun. Only what else goes wrong is unread.
func noLog(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsBadRequest(err) }

// wholeLines drops a last line that the limit cut: half a secret is not
// recognised.
func wholeLines(log []byte) string {
	if len(log) < logLimit {
		return string(log)
	}
	return string(log[:bytes.LastIndexByte(log, '\n')+1])
}
