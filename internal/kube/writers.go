package kube

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// ofLayer tells whether an object belongs to the application: it says so, or the
// pods that it starts do.
func ofLayer(labels ...map[string]string) bool {
	return slices.ContainsFunc(labels, func(l map[string]string) bool { return l["layer"] == "application" })
}

func cronOfLayer(j batchv1.CronJob) bool {
	return ofLayer(j.Labels, j.Spec.JobTemplate.Labels, j.Spec.JobTemplate.Spec.Template.Labels)
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

// Jobs reads the application's Jobs that are not over, in two lists.
func (c *Client) Jobs(ctx context.Context) engine.Observed[[]server.Writer] {
	var jobs []batchv1.Job
	var crons []batchv1.CronJob
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { jobs, err = c.jobs(gctx); return })
	group.Go(func() (err error) { crons, err = c.cronJobs(gctx); return })
	if err := group.Wait(); err != nil {
		return engine.CouldNot[[]server.Writer](err)
	}
	return engine.Found(sortedWriters(jobsOf(jobs, crons)))
}

func (c *Client) jobs(ctx context.Context) ([]batchv1.Job, error) {
	jobs, err := all[batchv1.Job](ctx, "", listOf(c.kube.BatchV1().Jobs(c.options.Namespace).List))
	return jobs, describe(err, "list Jobs")
}

func (c *Client) cronJobs(ctx context.Context) ([]batchv1.CronJob, error) {
	crons, err := all[batchv1.CronJob](ctx, "", listOf(c.kube.BatchV1().CronJobs(c.options.Namespace).List))
	return crons, describe(err, "list CronJobs")
}

// jobsOf are the application's Jobs that are not over. One that waits to try
// again has no pod for a while.
func jobsOf(jobs []batchv1.Job, crons []batchv1.CronJob) []server.Writer {
	byCron := map[types.UID]bool{}
	for _, j := range crons {
		byCron[j.UID] = cronOfLayer(j)
	}
	var out []server.Writer
	for _, j := range jobs {
		owner := metav1.GetControllerOf(&j)
		started := owner != nil && byCron[owner.UID]
		if n, runs := podsOfJob(j); runs && !isOurs(j.ObjectMeta) && (started || ofLayer(j.Labels, j.Spec.Template.Labels)) {
			out = append(out, server.Writer{Kind: kindJob, Name: j.Name, Pods: n})
		}
	}
	return out
}

// podsOfJob counts the pods that a Job has, terminating ones too, and tells
// whether it has any or will.
func podsOfJob(j batchv1.Job) (n int, runs bool) {
	n = int(j.Status.Active)
	if j.Status.Terminating != nil {
		n += int(*j.Status.Terminating)
	}
	over, _ := finished(&j)
	suspended := j.Spec.Suspend != nil && *j.Spec.Suspend
	return n, n > 0 || !over && !suspended
}

// writers are the application's Jobs and, by their owner, its pods that no
// workload owns which can be scaled. What owns a ReplicaSet is named where that
// may be read.
func (c *Client) writers(ctx context.Context, seen listed, jobs []batchv1.Job) []server.Writer {
	owners, count := map[string]server.Writer{}, map[server.Writer]int{}
	for _, p := range seen.pods {
		owner := metav1.GetControllerOf(&p)
		scaled := slices.ContainsFunc(seen.found, func(w workload) bool { return w.kind != kindCronJob && controls(w, p) })
		if scaled || ended(p) || !ofLayer(p.Labels) || isOurs(p.ObjectMeta) || ofJob(owner) {
			continue
		}
		key := p.Name
		if owner != nil {
			key = owner.Kind + "/" + owner.Name
		}
		if _, known := owners[key]; !known {
			owners[key] = c.writerOf(ctx, p)
		}
		count[owners[key]]++
	}
	out := jobsOf(jobs, seen.crons)
	for w, n := range count {
		w.Pods = n
		out = append(out, w)
	}
	return sortedWriters(out)
}

// ofJob tells whether a pod is a Job's; other schedulers have Jobs of their own.
func ofJob(owner *metav1.OwnerReference) bool {
	return owner != nil && owner.Kind == kindJob && owner.APIVersion == batchv1.SchemeGroupVersion.String()
}

func sortedWriters(out []server.Writer) []server.Writer {
	slices.SortFunc(out, func(a, b server.Writer) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func (c *Client) writerOf(ctx context.Context, p corev1.Pod) server.Writer {
	owner := metav1.GetControllerOf(&p)
	if owner == nil {
		return server.Writer{Kind: "Pod", Name: p.Name}
	}
	out := server.Writer{Kind: owner.Kind, Name: owner.Name}
	if group, _, ok := strings.Cut(owner.APIVersion, "/"); ok && owner.Kind == kindJob { // not one that we wait for
		out.Kind += "." + group
	}
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
		return server.Writer{Kind: above.Kind, Name: above.Name}
	}
	return out
}

// scaled is the change that gives a workload so many replicas.
func scaled(key string, replicas int) object {
	if server.IsCronJob(key) {
		return object{"spec": object{"suspend": replicas == 0}}
	}
	return object{"spec": object{"replicas": replicas}}
}
