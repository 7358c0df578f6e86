package kube

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Where a mover pod finds what it is told. Everything is one projected
// volume on tmpfs, so nothing is in the environment.
const (
	moverContainer = "mover"
	moverDir       = "/run/circleci-dr"
	requestPath    = "request/request.json"
	moverUser      = 1001
)

// moverFile is one file of the pod and where its content comes from.
type moverFile struct {
	path string
	ref  spec.SecretRef
	// key is the key of the Job's own Secret, for references of the runner.
	key string
}

// moverFiles puts the paths into a copy of the request and lists the files.
func moverFiles(job server.MoverJob) (mover.Request, []moverFile, error) {
	request := job.Request
	request.Source, request.Target = clone(request.Source), clone(request.Target)
	source, errSource := sideFiles("source", request.Source, job.Source)
	target, errTarget := sideFiles("target", request.Target, job.Target)
	return request, append(source, target...), errors.Join(errSource, errTarget)
}

// sideFiles lists the files of one side, and tells its endpoint where they are.
func sideFiles(side string, endpoint *mover.Endpoint, refs server.MoverSide) ([]moverFile, error) {
	var files []moverFile
	for _, f := range []struct {
		ref  *spec.SecretRef
		name string
		path func() *string
	}{
		{refs.Password, "password", func() *string { return &endpoint.PasswordFile }},
		{refs.CA, "ca.pem", func() *string { return &endpoint.CAFile }},
		{refs.Certificate, "certificate.pem", func() *string { return &endpoint.CertificateFile }},
	} {
		if f.ref == nil {
			continue
		}
		if endpoint == nil {
			return nil, fmt.Errorf("a secret for the %s is given, but no %s", side, side)
		}
		*f.path() = moverDir + "/" + side + "/" + f.name
		files = append(files, moverFile{path: side + "/" + f.name, ref: *f.ref, key: side + "-" + f.name})
	}
	return files, nil
}

func clone(e *mover.Endpoint) *mover.Endpoint {
	if e == nil {
		return nil
	}
	copied := *e
	return &copied
}

// requestDigest tells two requests apart that came under one name. It holds
// the references, not what they point at.
func requestDigest(request mover.Request, files []moverFile) (string, error) {
	type file struct {
		Path string
		Ref  spec.SecretRef
	}
	var named []file
	for _, f := range files {
		named = append(named, file{f.path, f.ref})
	}
	body, err := json.Marshal(struct {
		Request mover.Request
		Files   []file
	}{request, named})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:]), nil
}

// manifest is the Job of a mover run.
func (c *Client) manifest(job server.MoverJob, files []moverFile, digest string, shape spec.Mover) (*batchv1.Job, error) {
	resources, err := requirements(shape.Resources)
	if err != nil {
		return nil, err
	}
	image, err := c.image(shape)
	if err != nil {
		return nil, err
	}
	labels := c.labelsOf(shape)
	labels[labelJob] = job.Name
	var none int32
	out := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: job.Name, Labels: labels, Annotations: map[string]string{annotRequest: digest}},
		Spec: batchv1.JobSpec{
			BackoffLimit: &none,
			// An evicted or preempted pod is made anew; the mover can be cut off
			// anywhere and run again.
			PodFailurePolicy: &batchv1.PodFailurePolicy{Rules: []batchv1.PodFailurePolicyRule{{
				Action:          batchv1.PodFailurePolicyActionIgnore,
				OnPodConditions: []batchv1.PodFailurePolicyOnPodConditionsPattern{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}},
			}}},
			TTLSecondsAfterFinished: pointer[int32](24 * 60 * 60),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: shape.Annotations},
				Spec:       c.moverPod(job.Name, image, files, resources, shape),
			},
		},
	}
	if job.Deadline > 0 {
		out.Spec.ActiveDeadlineSeconds = pointer(max(1, int64(job.Deadline.Seconds())))
	}
	return out, nil
}

func (c *Client) moverPod(name, image string, files []moverFile, resources corev1.ResourceRequirements, shape spec.Mover) corev1.PodSpec {
	command := c.options.Command
	if len(command) == 0 {
		command = []string{"circleci-dr", "mover", "--request", moverDir + "/" + requestPath}
	}
	size := resource.MustParse("64Mi")
	pod := corev1.PodSpec{
		RestartPolicy: corev1.RestartPolicyNever,
		// A mover can be cut off anywhere, and who stops it waits for it.
		TerminationGracePeriodSeconds: pointer[int64](10),
		AutomountServiceAccountToken:  pointer(false),
		EnableServiceLinks:            pointer(false),
		NodeSelector:                  shape.NodeSelector,
		ServiceAccountName:            shape.ServiceAccountName,
		SecurityContext:               unprivileged(shape),
		Containers: []corev1.Container{{
			Name: moverContainer, Image: image, ImagePullPolicy: corev1.PullIfNotPresent, Command: command, Resources: resources,
			SecurityContext: restricted(), Env: collectEarlier(resources),
			VolumeMounts: []corev1.VolumeMount{
				{Name: "told", MountPath: moverDir, ReadOnly: true},
				{Name: "tmp", MountPath: "/tmp"},
			},
		}},
		Volumes: []corev1.Volume{
			{Name: "told", VolumeSource: corev1.VolumeSource{Projected: projection(name, files, modeOf(shape))}},
			{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory, SizeLimit: &size}}},
		},
	}
	shapePod(&pod, shape)
	return pod
}

