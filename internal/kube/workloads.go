package kube

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// application selects what a quiesce stops (the product's own label).
const application = "layer=application"

// The kinds of workloads, as in Workload.Kind.
const (
	kindDeployment  = "Deployment"
	kindStatefulSet = "StatefulSet"
	kindCronJob     = "CronJob"
	kindJob         = "Job"
)

// workload is what Deployments, StatefulSets and CronJobs have in common.
type workload struct {
	kind     string
	meta     metav1.ObjectMeta
	replicas *int32
	ready    int32
	selector *metav1.LabelSelector
	template corev1.PodTemplateSpec
	// refused is why the controller could not even make pods (quota …).
	refused string
}

func (w workload) key() string { return w.kind + "/" + w.meta.Name }

// count is the number of replicas asked for; an absent field means one.
func (w workload) count() int {
	if w.replicas == nil {
		return 1
	}
	return int(*w.replicas)
}

// List reads the application layer in five lists, however many workloads
// there are.
func (c *Client) List(ctx context.Context) engine.Observed[[]server.Workload] {
	seen, err := c.lists(ctx)
	if err != nil {
		return engine.CouldNot[[]server.Workload](err)
	}
	return engine.Found(seen.counts)
}

// listed is the application layer as it was read, each workload beside what is
// told of it.
type listed struct {
	found  []workload
	counts []server.Workload
	crons  []batchv1.CronJob // of the application or not
	pods   []corev1.Pod      // likewise
}

func (c *Client) lists(ctx context.Context) (listed, error) {
	var (
		out     listed
		scalers []autoscalingv2.HorizontalPodAutoscaler
	)
	ns := c.options.Namespace
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { out.found, out.crons, err = c.layer(gctx); return })
	group.Go(func() (err error) {
		out.pods, err = all[corev1.Pod](gctx, "", listOf(c.kube.CoreV1().Pods(ns).List))
		return describe(err, "list pods")
	})
	group.Go(func() (err error) {
		scalers, err = all[autoscalingv2.HorizontalPodAutoscaler](gctx, "", listOf(c.kube.AutoscalingV2().HorizontalPodAutoscalers(ns).List))
		return describe(err, "list HorizontalPodAutoscalers")
	})
	if err := group.Wait(); err != nil {
		return listed{}, err
	}
	for _, w := range out.found {
		seen, err := view(w, out.pods, scalers)
		if err != nil {
			return listed{}, err
		}
		out.counts = append(out.counts, seen)
	}
	return out, nil
}

// layer reads the Deployments, StatefulSets and CronJobs of the application,
// sorted by kind and name, and gives all CronJobs beside.
func (c *Client) layer(ctx context.Context) ([]workload, []batchv1.CronJob, error) {
	ns := c.options.Namespace
	var deployments []appsv1.Deployment
	var sets []appsv1.StatefulSet
	var crons []batchv1.CronJob
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		deployments, err = all[appsv1.Deployment](ctx, application, listOf(c.kube.AppsV1().Deployments(ns).List))
		return describe(err, "list Deployments")
	})
	group.Go(func() (err error) {
		sets, err = all[appsv1.StatefulSet](ctx, application, listOf(c.kube.AppsV1().StatefulSets(ns).List))
		return describe(err, "list StatefulSets")
	})
	group.Go(func() (err error) { crons, err = c.cronJobs(ctx); return })
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	return layerOf(deployments, sets, crons), crons, nil
}

// layerOf are workloads of the application, sorted by kind and name; of CronJobs
// it picks the application's.
func layerOf(deployments []appsv1.Deployment, sets []appsv1.StatefulSet, crons []batchv1.CronJob) []workload {
	var out []workload
	for _, d := range deployments {
		out = append(out, ofDeployment(d))
	}
	for _, s := range sets {
		out = append(out, ofStatefulSet(s))
	}
	for _, j := range crons {
		if cronOfLayer(j) {
			out = append(out, ofCronJob(j))
		}
	}
	slices.SortFunc(out, func(a, b workload) int { return strings.Compare(a.key(), b.key()) })
	return out
}

