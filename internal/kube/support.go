package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/spec"
)

// EachSecret shows every secret this client may come across to see, which must
// only remember it to keep it out of something: the values of every Secret of
// the namespace, what refs point at, and how the cluster is logged in to. An
// error means that some are not known.
func (c *Client) EachSecret(ctx context.Context, refs []spec.SecretRef, see func(value string)) error {
	if c.config != nil {
		see(c.config.BearerToken)
		see(c.config.Password)
		see(string(c.config.KeyData))
	}
	for _, ref := range refs {
		if ref.Secret != nil {
			continue // among those of the namespace
		}
		if value, err := c.resolve(ctx, ref); err == nil {
			see(string(value)) // one that cannot be read cannot be written either
		}
	}
	secrets, err := all[corev1.Secret](ctx, "", listOf(c.kube.CoreV1().Secrets(c.options.Namespace).List))
	if err != nil {
		return fmt.Errorf("list Secrets: %w", err)
	}
	for _, s := range secrets {
		if s.Type == "helm.sh/release.v1" {
			continue // packed: internal/helm reads what is in them
		}
		for _, value := range s.Data {
			see(string(value))
		}
	}
	return nil
}

// OwnRecords reads every ConfigMap circleci-dr made, by name.
func (c *Client) OwnRecords(ctx context.Context) (map[string]string, error) {
	maps, err := all[corev1.ConfigMap](ctx, labelManagedBy+"="+manager, listOf(c.kube.CoreV1().ConfigMaps(c.options.Namespace).List))
	if err != nil {
		return nil, fmt.Errorf("list ConfigMaps of %s: %w", manager, err)
	}
	out := map[string]string{}
	for _, m := range maps {
		if data, ok := m.Data[recordKey]; ok {
			out[m.Name] = data
		}
	}
	return out, nil
}

// Event is one event of the namespace.
type Event struct {
	At      time.Time `json:"at"`
	Type    string    `json:"type"`
	Reason  string    `json:"reason"`
	Object  string    `json:"object"`
	Count   int32     `json:"count,omitempty"`
	Message string    `json:"message,omitempty"`
}

// Events reads the namespace's events, oldest first.
func (c *Client) Events(ctx context.Context) ([]Event, error) {
	events, err := all[corev1.Event](ctx, "", listOf(c.kube.CoreV1().Events(c.options.Namespace).List))
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	out := make([]Event, 0, len(events))
	for _, e := range events {
		at := e.LastTimestamp.Time
		if at.IsZero() {
			at = e.EventTime.Time
		}
		out = append(out, Event{At: at.UTC(), Type: e.Type, Reason: e.Reason, Object: e.InvolvedObject.Kind + "/" + e.InvolvedObject.Name, Count: e.Count, Message: e.Message})
	}
	slices.SortFunc(out, func(a, b Event) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.Object, b.Object), strings.Compare(a.Reason, b.Reason), strings.Compare(a.Message, b.Message))
	})
	return out, nil
}

// Part is one workload or pod as a supporter wants to see it. Of its
// environment it has the names, never a value.
type Part struct {
	Kind       string      `json:"kind"`
	Name       string      `json:"name"`
	Layer      string      `json:"layer,omitempty"`
	Replicas   *int32      `json:"replicas,omitempty"`
	Ready      int32       `json:"ready"`
	Phase      string      `json:"phase,omitempty"`
	Node       string      `json:"node,omitempty"`
	Conditions []string    `json:"conditions,omitempty"`
	Containers []Container `json:"containers"`
}

// Container is one container of a Part.
type Container struct {
	Name        string   `json:"name"`
	Image       string   `json:"image"`
	Environment []string `json:"environment,omitempty"`
	State       string   `json:"state,omitempty"`
	Restarts    int32    `json:"restarts,omitempty"`
}

