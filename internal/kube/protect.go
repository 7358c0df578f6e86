package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

const keep = "keep"

// unprotected lists what stands between the datastore and a careless delete.
func (s store) unprotected() []string {
	var out []string
	for _, v := range s.volumes {
		switch {
		case v.unbound:
		case v.unread != nil:
			out = append(out, fmt.Sprintf("PersistentVolume %s: its reclaim policy could not be read (%v)", v.claim.Spec.VolumeName, v.unread))
		case v.volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain:
			out = append(out, fmt.Sprintf("PersistentVolume %s: reclaim policy %s, not Retain", v.volume.Name, v.volume.Spec.PersistentVolumeReclaimPolicy))
		}
	}
	if s.deletesClaims() {
		out = append(out, fmt.Sprintf("StatefulSet %s: deletes its claims when it is deleted (whenDeleted)", s.set.Name))
	}
	for _, v := range s.volumes {
		if v.owned() {
			out = append(out, fmt.Sprintf("PersistentVolumeClaim %s: goes with the StatefulSet that owns it", v.claim.Name))
		}
	}
	for _, o := range s.releaseObjects() {
		if o.meta.Annotations[annotHelmPolicy] != keep {
			out = append(out, fmt.Sprintf("%s: Helm deletes it with the release's next manifest that lacks it", o.key()))
		}
		if pruned(o.meta) {
			out = append(out, fmt.Sprintf("%s: Argo CD prunes it when the application lacks it", o.key()))
		}
	}
	return out
}

// annotArgoSync holds Argo CD's options for one object, with commas.
const (
	annotArgoSync = "argocd.argoproj.io/sync-options"
	argoKeep      = "Prune=false"
)

// pruned tells whether Argo CD would delete an object of its application that
// the application no longer renders.
func pruned(m metav1.ObjectMeta) bool {
	marked := false
	for _, keys := range []map[string]string{m.Labels, m.Annotations} {
		for key := range keys {
			marked = marked || strings.HasPrefix(key, "argocd.argoproj.io/") && key != annotArgoSync
		}
	}
	return marked && !slices.Contains(strings.Split(m.Annotations[annotArgoSync], ","), argoKeep)
}

func (s store) deletesClaims() bool {
	if s.set == nil {
		return false
	}
	policy := s.set.Spec.PersistentVolumeClaimRetentionPolicy
	return policy != nil && policy.WhenDeleted == appsv1.DeletePersistentVolumeClaimRetentionPolicyType
}

// releaseObject is one object of the datastore that Helm made.
type releaseObject struct {
	kind string
	meta metav1.ObjectMeta
}

func (o releaseObject) key() string { return o.kind + "/" + o.meta.Name }

// releaseObjects are the objects without which the datastore does not run and
// that Helm would delete: what its own chart rendered, and no object of
// another part of the release. Users' own Secrets are not among them.
func (s store) releaseObjects() []releaseObject {
	var found []releaseObject
	if s.set != nil {
		found = append(found, releaseObject{kindStatefulSet, s.set.ObjectMeta})
	}
	for _, o := range s.services {
		found = append(found, releaseObject{"Service", o.ObjectMeta})
	}
	for _, o := range s.secrets {
		found = append(found, releaseObject{"Secret", o.ObjectMeta})
	}
	for _, o := range s.configs {
		found = append(found, releaseObject{"ConfigMap", o.ObjectMeta})
	}
	for _, o := range s.accounts {
		found = append(found, releaseObject{"ServiceAccount", o.ObjectMeta})
	}
	var out []releaseObject
	for _, o := range found {
		if o.meta.Annotations[annotHelmName] != "" && (o.meta.Name == s.name || s.carries(o.meta)) {
			out = append(out, o)
		}
	}
	return out
}

// Protect makes the datastore survive its own StatefulSet, a Helm upgrade
// that no longer renders it, and the deletion of its claims. What is already
// in place is left alone.
func (c *Client) Protect(ctx context.Context, datastore mover.Engine, name string) error {
	s, err := c.store(ctx, datastore, name)
	if err != nil {
		return fmt.Errorf("protect %s: %w", name, err)
	}
	if err := c.retain(ctx, s); err != nil {
		return fmt.Errorf("protect %s: %w", name, err)
	}
	if err := c.disown(ctx, s); err != nil {
		return fmt.Errorf("protect %s: %w", name, err)
	}
	for _, o := range s.releaseObjects() {
		if o.meta.Annotations[annotHelmPolicy] != keep {
			if err := c.annotate(ctx, o, annotHelmPolicy, keep); err != nil {
				return fmt.Errorf("protect %s: %w", name, err)
			}
		}
		if pruned(o.meta) {
			options := strings.Trim(o.meta.Annotations[annotArgoSync]+","+argoKeep, ",")
			if err := c.annotate(ctx, o, annotArgoSync, options); err != nil {
				return fmt.Errorf("protect %s: %w", name, err)
			}
		}
	}
	return c.waitFor(ctx, "the protection of "+name, func(ctx context.Context) (string, error) {
		s, err := c.store(ctx, datastore, name)
		return strings.Join(s.unprotected(), "; "), err
	})
}

func (c *Client) retain(ctx context.Context, s store) error {
	for _, v := range s.volumes {
		if v.unbound || v.volume != nil && v.volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain {
			continue
		}
		body, err := json.Marshal(object{"spec": object{"persistentVolumeReclaimPolicy": corev1.PersistentVolumeReclaimRetain}})
		if err != nil {
			return err
		}
		name := v.claim.Spec.VolumeName
		if _, err := c.kube.CoreV1().PersistentVolumes().Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("set the reclaim policy of PersistentVolume %s to Retain: %w", name, err)
		}
	}
	return nil
}

// disown takes whenDeleted: Delete off the live StatefulSet; its controller
// then takes its owner references off the claims.
func (c *Client) disown(ctx context.Context, s store) error {
	if !s.deletesClaims() {
		return nil
	}
	policy := object{"whenDeleted": appsv1.RetainPersistentVolumeClaimRetentionPolicyType}
	return c.patch(ctx, kindStatefulSet+"/"+s.set.Name, object{"spec": object{"persistentVolumeClaimRetentionPolicy": policy}})
}

// annotate sets one annotation on an object of the release.
func (c *Client) annotate(ctx context.Context, o releaseObject, key, value string) error {
	body, err := json.Marshal(object{"metadata": object{"annotations": object{key: value}}})
	if err != nil {
		return err
	}
	core, ns, name := c.kube.CoreV1(), c.options.Namespace, o.meta.Name
	switch o.kind {
	case kindStatefulSet:
		_, err = c.kube.AppsV1().StatefulSets(ns).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	case "Service":
		_, err = core.Services(ns).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	case "Secret":
		_, err = core.Secrets(ns).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	case "ConfigMap":
		_, err = core.ConfigMaps(ns).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	case "ServiceAccount":
		_, err = core.ServiceAccounts(ns).Patch(ctx, name, types.MergePatchType, body, metav1.PatchOptions{})
	default:
		return fmt.Errorf("annotate %s: unknown kind", o.key())
	}
	return describe(err, "annotate "+o.key())
}
