package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Remove deletes what runs of a datastore: its StatefulSet, then Services,
// ConfigMaps and ServiceAccounts. Claims, volumes and Secrets stay; claims
// and volumes are marked as kept since at. It refuses while a claim would go
// with the StatefulSet.
func (c *Client) Remove(ctx context.Context, datastore mover.Engine, name string, at time.Time) error {
	s, err := c.store(ctx, datastore, name)
	if err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	for _, v := range s.volumes {
		if v.owned() || s.deletesClaims() {
			return fmt.Errorf("remove %s: PersistentVolumeClaim %s would be deleted with the StatefulSet; protect the datastore first", name, v.claim.Name)
		}
	}
	for _, v := range s.volumes {
		if err := c.markKept(ctx, s, v, at); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	if err := c.removeSet(ctx, s); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	for _, o := range s.releaseObjects() {
		if err := c.removeObject(ctx, o); err != nil {
			return fmt.Errorf("remove %s: %w", name, err)
		}
	}
	return nil
}

// markKept labels a claim and its volume, so that they are found and dated
// after the StatefulSet is gone. A former mark keeps its time, unless the
// StatefulSet has used the volume since.
func (c *Client) markKept(ctx context.Context, s store, v volume, at time.Time) error {
	if since := keptSince(v.claim.Annotations); s.set == nil && !since.IsZero() {
		at = since
	}
	body, err := json.Marshal(object{"metadata": object{
		"labels":      object{labelStore: s.name, labelName: c.options.Name},
		"annotations": object{annotKeptSince: at.UTC().Format(time.RFC3339)},
	}})
	if err != nil {
		return err
	}
	core := c.kube.CoreV1()
	if _, err := core.PersistentVolumeClaims(c.options.Namespace).Patch(ctx, v.claim.Name, types.MergePatchType, body, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("mark PersistentVolumeClaim %s as kept: %w", v.claim.Name, err)
	}
	if v.unbound {
		return nil
	}
	if _, err := core.PersistentVolumes().Patch(ctx, v.claim.Spec.VolumeName, types.MergePatchType, body, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("mark PersistentVolume %s as kept: %w", v.claim.Spec.VolumeName, err)
	}
	return nil
}

// removeSet deletes the StatefulSet and waits until its pods are gone too:
// only then nobody writes to the volume any more.
func (c *Client) removeSet(ctx context.Context, s store) error {
	if s.set == nil {
		return nil
	}
	sets := c.kube.AppsV1().StatefulSets(c.options.Namespace)
	foreground := metav1.DeletePropagationForeground
	err := sets.Delete(ctx, s.set.Name, metav1.DeleteOptions{
		PropagationPolicy: &foreground, Preconditions: metav1.NewUIDPreconditions(string(s.set.UID)),
	})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete StatefulSet %s: %w", s.set.Name, err)
	}
	return c.waitFor(ctx, "the pods of StatefulSet "+s.set.Name+" to go", func(ctx context.Context) (string, error) {
		_, err := sets.Get(ctx, s.set.Name, metav1.GetOptions{})
		if err == nil {
			return "StatefulSet " + s.set.Name + " is still there", nil
		}
		if !apierrors.IsNotFound(err) {
			return "", fmt.Errorf("read StatefulSet %s: %w", s.set.Name, err)
		}
		pods, err := all[corev1.Pod](ctx, "", listOf(c.kube.CoreV1().Pods(c.options.Namespace).List))
		if err != nil {
			return "", describe(err, "list pods")
		}
		left, err := podsOf(ofStatefulSet(*s.set), pods)
		return podNames(left), err
	})
}

func (c *Client) removeObject(ctx context.Context, o releaseObject) error {
	core, ns, name := c.kube.CoreV1(), c.options.Namespace, o.meta.Name
	// The UID keeps us from deleting what somebody made under that name since.
	precise := metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(o.meta.UID))}
	var err error
	switch o.kind {
	case "Service":
		err = core.Services(ns).Delete(ctx, name, precise)
	case "ConfigMap":
		err = core.ConfigMaps(ns).Delete(ctx, name, precise)
	case "ServiceAccount":
		err = core.ServiceAccounts(ns).Delete(ctx, name, precise)
	default: // the StatefulSet is gone; Secrets stay
		return nil
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	return describe(err, "delete "+o.key())
}

func podNames(pods []corev1.Pod) string {
	var out []string
	for _, p := range pods {
		out = append(out, "pod "+p.Name+" is still there")
	}
	return strings.Join(out, ", ")
}
