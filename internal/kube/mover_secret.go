package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// putJobSecret makes or replaces the Secret of a Job that does not exist yet:
// the request, and what only the runner has. References to Secrets are only
// checked: their content stays where it is.
func (c *Client) putJobSecret(ctx context.Context, name string, request mover.Request, files []moverFile) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	data := map[string][]byte{"request.json": body}
	for _, f := range files {
		content, err := c.resolve(ctx, f.ref)
		switch {
		case f.ref.Secret != nil && apierrors.IsForbidden(err):
			// We may not look; the kubelet may, and says so if it fails.
			c.log.DebugContext(ctx, "reference not checked", "job", name, "error", err)
		case err != nil:
			return fmt.Errorf("the mover needs %s: %w", f.path, err)
		case f.ref.Secret == nil:
			data[f.key] = content
		}
	}
	secrets := c.kube.CoreV1().Secrets(c.options.Namespace)
	labels := c.ours()
	labels[labelJob] = name
	made := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Type: corev1.SecretTypeOpaque, Data: data}
	_, err = secrets.Create(ctx, made, metav1.CreateOptions{})
	if !apierrors.IsAlreadyExists(err) {
		return describe(err, "create the Job's Secret "+name)
	}
	old, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("read the Job's Secret %s: %w", name, err)
	}
	if !isOurs(old.ObjectMeta) || old.Labels[labelJob] != name {
		return fmt.Errorf("a Secret %s exists that is not this Job's; remove it", name)
	}
	made.ResourceVersion = old.ResourceVersion
	_, err = secrets.Update(ctx, made, metav1.UpdateOptions{})
	return describe(err, "replace the Job's Secret "+name)
}

// bindSecret makes the Job the owner of its Secret, so that the two go
// together.
func (c *Client) bindSecret(ctx context.Context, job *batchv1.Job) error {
	body, err := json.Marshal(object{"metadata": object{"ownerReferences": []metav1.OwnerReference{{
		APIVersion: "batch/v1", Kind: "Job", Name: job.Name, UID: job.UID,
	}}}})
	if err != nil {
		return err
	}
	_, err = c.kube.CoreV1().Secrets(c.options.Namespace).Patch(ctx, job.Name, types.MergePatchType, body, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) {
		return nil // a finished Job's Secret is removed first
	}
	return describe(err, "tie the Secret to its Job")
}

func (c *Client) removeJobSecret(ctx context.Context, name string) error {
	secrets := c.kube.CoreV1().Secrets(c.options.Namespace)
	got, err := secrets.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the Job's Secret %s: %w", name, err)
	}
	if !isOurs(got.ObjectMeta) || got.Labels[labelJob] != name {
		return errors.New("the Secret " + name + " is not the Job's; it is left alone")
	}
	err = secrets.Delete(ctx, name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(got.UID))})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return describe(err, "delete the Job's Secret "+name)
}