// inLayer tells whether application selects an object that was read
// without it.
func inLayer(m metav1.ObjectMeta) bool {
	key, value, _ := strings.Cut(application, "=")
	return m.Labels[key] == value
}

func ofDeployment(d appsv1.Deployment) workload {
	w := workload{
		kind: kindDeployment, meta: d.ObjectMeta, replicas: d.Spec.Replicas,
		ready:    readyNow(d.ObjectMeta, d.Status.ObservedGeneration, d.Status.ReadyReplicas),
		selector: d.Spec.Selector, template: d.Spec.Template,
	}
	for _, condition := range d.Status.Conditions {
		if condition.Type == appsv1.DeploymentReplicaFailure && condition.Status == corev1.ConditionTrue {
			w.refused = condition.Reason + ": " + firstLine(condition.Message)
		}
	}
	return w
}

func ofStatefulSet(s appsv1.StatefulSet) workload {
	return workload{
		kind: kindStatefulSet, meta: s.ObjectMeta, replicas: s.Spec.Replicas,
		ready:    readyNow(s.ObjectMeta, s.Status.ObservedGeneration, s.Status.ReadyReplicas),
		selector: s.Spec.Selector, template: s.Spec.Template,
	}
}

// readyNow is how many pods are ready under the newest specification. A status
// that its controller wrote before it saw that one counts nothing: after a scale
// down and up again it still tells of the pods that are about to end.
func readyNow(meta metav1.ObjectMeta, observed int64, ready int32) int32 {
	if observed < meta.Generation {
		return 0
	}
	return ready
}

func view(w workload, pods []corev1.Pod, scalers []autoscalingv2.HorizontalPodAutoscaler) (server.Workload, error) {
	mine, err := podsOf(w, pods)
	if err != nil {
		return server.Workload{}, err
	}
	out := server.Workload{
		Kind: w.kind, Name: w.meta.Name, Replicas: w.count(), Ready: int(w.ready), Pods: len(mine),
		Trouble: trouble(mine),
	}
	if out.Trouble == "" {
		out.Trouble = w.refused
	}
	if text, ok := w.meta.Annotations[annotReplicas]; ok {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return out, fmt.Errorf("%s has the annotation %s=%q, which is no number of replicas; correct or remove it", w.key(), annotReplicas, text)
		}
		out.Recorded = &n
	}
	for _, h := range scalers {
		if ref := h.Spec.ScaleTargetRef; ref.Kind == w.kind && ref.Name == w.meta.Name {
			out.Autoscaler = h.Name
		}
	}
	return out, nil
}

// podsOf gives the pods of a workload that may still be running, terminating
// ones included. Evicted and finished pods are left out: they stay behind as
// objects and would keep a quiesce waiting for ever.
func podsOf(w workload, pods []corev1.Pod) ([]corev1.Pod, error) {
	selector, err := metav1.LabelSelectorAsSelector(w.selector)
	if err != nil {
		return nil, fmt.Errorf("read the selector of %s: %w", w.key(), err)
	}
	var out []corev1.Pod
	for _, p := range pods {
		over := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
		if !over && selector.Matches(labels.Set(p.Labels)) && controls(w, p) {
			out = append(out, p)
		}
	}
	return out, nil
}

// controls tells whether a pod belongs to w, without reading ReplicaSets: a
// Deployment's ReplicaSet is called after it and the pod's template hash.
func controls(w workload, p corev1.Pod) bool {
	owner := metav1.GetControllerOf(&p)
	if owner == nil {
		return false
	}
	if w.kind == kindDeployment {
		return owner.Kind == "ReplicaSet" && owner.Name == w.meta.Name+"-"+p.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	}
	return owner.Kind == kindStatefulSet && owner.Name == w.meta.Name
}

func describe(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