// collectEarlier has Go collect garbage before a limit of memory is reached,
// not when the heap has doubled: a mover near its limit is slower, and is not
// killed.
func collectEarlier(r corev1.ResourceRequirements) []corev1.EnvVar {
	limit := r.Limits.Memory().Value()
	if limit == 0 {
		return nil
	}
	return []corev1.EnvVar{{Name: "GOMEMLIMIT", Value: strconv.FormatInt(limit/10*9, 10)}}
}

// unprivileged and restricted together are what the restricted level of
// Kubernetes' pod security asks for.
func unprivileged(shape spec.Mover) *corev1.PodSecurityContext {
	as := shape.SecurityContext
	if as == nil {
		as = &spec.SecurityContext{RunAsUser: pointer[int64](moverUser), RunAsGroup: pointer[int64](moverUser), FSGroup: pointer[int64](moverUser)}
	}
	return &corev1.PodSecurityContext{
		RunAsNonRoot: pointer(true), RunAsUser: as.RunAsUser, RunAsGroup: as.RunAsGroup, FSGroup: as.FSGroup,
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// modeOf is the mode of the files a pod is told. Where no group is asked for,
// nobody knows which user has to read them, and our own container is the only
// one that they are mounted in.
func modeOf(shape spec.Mover) *int32 {
	if as := shape.SecurityContext; as != nil && as.FSGroup == nil {
		return pointer[int32](0o444)
	}
	return pointer[int32](0o440)
}

// labelsOf are the labels of a pod of ours; those by which we find it win.
func (c *Client) labelsOf(shape spec.Mover) map[string]string {
	out := maps.Clone(shape.Labels)
	if out == nil {
		out = map[string]string{}
	}
	maps.Copy(out, c.ours())
	return out
}

func restricted() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: pointer(false), ReadOnlyRootFilesystem: pointer(true),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

// shapePod adds what lets a pod start where the release's pods can.
func shapePod(pod *corev1.PodSpec, shape spec.Mover) {
	for _, secret := range shape.ImagePullSecrets {
		pod.ImagePullSecrets = append(pod.ImagePullSecrets, corev1.LocalObjectReference{Name: secret})
	}
	for _, t := range shape.Tolerations {
		pod.Tolerations = append(pod.Tolerations, corev1.Toleration{
			Key: t.Key, Operator: corev1.TolerationOperator(t.Operator), Value: t.Value, Effect: corev1.TaintEffect(t.Effect),
		})
	}
}

// projection puts the Job's own Secret and the Secrets referred to into one
// directory.
func projection(name string, files []moverFile, mode *int32) *corev1.ProjectedVolumeSource {
	own := []corev1.KeyToPath{{Key: "request.json", Path: requestPath}}
	var others []corev1.VolumeProjection
	for _, f := range files {
		if f.ref.Secret == nil {
			own = append(own, corev1.KeyToPath{Key: f.key, Path: f.path})
			continue
		}
		others = append(others, secretProjection(f.ref.Secret.Name, corev1.KeyToPath{Key: f.ref.Secret.Key, Path: f.path}))
	}
	return &corev1.ProjectedVolumeSource{
		DefaultMode: mode,
		Sources:     append([]corev1.VolumeProjection{secretProjection(name, own...)}, others...),
	}
}

func secretProjection(name string, items ...corev1.KeyToPath) corev1.VolumeProjection {
	return corev1.VolumeProjection{Secret: &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: name}, Items: items}}
}

func requirements(r spec.Resources) (corev1.ResourceRequirements, error) {
	out := corev1.ResourceRequirements{}
	for field, from := range map[string]map[string]string{"requests": r.Requests, "limits": r.Limits} {
		for _, name := range keysOf(from) {
			quantity, err := resource.ParseQuantity(from[name])
			if err != nil {
				return out, fmt.Errorf("mover.resources.%s.%s: %q is no quantity such as 500m or 256Mi", field, name, from[name])
			}
			list := &out.Requests
			if field == "limits" {
				list = &out.Limits
			}
			if *list == nil {
				*list = corev1.ResourceList{}
			}
			(*list)[corev1.ResourceName(name)] = quantity
		}
	}
	return out, nil
}

// merged lays the spec's own mover block over the release's defaults: lists
// and maps of the spec replace, absent ones take the default.
func merged(own, defaults spec.Mover) spec.Mover {
	out := own
	out.Image = cmp.Or(own.Image, defaults.Image)
	if own.Resources.Requests == nil && own.Resources.Limits == nil {
		out.Resources = defaults.Resources
	}
	if own.NodeSelector == nil {
		out.NodeSelector = maps.Clone(defaults.NodeSelector)
	}
	if own.Tolerations == nil {
		out.Tolerations = slices.Clone(defaults.Tolerations)
	}
	if own.ImagePullSecrets == nil {
		out.ImagePullSecrets = slices.Clone(defaults.ImagePullSecrets)
	}
	if own.Labels == nil {
		out.Labels = maps.Clone(defaults.Labels)
	}
	out.ServiceAccountName = cmp.Or(own.ServiceAccountName, defaults.ServiceAccountName)
	out.SecurityContext = cmp.Or(own.SecurityContext, defaults.SecurityContext)
	if own.Annotations == nil {
		out.Annotations = maps.Clone(defaults.Annotations)
	}
	return out
}

func pointer[T any](v T) *T { return &v }
