package kube

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// store is everything of one datastore in the release, as Kubernetes has it.
type store struct {
	name string
	// app and instance are the values of the recommended labels that the
	// datastore's own objects carry.
	app, instance string
	set           *appsv1.StatefulSet
	secrets       []corev1.Secret
	services      []corev1.Service
	configs       []corev1.ConfigMap
	accounts      []corev1.ServiceAccount
	volumes       []volume
}

// volume is a claim with the PersistentVolume behind it, which may be
// forbidden to read.
type volume struct {
	claim   corev1.PersistentVolumeClaim
	volume  *corev1.PersistentVolume
	unread  error
	unbound bool
}

// Internal reads a datastore's own objects. What is in it may be absent; the
// whole is only ever present or unknown.
func (c *Client) Internal(ctx context.Context, datastore mover.Engine, name string) engine.Observed[server.InternalStore] {
	s, err := c.store(ctx, datastore, name)
	if err != nil {
		return engine.CouldNot[server.InternalStore](err)
	}
	out := server.InternalStore{
		StatefulSet: engine.NotThere[server.StatefulSet](),
		Secret:      engine.NotThere[server.SecretInfo](),
		Unprotected: s.unprotected(),
	}
	out.Protected = len(out.Unprotected) == 0
	if s.set != nil {
		out.StatefulSet = engine.Found(server.StatefulSet{
			Name: s.set.Name, Replicas: ofStatefulSet(*s.set).count(), Ready: int(ofStatefulSet(*s.set).ready), Image: s.image(),
		})
	}
	if secret := s.password(); secret != nil {
		out.Secret = engine.Found(secretInfo(*secret))
	}
	for _, service := range s.services {
		out.Services = append(out.Services, service.Name)
	}
	for _, v := range s.volumes {
		out.Volumes = append(out.Volumes, v.view())
	}
	return engine.Found(out)
}

// image is the image of the datastore's own container: the one that mounts a
// claim, or the first.
func (s store) image() string {
	containers := s.set.Spec.Template.Spec.Containers
	if len(containers) == 0 {
		return ""
	}
	for _, container := range containers {
		if container.Name == s.app || container.Name == s.name {
			return container.Image
		}
	}
	return containers[0].Image
}

// password is the Secret with the datastore's password: the one its pods
// refer to, else the one of its name.
func (s store) password() *corev1.Secret {
	var named *corev1.Secret
	refers := s.refers()
	for i, secret := range s.secrets {
		if secret.Name == s.name {
			named = &s.secrets[i]
		}
	}
	if named != nil && (s.set == nil || slices.Contains(refers, s.name)) {
		return named
	}
	for i, secret := range s.secrets {
		for key := range secret.Data {
			if slices.Contains(refers, secret.Name) && (key == "postgres-password" || key == "password" || key == "mongodb-root-password") {
				return &s.secrets[i]
			}
		}
	}
	return named
}

func (v volume) view() server.Volume {
	out := server.Volume{Claim: v.claim.Name, Name: v.claim.Spec.VolumeName, ReclaimPolicy: "unknown"}
	size, ok := v.claim.Status.Capacity[corev1.ResourceStorage]
	if !ok {
		size = v.claim.Spec.Resources.Requests[corev1.ResourceStorage]
	}
	out.Bytes, out.By = size.Value(), v.by()
	out.Disk = isDisk(out.By)
	if v.volume != nil {
		out.ReclaimPolicy = string(v.volume.Spec.PersistentVolumeReclaimPolicy)
	}
	out.KeptSince = keptSince(v.claim.Annotations)
	return out
}

