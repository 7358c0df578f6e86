package kube

import (
	"errors"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/circleci-dr/circleci-dr/spec"
)

// Refusals as OpenShift, ValidatingAdmissionPolicies, Gatekeeper, quotas and
// pod security word them.
func TestARefusalNamesTheFieldToSet(t *testing.T) {
	const set, end = "; if the pod must be otherwise here, set ", " in the spec"
	for message, want := range map[string]string{
		`Error creating: pods "circleci-dr-label-x" is forbidden: ValidatingAdmissionPolicy 'trial-uid-range' with binding 'trial-uid-range' denied request: unable to validate against any security context constraint: runAsUser: must be in the ranges: [1000680000, 1000689999]`: set + "mover.securityContext" + end,
		`Error creating: admission webhook "validation.gatekeeper.sh" denied the request: [team] you must provide labels: {"team"}`:                                                                                                                                                  set + "mover.labels" + end,
		`Error creating: pods "x" is forbidden: failed quota: compute: must specify limits.cpu for: mover`:                                                                                                                                                                           set + "mover.resources" + end,
		`Error creating: pods "x" is forbidden: error looking up service account ci/movers: serviceaccount "movers" not found`:                                                                                                                                                       set + "mover.serviceAccountName" + end,
		`Error creating: pods "x" is forbidden: policy 12 says no`:                                                                                                                                                                                                                   set + "mover.labels or mover.annotations or mover.securityContext or mover.serviceAccountName" + end,
		`MountVolume.SetUp failed for volume "told": secret "pg" not found`:                                                                                                                                                                                                          "",
	} {
		if got := remedy(message); got != want {
			t.Errorf("%s\ngot  %q\nwant %q", message, got, want)
		}
	}
}

// The pods of movers and engines are what the spec's mover block says.
func TestPodsAreWhatAdmissionAsksFor(t *testing.T) {
	c := newClient(Options{Namespace: "ci", Name: "ci-prod"}, fake.NewClientset())
	for name, row := range map[string]struct {
		as         *spec.SecurityContext
		user, file *int64
		mode       int32
	}{
		"the default":       {nil, pointer[int64](1001), pointer[int64](1001), 0o440},
		"the cluster's own": {&spec.SecurityContext{}, nil, nil, 0o444},
		"given":             {&spec.SecurityContext{RunAsUser: pointer[int64](7), FSGroup: pointer[int64](8)}, pointer[int64](7), pointer[int64](8), 0o440},
	} {
		shape := merged(spec.Mover{Image: "i", SecurityContext: row.as, ServiceAccountName: "movers",
			Labels: map[string]string{"egress": "databases", labelJob: "not this"}}, spec.Mover{})
		mover, err := c.manifest(plainMover("copy"), nil, "", shape)
		if err != nil {
			t.Fatal(err)
		}
		hosted, err := c.engineManifest(engineWork(), workParts{}, shape)
		if err != nil {
			t.Fatal(err)
		}
		for account, template := range map[string]corev1.PodTemplateSpec{"movers": mover.Spec.Template, engineName: hosted.Spec.Template} {
			if l := template.Labels; l["egress"] != "databases" || l[labelJob] == "not this" || l[labelManagedBy] != manager {
				t.Errorf("%s: labels of %s are %v", name, account, l)
			}
			got := template.Spec.SecurityContext
			if !equal(got.RunAsUser, row.user) || !equal(got.FSGroup, row.file) || !*got.RunAsNonRoot || template.Spec.ServiceAccountName != account {
				t.Errorf("%s: %s has %+v and runs as %q", name, account, got, template.Spec.ServiceAccountName)
			}
			if mode := *template.Spec.Volumes[0].Projected.DefaultMode; mode != row.mode {
				t.Errorf("%s: files of %s have mode %o", name, account, mode)
			}
		}
		if mover.Labels["egress"] != "databases" || hosted.Labels["egress"] != "databases" {
			t.Errorf("%s: the Jobs lack the labels", name)
		}
	}
}

func equal(a, b *int64) bool { return a == nil && b == nil || a != nil && b != nil && *a == *b }

// A policy may judge Jobs by their pods.
func TestARefusedJobNamesTheField(t *testing.T) {
	err := refusedJob(errors.New(`admission webhook "x" denied the request: label team is missing`), "create the Job")
	const want = `create the Job: admission webhook "x" denied the request: label team is missing; if the pod must be otherwise here, set mover.labels in the spec`
	if err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// What a rule denies is said at once, what passes by itself is waited for.
func TestADeniedPodIsNotWaitedFor(t *testing.T) {
	for message, want := range map[string]bool{
		`Error creating: admission webhook "validation.gatekeeper.sh" denied the request: [team] you must provide labels`:                                                      true,
		`Error creating: pods "x" is forbidden: violates PodSecurity "restricted:latest": seccompProfile`:                                                                      true,
		`Error creating: pods "x" is forbidden: ValidatingAdmissionPolicy 'a' with binding 'b' denied request: failed expression: has(object.metadata.labels)`:                 true,
		`Error creating: pods "x-" is forbidden: unable to validate against any security context constraint: [provider "restricted-v2": Forbidden]`:                            true,
		`Error creating: pods "x" is forbidden: exceeded quota: compute, requested: cpu=1, used: cpu=4, limited: cpu=4`:                                                        false,
		`Error creating: pods "x" is forbidden: error looking up service account ci/movers: serviceaccount "movers" not found`:                                                 false,
		`Error creating: Internal error occurred: failed calling webhook "x.example.com": failed to call webhook: Post "https://x": dial tcp 10.0.0.1:443: connection refused`: false,
	} {
		job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Name: "reach", Namespace: "ci", UID: "uid-reach"}}
		event := &corev1.Event{ObjectMeta: metaOf("e"), InvolvedObject: corev1.ObjectReference{UID: job.UID}, Reason: "FailedCreate", Message: message}
		c := newClient(Options{Namespace: "ci"}, fake.NewClientset(job, event))
		f := c.follower(job, moverContainer, nil)
		err := f.step(t.Context())
		var stuck *stuckError
		if got := errors.As(err, &stuck); got != want || got && !strings.Contains(err.Error(), message) {
			t.Errorf("%s: %v", message, err)
		}
	}
}
