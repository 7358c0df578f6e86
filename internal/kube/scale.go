package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
)

// Record annotates each workload named in counts with its count. One that
// has the annotation keeps it: it was written by a run that was cut off, when
// the count was still the true one.
func (c *Client) Record(ctx context.Context, counts map[string]int) error {
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		found, _, err := c.layer(ctx)
		if err != nil {
			return err
		}
		missing := keysOf(counts)
		for _, w := range found {
			n, wanted := counts[w.key()]
			if !wanted {
				continue
			}
			missing = slices.DeleteFunc(missing, func(key string) bool { return key == w.key() })
			if _, has := w.meta.Annotations[annotReplicas]; has {
				continue
			}
			// The version makes two writers notice each other.
			err := c.patch(ctx, w.key(), object{"metadata": object{
				"resourceVersion": w.meta.ResourceVersion,
				"annotations":     object{annotReplicas: strconv.Itoa(n)},
			}})
			if err != nil {
				return err
			}
		}
		if len(missing) > 0 {
			return fmt.Errorf("record replicas: %s no longer exist with the label %s; make a new plan", strings.Join(missing, ", "), application)
		}
		return nil
	})
}

// Scale sets the replicas of one workload.
func (c *Client) Scale(ctx context.Context, key string, replicas int) error {
	if replicas < 0 {
		return fmt.Errorf("scale %s: %d replicas", key, replicas)
	}
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		return c.patch(ctx, key, scaled(key, replicas))
	})
}

// Forget takes our annotation off every workload.
func (c *Client) Forget(ctx context.Context) error {
	found, _, err := c.layer(ctx)
	if err != nil {
		return err
	}
	for _, w := range found {
		if _, has := w.meta.Annotations[annotReplicas]; !has {
			continue
		}
		err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
			return c.patch(ctx, w.key(), object{"metadata": object{"annotations": object{annotReplicas: nil}}})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// object is a piece of a JSON merge patch.
type object map[string]any

// patch sends a merge patch to a workload named by its key.
func (c *Client) patch(ctx context.Context, key string, change object) error {
	body, err := json.Marshal(change)
	if err != nil {
		return fmt.Errorf("patch %s: %w", key, err)
	}
	kind, name, _ := strings.Cut(key, "/")
	apps := c.kube.AppsV1()
	switch kind {
	case kindDeployment:
		_, err = apps.Deployments(c.options.Namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	case kindStatefulSet:
		_, err = apps.StatefulSets(c.options.Namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	case kindCronJob:
		_, err = c.kube.BatchV1().CronJobs(c.options.Namespace).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	default:
		err = errors.New("not a Deployment, StatefulSet or CronJob")
	}
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("patch %s in namespace %s: it does not exist any more; make a new plan: %w", key, c.options.Namespace, err)
	}
	return describe(err, "patch "+key)
}

func keysOf[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}