// store reads all of a datastore's objects: one StatefulSet, five lists and
// one read for each volume.
func (c *Client) store(ctx context.Context, datastore mover.Engine, name string) (store, error) {
	s := store{name: name, app: string(datastore), instance: c.options.Release}
	ns := c.options.Namespace
	set, err := c.kube.AppsV1().StatefulSets(ns).Get(ctx, name, metav1.GetOptions{})
	switch {
	case err == nil:
		s.set = set
		s.app, s.instance = orElse(set.Labels[labelAppName], s.app), orElse(set.Labels[labelInstance], s.instance)
	case !apierrors.IsNotFound(err):
		return s, fmt.Errorf("read StatefulSet %s: %w", name, err)
	}
	var claims []corev1.PersistentVolumeClaim
	core := c.kube.CoreV1()
	group, gctx := errgroup.WithContext(ctx)
	group.Go(func() (err error) {
		s.services, err = all[corev1.Service](gctx, "", listOf(core.Services(ns).List))
		return describe(err, "list Services")
	})
	group.Go(func() (err error) {
		// Helm's release records are Secrets too, of up to 1 MiB each.
		s.secrets, err = all[corev1.Secret](gctx, "owner!=helm", listOf(core.Secrets(ns).List))
		return describe(err, "list Secrets")
	})
	group.Go(func() (err error) {
		s.configs, err = all[corev1.ConfigMap](gctx, "", listOf(core.ConfigMaps(ns).List))
		return describe(err, "list ConfigMaps")
	})
	group.Go(func() (err error) {
		s.accounts, err = all[corev1.ServiceAccount](gctx, "", listOf(core.ServiceAccounts(ns).List))
		return describe(err, "list ServiceAccounts")
	})
	group.Go(func() (err error) {
		claims, err = all[corev1.PersistentVolumeClaim](gctx, "", listOf(core.PersistentVolumeClaims(ns).List))
		return describe(err, "list PersistentVolumeClaims")
	})
	if err := group.Wait(); err != nil {
		return s, err
	}
	s.narrow()
	s.volumes, err = c.volumes(ctx, s.claims(claims))
	return s, err
}

// narrow drops what was listed and does not belong to the datastore.
func (s *store) narrow() {
	s.services = slices.DeleteFunc(s.services, func(o corev1.Service) bool { return !s.serves(o) })
	refers := s.refers()
	s.secrets = slices.DeleteFunc(s.secrets, func(o corev1.Secret) bool {
		return o.Name != s.name && !slices.Contains(refers, o.Name) && !s.carries(o.ObjectMeta)
	})
	s.configs = slices.DeleteFunc(s.configs, func(o corev1.ConfigMap) bool { return !s.carries(o.ObjectMeta) })
	s.accounts = slices.DeleteFunc(s.accounts, func(o corev1.ServiceAccount) bool { return !s.carries(o.ObjectMeta) })
}

// carries tells whether an object has the datastore's labels in this release.
func (s store) carries(m metav1.ObjectMeta) bool {
	return m.Labels[labelAppName] == s.app && m.Labels[labelInstance] == s.instance
}

// serves tells whether a Service leads to the datastore's pods.
func (s store) serves(o corev1.Service) bool {
	if s.set == nil {
		return s.carries(o.ObjectMeta)
	}
	return len(o.Spec.Selector) > 0 && labels.SelectorFromSet(o.Spec.Selector).Matches(labels.Set(s.set.Spec.Template.Labels))
}

// refers names the Secrets that the datastore's pod template refers to.
func (s store) refers() []string {
	if s.set == nil {
		return nil
	}
	var out []string
	pod := s.set.Spec.Template.Spec
	for _, v := range pod.Volumes {
		if v.Secret != nil {
			out = append(out, v.Secret.SecretName)
		}
		if v.Projected != nil {
			for _, source := range v.Projected.Sources {
				if source.Secret != nil {
					out = append(out, source.Secret.Name)
				}
			}
		}
	}
	for _, container := range append(slices.Clone(pod.InitContainers), pod.Containers...) {
		for _, variable := range container.Env {
			if variable.ValueFrom != nil && variable.ValueFrom.SecretKeyRef != nil {
				out = append(out, variable.ValueFrom.SecretKeyRef.Name)
			}
		}
		for _, from := range container.EnvFrom {
			if from.SecretRef != nil {
				out = append(out, from.SecretRef.Name)
			}
		}
	}
	return out
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}
