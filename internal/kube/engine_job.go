package kube

import (
	"fmt"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/spec"
)

const (
	chartKey = "chart"
	// engineTries is how many pods may die before the Job gives up. Kubernetes
	// waits longer before each, up to six minutes, so that they last for hours.
	engineTries = 30
	// engineKept is how long the Job and the log of its last pod stay.
	engineKept = 3 * 24 * 60 * 60
)

// engineManifest is the Job of an engine. It has no deadline of its own: a pod
// that was ended by one could not bring the application back.
func (c *Client) engineManifest(w EngineWork, parts workParts, shape spec.Mover) (*batchv1.Job, error) {
	image, err := c.image(shape)
	if err != nil {
		return nil, err
	}
	name := engineJobName(w.Plan)
	labels := c.labelsOf(shape)
	labels[labelJob], labels[labelEngine] = name, w.Plan
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, Annotations: map[string]string{
			annotDeadline: w.Deadline.String(), annotBy: w.By, annotSpec: w.SpecDigest,
		}},
		Spec: batchv1.JobSpec{
			BackoffLimit:            pointer[int32](engineTries),
			TTLSecondsAfterFinished: pointer[int32](engineKept),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: shape.Annotations},
				Spec:       c.enginePod(name, image, parts, shape),
			},
		},
	}, nil
}

func (c *Client) enginePod(name, image string, parts workParts, shape spec.Mover) corev1.PodSpec {
	command := c.options.Command
	if len(command) == 0 {
		command = []string{"circleci-dr", "engine", "--job", name, "--work", EngineDir}
	}
	size := resource.MustParse("64Mi")
	pod := corev1.PodSpec{
		// A new pod, not a new container: the log of one that died stays whole.
		RestartPolicy: corev1.RestartPolicyNever,
		// A Helm upgrade that runs cannot be cut off; it gets the time to end.
		TerminationGracePeriodSeconds: pointer[int64](120),
		ServiceAccountName:            engineName,
		AutomountServiceAccountToken:  pointer(true),
		EnableServiceLinks:            pointer(false),
		NodeSelector:                  shape.NodeSelector,
		SecurityContext:               unprivileged(shape),
		Containers: []corev1.Container{{
			Name: engineContainer, Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Command: command,
			Env: []corev1.EnvVar{{Name: "HOME", Value: "/tmp"}},
			// The spec's mover.resources are for pods that move bytes.
			Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("128Mi")},
				Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("512Mi")},
			},
			SecurityContext: restricted(),
			VolumeMounts: []corev1.VolumeMount{
				{Name: "work", MountPath: moverDir, ReadOnly: true},
				{Name: "tmp", MountPath: "/tmp"},
			},
		}},
		Volumes: []corev1.Volume{
			{Name: "work", VolumeSource: corev1.VolumeSource{Projected: workProjection(name, parts, modeOf(shape))}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &size}}},
		},
	}
	shapePod(&pod, shape)
	return pod
}

// workProjection mounts what the engine was handed. All of it is optional: a
// pod that died after it removed its work must start once more, to say so.
func workProjection(name string, parts workParts, mode *int32) *corev1.ProjectedVolumeSource {
	out := &corev1.ProjectedVolumeSource{DefaultMode: mode}
	var files, told []corev1.KeyToPath
	for _, key := range parts.files {
		files = append(files, corev1.KeyToPath{Key: key, Path: "work/" + key})
	}
	out.Sources = append(out.Sources, corev1.VolumeProjection{ConfigMap: &corev1.ConfigMapProjection{
		LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: files, Optional: pointer(true),
	}})
	for _, key := range parts.told {
		told = append(told, corev1.KeyToPath{Key: key, Path: "told/" + key})
	}
	add := func(secret string, items []corev1.KeyToPath) {
		source := secretProjection(secret, items...)
		source.Secret.Optional = pointer(true)
		out.Sources = append(out.Sources, source)
	}
	if len(told) > 0 {
		add(name, told)
	}
	for i, secret := range parts.charts {
		add(secret, []corev1.KeyToPath{{Key: chartKey, Path: fmt.Sprintf("chart/%03d", i)}})
	}
	return out
}
