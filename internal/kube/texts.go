package kube

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// notOfHelm leaves out Helm's records, which are the largest Secrets.
const notOfHelm = "type!=helm.sh/release.v1"

// Application is List with what the workloads are told and what else runs pods
// of the application, in three lists more.
func (c *Client) Application(ctx context.Context) server.Application {
	var (
		seen    listed
		maps    []corev1.ConfigMap
		secrets []corev1.Secret
		jobs    []batchv1.Job
		noJobs  error // says nothing of the workloads
	)
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) { seen, err = c.lists(gctx); return })
	group.Go(func() (err error) {
		maps, err = all[corev1.ConfigMap](gctx, "", listOf(c.kube.CoreV1().ConfigMaps(c.options.Namespace).List))
		return describe(err, "list ConfigMaps, through which workloads may name their database")
	})
	group.Go(func() (err error) {
		secrets, err = c.usedSecrets(gctx)
		return describe(err, "list Secrets, through which workloads may name their database")
	})
	group.Go(func() error { jobs, noJobs = c.jobs(gctx); return nil })
	err := group.Wait()
	if err == nil {
		err = seen.read(holdersOf(maps, secrets))
	}
	switch {
	case err != nil:
		return server.Application{Workloads: engine.CouldNot[[]server.Workload](err), Writers: engine.CouldNot[[]server.Writer](err)}
	case noJobs != nil:
		return server.Application{Workloads: engine.Found(seen.counts), Writers: engine.CouldNot[[]server.Writer](noJobs)}
	}
	return server.Application{Workloads: engine.Found(seen.counts), Writers: engine.Found(c.writers(ctx, seen, jobs))}
}

// read gives each workload what it is told.
func (l listed) read(held holders) error {
	for i, w := range l.found {
		texts, err := textsOf(w, held)
		if err != nil {
			return err
		}
		l.counts[i].Texts = texts
	}
	return nil
}

// usedSecrets lists the Secrets that pods may use, none where that is not
// allowed: then it is not known what they say.
func (c *Client) usedSecrets(ctx context.Context) ([]corev1.Secret, error) {
	list := func(ctx context.Context, o metav1.ListOptions) (*corev1.SecretList, error) {
		o.FieldSelector = notOfHelm
		return c.kube.CoreV1().Secrets(c.options.Namespace).List(ctx, o)
	}
	secrets, err := all[corev1.Secret](ctx, "", listOf(list))
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	return secrets, err
}

// holders are the objects whose data pods may read, by Kind/name, as text.
type holders map[string]map[string]string

func holdersOf(maps []corev1.ConfigMap, secrets []corev1.Secret) holders {
	out := holders{}
	for _, m := range maps {
		out["ConfigMap/"+m.Name] = m.Data
	}
	for _, s := range secrets {
		data := make(map[string]string, len(s.Data))
		for key, value := range s.Data {
			data[key] = string(value)
		}
		out["Secret/"+s.Name] = data
	}
	return out
}

// textsOf gives what a workload's pods are told, by the place where it stands:
// the fields of the pod template, and what ConfigMaps and Secrets hold that it
// uses. It is for comparing with addresses, never for showing.
func textsOf(w workload, held holders) (server.Texts, error) {
	template, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&w.template)
	if err != nil {
		return nil, fmt.Errorf("read the pod template of %s: %w", w.key(), err)
	}
	out := server.Texts{}
	for path, v := range server.Leaves(w.templateIn(template)) {
		out[server.Place{Object: w.key(), Field: path}] = server.LeafText(v)
	}
	for _, name := range usedBy(w.template.Spec) {
		for path, v := range server.Leaves(map[string]any{"data": anyValues(held[name])}) {
			out[server.Place{Object: name, Field: path}] = server.LeafText(v)
		}
	}
	return out, nil
}

func anyValues(data map[string]string) map[string]any {
	out := make(map[string]any, len(data))
	for key, value := range data {
		out[key] = value
	}
	return out
}

// usedBy names the ConfigMaps and Secrets of a pod's variables and volumes.
func usedBy(pod corev1.PodSpec) []string {
	var out []string
	add := func(kind, name string) {
		if key := kind + "/" + name; name != "" && !slices.Contains(out, key) {
			out = append(out, key)
		}
	}
	for _, c := range append(slices.Clone(pod.InitContainers), pod.Containers...) {
		for _, from := range c.EnvFrom {
			if from.ConfigMapRef != nil {
				add("ConfigMap", from.ConfigMapRef.Name)
			}
			if from.SecretRef != nil {
				add("Secret", from.SecretRef.Name)
			}
		}
		for _, v := range c.Env {
			if v.ValueFrom != nil && v.ValueFrom.ConfigMapKeyRef != nil {
				add("ConfigMap", v.ValueFrom.ConfigMapKeyRef.Name)
			}
			if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
				add("Secret", v.ValueFrom.SecretKeyRef.Name)
			}
		}
	}
	for _, v := range pod.Volumes {
		sources := []corev1.VolumeProjection{}
		if v.Projected != nil {
			sources = v.Projected.Sources
		}
		if v.ConfigMap != nil {
			add("ConfigMap", v.ConfigMap.Name)
		}
		if v.Secret != nil {
			add("Secret", v.Secret.SecretName)
		}
		for _, s := range sources {
			if s.ConfigMap != nil {
				add("ConfigMap", s.ConfigMap.Name)
			}
			if s.Secret != nil {
				add("Secret", s.Secret.Name)
			}
		}
	}
	return out
}
