package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// A chart's archive is cut into Secrets: a chart of one's own may hold
// anything.
const (
	chartPart     = 900 << 10
	chartPartsMax = 8
)

// Submit hands the work to an engine in the cluster. What a submission that
// was cut off left behind is made anew; an engine that is already at work on
// the same plan is adopted. The caller holds the lease.
func (c *Client) Submit(ctx context.Context, w EngineWork) (engine.HostedRun, error) {
	run, err := c.submit(ctx, w)
	if err != nil {
		return run, fmt.Errorf("submit the work to the cluster: %w", err)
	}
	return run, nil
}

func (c *Client) submit(ctx context.Context, w EngineWork) (engine.HostedRun, error) {
	name := engineJobName(w.Plan)
	switch found := c.Engine(ctx); {
	case found.Unread():
		return engine.HostedRun{}, fmt.Errorf("look for an engine: %s", found.Why)
	case found.Value.Active() && found.Is() && found.Value.Job == name:
		return found.Value, c.bindEngine(ctx, found.Value, true)
	case found.Value.Active() && found.Is():
		return found.Value, &OtherEngineError{found.Value}
	case found.Is():
		if err := c.letEnd(ctx, found.Value.Job); err != nil {
			return engine.HostedRun{}, err
		}
	}
	// One that is over holds its name, and its objects go with it.
	if err := c.Stop(ctx, name); err != nil {
		return engine.HostedRun{}, err
	}
	if err := c.sweepEngines(ctx); err != nil {
		return engine.HostedRun{}, err
	}
	shape, err := c.shape(ctx)
	if err != nil {
		return engine.HostedRun{}, err
	}
	parts, err := c.putWork(ctx, name, w)
	if err != nil {
		return engine.HostedRun{}, err
	}
	if err := c.putRights(ctx, w.Rights); err != nil {
		return engine.HostedRun{}, err
	}
	manifest, err := c.engineManifest(w, parts, shape)
	if err != nil {
		return engine.HostedRun{}, err
	}
	// Last, because from here on the engine works without us.
	live, err := c.kube.BatchV1().Jobs(c.options.Namespace).Create(ctx, manifest, metav1.CreateOptions{})
	if err != nil {
		return engine.HostedRun{}, refusedJob(err, "create Job "+name)
	}
	run := engineRun(*live)
	if err := c.bindEngine(ctx, run, true); err != nil {
		c.log.WarnContext(ctx, "tie an engine's objects to its Job", "job", name, "error", err) // the engine does it again
	}
	return run, nil
}

// sweepEngines removes what was handed to engines that are over, or that never
// came to be because who submitted was cut off.
func (c *Client) sweepEngines(ctx context.Context) error {
	ours, core := labelManagedBy+"="+manager+","+labelJob, c.kube.CoreV1()
	secrets, err := all[corev1.Secret](ctx, ours, listOf(core.Secrets(c.options.Namespace).List))
	if err != nil {
		return fmt.Errorf("list the Secrets that engines were handed: %w", err)
	}
	files, err := all[corev1.ConfigMap](ctx, ours, listOf(core.ConfigMaps(c.options.Namespace).List))
	if err != nil {
		return fmt.Errorf("list the ConfigMaps that engines were handed: %w", err)
	}
	jobs := map[string]bool{}
	for _, s := range secrets {
		jobs[s.Labels[labelJob]] = true
	}
	for _, m := range files {
		jobs[m.Labels[labelJob]] = true
	}
	for _, job := range keysOf(jobs) {
		if strings.HasPrefix(job, engineName+"-") {
			if err := c.RemoveEngineWork(ctx, job); err != nil {
				return err
			}
		}
	}
	return nil
}

// workParts lists the keys and Secrets the engine's pod mounts.
type workParts struct {
	files, told []string
	charts      []string // names of Secrets, in order
}

// putWork makes the ConfigMap with the files, the Secret with what references
// point at here, and the Secrets with the chart.
func (c *Client) putWork(ctx context.Context, name string, w EngineWork) (workParts, error) {
	parts := workParts{files: slices.Sorted(maps.Keys(w.Files))}
	size := 0
	files := &corev1.ConfigMap{ObjectMeta: c.engineMeta(name, name), BinaryData: w.Files}
	for _, content := range w.Files {
		size += len(content)
	}
	if size > recordLimit {
		return parts, fmt.Errorf("spec and plan have %s, more than the %s a ConfigMap holds; split the file or run it here with --in-cluster=false",
			mover.Bytes(int64(size)), mover.Bytes(recordLimit))
	}
	told, err := c.toldSecret(ctx, name, w)
	if err != nil {
		return parts, err
	}
	parts.told = keysOf(told.Data)
	charts, err := c.chartSecrets(name, w.Chart)
	if err != nil {
		return parts, err
	}
	core := c.kube.CoreV1()
	if err := renew(ctx, core.ConfigMaps(c.options.Namespace), files, "ConfigMap"); err != nil {
		return parts, err
	}
	for _, s := range append([]*corev1.Secret{told}, charts...) {
		if err := renew(ctx, core.Secrets(c.options.Namespace), s, "Secret"); err != nil {
			return parts, err
		}
	}
	for _, s := range charts {
		parts.charts = append(parts.charts, s.Name)
	}
	return parts, nil
}

