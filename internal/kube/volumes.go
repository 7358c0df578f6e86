package kube

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// claims picks the claims of the datastore: made from its templates, named
// by its pods, or, once the StatefulSet is gone, recognised by name and label.
func (s store) claims(listed []corev1.PersistentVolumeClaim) []corev1.PersistentVolumeClaim {
	ordinals := regexp.MustCompile(`^(.+)-` + regexp.QuoteMeta(s.name) + `-[0-9]+$`)
	var named, templates []string
	if s.set != nil {
		for _, v := range s.set.Spec.Template.Spec.Volumes {
			if v.PersistentVolumeClaim != nil {
				named = append(named, v.PersistentVolumeClaim.ClaimName)
			}
		}
		for _, t := range s.set.Spec.VolumeClaimTemplates {
			templates = append(templates, t.Name)
		}
	}
	var out []corev1.PersistentVolumeClaim
	for _, claim := range listed {
		found := ordinals.FindStringSubmatch(claim.Name)
		switch {
		case claim.Labels[labelStore] == s.name:
		case slices.Contains(named, claim.Name):
		case found != nil && slices.Contains(templates, found[1]):
		case found != nil && s.carries(claim.ObjectMeta):
		default:
			continue
		}
		out = append(out, claim)
	}
	return out
}

// volumes reads the PersistentVolume behind each claim. A forbidden read is
// kept as such: it is neither "no volume" nor "protected".
func (c *Client) volumes(ctx context.Context, claims []corev1.PersistentVolumeClaim) ([]volume, error) {
	var out []volume
	for _, claim := range claims {
		v := volume{claim: claim, unbound: claim.Spec.VolumeName == ""}
		if !v.unbound {
			pv, err := c.kube.CoreV1().PersistentVolumes().Get(ctx, claim.Spec.VolumeName, metav1.GetOptions{})
			switch {
			case err == nil:
				v.volume = pv
			case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err), apierrors.IsNotFound(err):
				v.unread = err
			default:
				return nil, fmt.Errorf("read PersistentVolume %s: %w", claim.Spec.VolumeName, err)
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// owned tells whether deleting the StatefulSet would delete the claim.
func (v volume) owned() bool {
	return slices.ContainsFunc(v.claim.OwnerReferences, func(o metav1.OwnerReference) bool {
		return o.Kind == kindStatefulSet || o.Kind == "Pod"
	})
}

func keptSince(annotations map[string]string) time.Time {
	at, err := time.Parse(time.RFC3339, annotations[annotKeptSince])
	if err != nil {
		return time.Time{} // absent, or not written by us
	}
	return at
}
