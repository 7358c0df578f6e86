package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// leftAfter is how old a Secret without its Job has to be to be a killed run's:
// between making the one and the other lies a request or two. Clocks that differ
// by less do no harm.
const leftAfter = 5 * time.Minute

// sweepSecrets removes what runs that were killed between a Secret and its Job
// left behind. It goes by our labels: the name may never come again, as that of a
// try of the road changes with the labels of the application. Jobs and their pods
// end by a deadline and are removed by their time to live.
func (c *Client) sweepSecrets(ctx context.Context, now time.Time) error {
	secrets, err := all[corev1.Secret](ctx, labelManagedBy+"="+manager+","+labelJob, listOf(c.kube.CoreV1().Secrets(c.options.Namespace).List))
	if err != nil {
		return fmt.Errorf("list the Secrets of our Jobs: %w", err)
	}
	var errs []error
	for _, s := range secrets {
		if len(s.OwnerReferences) > 0 || now.Sub(s.CreationTimestamp.Time) < leftAfter { // what has an owner goes with it
			continue
		}
		_, err := c.kube.BatchV1().Jobs(c.options.Namespace).Get(ctx, s.Labels[labelJob], metav1.GetOptions{})
		switch {
		case err == nil: // it is at work; once it is gone, a later run finds the Secret
		case !apierrors.IsNotFound(err):
			errs = append(errs, fmt.Errorf("look for Job %s: %w", s.Labels[labelJob], err))
		default:
			precise := metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &s.UID, ResourceVersion: &s.ResourceVersion}}
			err := c.kube.CoreV1().Secrets(c.options.Namespace).Delete(ctx, s.Name, precise)
			if !apierrors.IsConflict(err) { // else somebody has just taken it up again
				errs = append(errs, gone(err, "Secret "+s.Name))
			}
		}
	}
	return errors.Join(errs...)
}

// sweepOnce sweeps before this process makes its first Secret. What cannot be
// removed is in nobody's way, and is said.
func (c *Client) sweepOnce(ctx context.Context) {
	c.swept.Do(func() {
		if err := c.sweepSecrets(ctx, time.Now()); err != nil {
			c.log.WarnContext(ctx, "remove what killed runs left behind", "error", err)
		}
	})
}