// toldSecret holds what references of the runner point at. One that points at
// nothing here is left out: the engine says so if it needs it.
func (c *Client) toldSecret(ctx context.Context, name string, w EngineWork) (*corev1.Secret, error) {
	out := &corev1.Secret{ObjectMeta: c.engineMeta(name, name), Type: corev1.SecretTypeOpaque, Data: map[string][]byte{}}
	size := 0
	for _, ref := range w.References {
		if ref.Secret != nil {
			continue // the engine reads it where it is
		}
		content, err := c.resolve(ctx, ref)
		if err != nil {
			c.log.WarnContext(ctx, "reference not sent to the engine", "reference", ref.String(), "error", err)
			continue
		}
		out.Data[referenceKey(ref)] = content
		if size += len(content); size > recordLimit {
			return nil, fmt.Errorf("what the file's references point at has more than the %s a Secret holds; keep the largest, such as %s, in a Secret of its own",
				mover.Bytes(recordLimit), ref)
		}
	}
	return out, nil
}

func (c *Client) chartSecrets(name string, chart []byte) ([]*corev1.Secret, error) {
	if len(chart) > chartPart*chartPartsMax {
		return nil, fmt.Errorf("the chart's archive has %s and at most %s can travel to the cluster; push it to a registry and name it in server.chart as oci://",
			mover.Bytes(int64(len(chart))), mover.Bytes(chartPart*chartPartsMax))
	}
	var out []*corev1.Secret
	for part := range slices.Chunk(chart, chartPart) {
		out = append(out, &corev1.Secret{
			ObjectMeta: c.engineMeta(fmt.Sprintf("%s-chart-%d", name, len(out)), name), Type: corev1.SecretTypeOpaque,
			Data: map[string][]byte{chartKey: part},
		})
	}
	return out, nil
}

// engineMeta labels an object of the engine whose Job is called job.
func (c *Client) engineMeta(name, job string) metav1.ObjectMeta {
	labels := c.ours()
	labels[labelJob] = job
	return metav1.ObjectMeta{Name: name, Labels: labels}
}

// keeper is the part of a typed client that renew needs.
type keeper[T metav1.Object] interface {
	Create(ctx context.Context, made T, o metav1.CreateOptions) (T, error)
	Get(ctx context.Context, name string, o metav1.GetOptions) (T, error)
	Delete(ctx context.Context, name string, o metav1.DeleteOptions) error
}

// renew makes an object, or makes it anew when one of ours has its name: one
// that was left behind may be about to go with a former owner.
func renew[T metav1.Object](ctx context.Context, k keeper[T], made T, kind string) error {
	_, err := renewed(ctx, k, made, kind)
	return err
}

func renewed[T metav1.Object](ctx context.Context, k keeper[T], made T, kind string) (T, error) {
	name := made.GetName()
	for tries := 0; ; tries++ {
		got, err := k.Create(ctx, made, metav1.CreateOptions{})
		if err == nil {
			return got, nil
		}
		if !apierrors.IsAlreadyExists(err) || tries == 3 {
			return got, fmt.Errorf("create %s %s: %w", kind, name, err)
		}
		old, err := k.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return old, fmt.Errorf("read %s %s: %w", kind, name, err)
		case old.GetLabels()[labelManagedBy] != manager:
			return old, fmt.Errorf("a %s %s exists that %s did not make; remove it", kind, name, manager)
		}
		err = k.Delete(ctx, name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(old.GetUID()))})
		if err != nil && !apierrors.IsNotFound(err) {
			return old, fmt.Errorf("replace %s %s: %w", kind, name, err)
		}
	}
}

// BindEngine ties the engine's files and Secrets to its Job, so that they go
// with it. The engine calls it too: who submitted may be gone.
func (c *Client) BindEngine(ctx context.Context, run engine.HostedRun) error {
	return c.bindEngine(ctx, run, false)
}

func (c *Client) bindEngine(ctx context.Context, run engine.HostedRun, role bool) error {
	body, err := json.Marshal(object{"metadata": object{"ownerReferences": []metav1.OwnerReference{{
		APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job", Name: run.Job, UID: types.UID(run.UID),
	}}}})
	if err != nil {
		return err
	}
	ns, core := c.options.Namespace, c.kube.CoreV1()
	secrets, err := all[corev1.Secret](ctx, labelJob+"="+run.Job, listOf(core.Secrets(ns).List))
	if err != nil {
		return fmt.Errorf("list the Secrets of %s: %w", run.Job, err)
	}
	bound := func(kind string, err error) error {
		if err == nil || apierrors.IsNotFound(err) {
			return nil // it was removed: the work is done
		}
		return fmt.Errorf("tie %s to Job %s: %w", kind, run.Job, err)
	}
	for _, s := range secrets {
		_, err := core.Secrets(ns).Patch(ctx, s.Name, types.MergePatchType, body, metav1.PatchOptions{})
		if err := bound("Secret "+s.Name, err); err != nil {
			return err
		}
	}
	_, err = core.ConfigMaps(ns).Patch(ctx, run.Job, types.MergePatchType, body, metav1.PatchOptions{})
	if err := bound("ConfigMap "+run.Job, err); err != nil || !role {
		return err
	}
	_, err = c.kube.RbacV1().Roles(ns).Patch(ctx, engineName, types.MergePatchType, body, metav1.PatchOptions{})
	return bound("Role "+engineName, err)
}
