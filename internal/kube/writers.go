package kube

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// ofLayer tells whether a CronJob belongs to the application: it says so, or
// the pods that it starts do.
func ofLayer(j batchv1.CronJob) bool {
	for _, labels := range []map[string]string{j.Labels, j.Spec.JobTemplate.Labels, j.Spec.JobTemplate.Spec.Template.Labels} {
		if labels["layer"] == "application" {
			return true
		}
	}
	return false
}

// ofCronJob makes a workload of one that is either there or suspended; pods it
// started belong to their Jobs.
func ofCronJob(j batchv1.CronJob) workload {
	n := int32(1)
	if j.Spec.Suspend != nil && *j.Spec.Suspend {
		n = 0
	}
	return workload{kind: kindCronJob, meta: j.ObjectMeta, replicas: &n, ready: n, template: j.Spec.JobTemplate.Spec.Template}
}

// templateIn is where an object of this kind has its pod template.
func (w workload) templateIn(template map[string]any) map[string]any {
	spec := map[string]any{"spec": map[string]any{"template": template}}
	if w.kind == kindCronJob {
		return map[string]any{"spec": map[string]any{"jobTemplate": spec}}
	}
	return spec
}

// Writers groups by their owner the pods of the application that no workload
// owns which can be scaled. What owns a ReplicaSet is named where that may be
// read.
func (c *Client) Writers(ctx context.Context) reconcile.Observed[[]reconcile.Writer] {
	var found []workload
	var pods []corev1.Pod
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { found, err = c.layer(gctx); return })
	group.Go(func() (err error) {
		pods, err = all[corev1.Pod](gctx, application, listOf(c.kube.CoreV1().Pods(c.options.Namespace).List))
		return describe(err, "list pods")
	})
	if err := group.Wait(); err != nil {
		return reconcile.CouldNot[[]reconcile.Writer](err)
	}
	count := map[reconcile.Writer]int{}
	for _, p := range pods {
		scaled := slices.ContainsFunc(found, func(w workload) bool { return w.kind != kindCronJob && controls(w, p) })
		if !scaled && !ended(p) && !isOurs(p.ObjectMeta) {
			count[c.writerOf(ctx, p)]++
		}
	}
	out := make([]reconcile.Writer, 0, len(count))
	for w, n := range count {
		w.Pods = n
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b reconcile.Writer) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return reconcile.Found(out)
}

func (c *Client) writerOf(ctx context.Context, p corev1.Pod) reconcile.Writer {
	owner := metav1.GetControllerOf(&p)
	if owner == nil {
		return reconcile.Writer{Kind: "Pod", Name: p.Name}
	}
	out := reconcile.Writer{Kind: owner.Kind, Name: owner.Name}
	if owner.Kind != "ReplicaSet" || owner.APIVersion != appsv1.SchemeGroupVersion.String() {
		return out
	}
	// Only its own name is lost when this fails.
	set, err := c.kube.AppsV1().ReplicaSets(c.options.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	if err != nil {
		c.log.DebugContext(ctx, "owner not read", "replicaset", owner.Name, "error", err)
		return out
	}
	if above := metav1.GetControllerOf(set); above != nil {
		return reconcile.Writer{Kind: above.Kind, Name: above.Name}
	}
	return out
}

// scaled is the change that gives a workload so many replicas.
func scaled(key string, replicas int) object {
	if reconcile.IsCronJob(key) {
		return object{"spec": object{"suspend": replicas == 0}}
	}
	return object{"spec": object{"replicas": replicas}}
}
