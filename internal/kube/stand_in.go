package kube

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// standIn has the pod of a Job stand in the place of a workload's.
func (c *Client) standIn(ctx context.Context, template *corev1.PodTemplateSpec, job string, s server.Stand) error {
	like, err := c.likeOf(ctx, s.Workload)
	if err != nil {
		return err
	}
	pod := &template.Spec
	template.Labels = maps.Clone(s.Labels)
	maps.Copy(template.Labels, c.ours())
	template.Labels[labelJob] = job
	annotations := maps.Clone(template.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	maps.Copy(annotations, like.Annotations) // what puts it into a mesh, or not, is the workload's
	maps.DeleteFunc(annotations, func(key, _ string) bool {
		return key == "kubectl.kubernetes.io/restartedAt" || key == "prometheus.io/scrape" || strings.HasPrefix(key, "container.apparmor.security.beta.kubernetes.io/")
	})
	template.Annotations = annotations
	pod.ServiceAccountName = like.Spec.ServiceAccountName
	pod.NodeSelector, pod.Tolerations = like.Spec.NodeSelector, like.Spec.Tolerations
	if nodes := nodesOf(like.Spec.Affinity); nodes != nil {
		pod.Affinity = &corev1.Affinity{NodeAffinity: nodes}
	}
	for _, secret := range like.Spec.ImagePullSecrets {
		if !slices.Contains(pod.ImagePullSecrets, secret) {
			pod.ImagePullSecrets = append(pod.ImagePullSecrets, secret)
		}
	}
	pod.HostNetwork, pod.HostAliases = like.Spec.HostNetwork, like.Spec.HostAliases
	pod.DNSPolicy, pod.DNSConfig = cmp.Or(like.Spec.DNSPolicy, corev1.DNSClusterFirst), like.Spec.DNSConfig
	pod.RuntimeClassName = like.Spec.RuntimeClassName // not its priority: a plan drives nobody away
	return nil
}

// likeOf is what a workload's pods are made from, as the newest look at where they
// stand saw it.
func (c *Client) likeOf(ctx context.Context, key string) (corev1.PodTemplateSpec, error) {
	var found []workload
	if g := c.stood.Load(); g != nil {
		found = g.workloads
	} else {
		var err error
		if found, _, err = c.layer(ctx); err != nil {
			return corev1.PodTemplateSpec{}, err
		}
	}
	i := slices.IndexFunc(found, func(w workload) bool { return w.key() == key })
	if i < 0 {
		return corev1.PodTemplateSpec{}, fmt.Errorf("%s is not there any more", key)
	}
	return found[i].template, nil
}