// Parts reads Deployments, StatefulSets, Jobs and pods of the namespace. Those
// it could read come with the error that names the others.
func (c *Client) Parts(ctx context.Context) ([]Part, error) {
	ns := c.options.Namespace
	out := []Part{}
	deployments, err := all[appsv1.Deployment](ctx, "", listOf(c.kube.AppsV1().Deployments(ns).List))
	failed := []error{describe(err, "list Deployments")}
	for _, d := range deployments {
		p := partOf("Deployment", d.ObjectMeta, d.Spec.Template.Spec)
		p.Replicas, p.Ready = d.Spec.Replicas, d.Status.ReadyReplicas
		for _, s := range d.Status.Conditions {
			p.Conditions = append(p.Conditions, fmt.Sprintf("%s %s %s", s.Type, s.Status, s.Reason))
		}
		out = append(out, p)
	}
	sets, err := all[appsv1.StatefulSet](ctx, "", listOf(c.kube.AppsV1().StatefulSets(ns).List))
	failed = append(failed, describe(err, "list StatefulSets"))
	for _, s := range sets {
		p := partOf("StatefulSet", s.ObjectMeta, s.Spec.Template.Spec)
		p.Replicas, p.Ready = s.Spec.Replicas, s.Status.ReadyReplicas
		out = append(out, p)
	}
	jobs, err := all[batchv1.Job](ctx, "", listOf(c.kube.BatchV1().Jobs(ns).List))
	failed = append(failed, describe(err, "list Jobs"))
	for _, j := range jobs {
		p := partOf("Job", j.ObjectMeta, j.Spec.Template.Spec)
		for _, s := range j.Status.Conditions {
			p.Conditions = append(p.Conditions, fmt.Sprintf("%s %s %s", s.Type, s.Status, s.Reason))
		}
		out = append(out, p)
	}
	pods, err := all[corev1.Pod](ctx, "", listOf(c.kube.CoreV1().Pods(ns).List))
	failed = append(failed, describe(err, "list pods"))
	for _, pod := range pods {
		out = append(out, podPart(pod))
	}
	slices.SortFunc(out, func(a, b Part) int { return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name)) })
	return out, errors.Join(failed...)
}

func partOf(kind string, meta metav1.ObjectMeta, pod corev1.PodSpec) Part {
	p := Part{Kind: kind, Name: meta.Name, Layer: meta.Labels["layer"], Containers: []Container{}}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		out := Container{Name: c.Name, Image: c.Image}
		for _, e := range c.Env {
			name := e.Name
			if v := e.ValueFrom; v != nil && v.SecretKeyRef != nil {
				name += " from Secret " + v.SecretKeyRef.Name + " key " + v.SecretKeyRef.Key
			} else if v != nil && v.ConfigMapKeyRef != nil {
				name += " from ConfigMap " + v.ConfigMapKeyRef.Name + " key " + v.ConfigMapKeyRef.Key
			}
			out.Environment = append(out.Environment, name)
		}
		p.Containers = append(p.Containers, out)
	}
	return p
}

func podPart(pod corev1.Pod) Part {
	p := partOf("Pod", pod.ObjectMeta, pod.Spec)
	p.Phase, p.Node = string(pod.Status.Phase), pod.Spec.NodeName
	for _, s := range pod.Status.Conditions {
		p.Conditions = append(p.Conditions, fmt.Sprintf("%s %s %s", s.Type, s.Status, s.Reason))
	}
	states := slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
	for i := range p.Containers {
		for _, s := range states {
			if s.Name == p.Containers[i].Name {
				p.Containers[i].State, p.Containers[i].Restarts = stateOf(s), s.RestartCount
				if s.Ready {
					p.Ready++
				}
			}
		}
	}
	return p
}

// stateOf quotes Kubernetes, never a container's own last words.
func stateOf(s corev1.ContainerStatus) string {
	switch {
	case s.State.Waiting != nil:
		return waitingText(s, *s.State.Waiting)
	case s.State.Terminated != nil:
		return fmt.Sprintf("ended with %s, exit code %d", s.State.Terminated.Reason, s.State.Terminated.ExitCode)
	}
	return "running"
}
