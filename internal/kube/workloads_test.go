package kube

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// ofApplication is the metadata of an object of the application layer.
func ofApplication(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: "ci", Labels: map[string]string{"layer": "application"}}
}

func appPod(container corev1.Container) corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"layer": "application"}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{container}}}
}

// listedKinds are the resources that were listed, sorted.
func listedKinds(k *fake.Clientset) []string {
	var out []string
	for _, a := range k.Actions() {
		out = append(out, a.GetVerb()+" "+a.GetResource().Resource)
	}
	slices.Sort(out)
	k.ClearActions()
	return out
}

// The loops of an outage ask for counts twice a second; nothing that they do
// not need is read for them.
func TestCountsReadNoSecret(t *testing.T) {
	web := &appsv1.Deployment{ObjectMeta: ofApplication("web"), Spec: appsv1.DeploymentSpec{
		Replicas: pointer[int32](2), Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
		Template: appPod(corev1.Container{Name: "web", EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: named("url")}}}}),
	}}
	url := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "url", Namespace: "ci"}, Data: map[string][]byte{"url": []byte("canary")}}
	k := fake.NewClientset(web, url)
	c := newClient(Options{Namespace: "ci"}, k)
	got := c.List(t.Context())
	if !got.Is() || len(got.Value) != 1 || got.Value[0].Replicas != 2 || got.Value[0].Texts != nil {
		t.Errorf("got %+v", got)
	}
	counts := []string{"list cronjobs", "list deployments", "list horizontalpodautoscalers", "list pods", "list statefulsets"}
	if read := listedKinds(k); !slices.Equal(read, counts) {
		t.Errorf("read %q, want %q", read, counts)
	}
	app := c.Application(t.Context())
	if got = app.Workloads; !app.Writers.Is() {
		t.Errorf("the writers: %s", app.Writers.Why)
	}
	if at := (server.Place{Object: "Secret/url", Field: "data.url"}); !got.Is() || got.Value[0].Texts[at] != "canary" || got.Value[0].Replicas != 2 {
		t.Errorf("got %d workloads, %s", len(got.Value), got.Why)
	}
	texts := slices.Sorted(slices.Values(append(counts, "list configmaps", "list jobs", "list secrets")))
	if read := listedKinds(k); !slices.Equal(read, texts) {
		t.Errorf("read %q, want %q", read, texts)
	}
	if jobs := c.Jobs(t.Context()); !jobs.Is() {
		t.Errorf("the Jobs: %s", jobs.Why)
	}
	if read := listedKinds(k); !slices.Equal(read, []string{"list cronjobs", "list jobs"}) {
		t.Errorf("a look for Jobs read %q", read)
	}
}

func cronJobOf(name string, suspended *bool, meta metav1.ObjectMeta, pod corev1.PodTemplateSpec) *batchv1.CronJob {
	meta.Name, meta.Namespace = name, "ci"
	return &batchv1.CronJob{ObjectMeta: meta, Spec: batchv1.CronJobSpec{Suspend: suspended, JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: pod}}}}
}

// A CronJob of the application is a workload that is there or suspended, and it
// is recorded, suspended and brought back as the others are scaled.
func TestCronJobsAreSuspendedAndBroughtBack(t *testing.T) {
	host := corev1.Container{Name: "report", Env: []corev1.EnvVar{{Name: "HOST", Value: "postgresql"}}}
	k := fake.NewClientset(
		cronJobOf("report", nil, ofApplication("report"), corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{host}}}),
		cronJobOf("by-its-pods", pointer(true), metav1.ObjectMeta{}, appPod(corev1.Container{Name: "x"})),
		cronJobOf("other", nil, metav1.ObjectMeta{}, corev1.PodTemplateSpec{}))
	c := newClient(Options{Namespace: "ci"}, k)
	look := func() string {
		t.Helper()
		got := c.List(t.Context())
		out := got.Why
		for _, w := range got.Value {
			out += fmt.Sprintf("%s %d/%d", w.Key(), w.Ready, w.Replicas)
			if w.Recorded != nil {
				out += fmt.Sprintf(" was %d", *w.Recorded)
			}
			out += "; "
		}
		return out
	}
	try := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := look(); got != "CronJob/by-its-pods 0/0; CronJob/report 1/1; " {
		t.Errorf("before: %s", got)
	}
	try(c.Record(t.Context(), map[string]int{"CronJob/report": 1, "CronJob/by-its-pods": 0}))
	try(c.Scale(t.Context(), "CronJob/report", 0))
	try(c.Record(t.Context(), map[string]int{"CronJob/report": 0}))
	if got := look(); got != "CronJob/by-its-pods 0/0 was 0; CronJob/report 0/0 was 1; " {
		t.Errorf("suspended: %s", got)
	}
	try(c.Scale(t.Context(), "CronJob/report", 1))
	try(c.Forget(t.Context()))
	if got := look(); got != "CronJob/by-its-pods 0/0; CronJob/report 1/1; " {
		t.Errorf("afterwards: %s", got)
	}
	texts := c.Application(t.Context()).Workloads
	at := server.Place{Object: "CronJob/report", Field: "spec.jobTemplate.spec.template.spec.containers[report].env[HOST].value"}
	if !texts.Is() || texts.Value[1].Texts[at] != "postgresql" {
		t.Errorf("%s is not read: %s", at, texts.Why)
	}
}

// What owns pods of the application and cannot be scaled is named by who owns
// it at last; what scaling stops, what has ended and our own pods are not.
func TestWritersThatScalingDoesNotStop(t *testing.T) {
	owned := func(name, kind, owner string, phase corev1.PodPhase, more map[string]string) *corev1.Pod {
		labels := map[string]string{"layer": "application"}
		maps.Copy(labels, more)
		p := pod(name, kind, owner, phase, labels)
		p.Namespace, p.OwnerReferences[0].APIVersion = "ci", "apps/v1"
		if kind == "Job" {
			p.OwnerReferences[0].APIVersion = "batch/v1"
		}
		return &p
	}
	web := &appsv1.Deployment{ObjectMeta: ofApplication("web"), Spec: appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{}}}
	rollout := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "canary-77", Namespace: "ci", OwnerReferences: []metav1.OwnerReference{
		{APIVersion: "argoproj.io/v1alpha1", Kind: "Rollout", Name: "canary", Controller: pointer(true)}}}}
	bare := owned("bare", "", "", corev1.PodRunning, nil)
	bare.OwnerReferences = nil
	volcano := owned("training-1", "Job", "training", corev1.PodRunning, nil)
	volcano.OwnerReferences[0].APIVersion = "batch.volcano.sh/v1alpha1"
	k := fake.NewClientset(web, rollout, bare, volcano,
		owned("web-1", "ReplicaSet", "web-5d9", corev1.PodRunning, map[string]string{appsv1.DefaultDeploymentUniqueLabelKey: "5d9"}),
		owned("agent-1", "DaemonSet", "agent", corev1.PodRunning, nil), owned("agent-2", "DaemonSet", "agent", corev1.PodRunning, nil),
		owned("canary-1", "ReplicaSet", "canary-77", corev1.PodRunning, nil), owned("lost-1", "ReplicaSet", "lost-1", corev1.PodRunning, nil),
		owned("report-1", "Job", "report-29", corev1.PodRunning, nil),
		jobOf("report-29", "", batchv1.JobStatus{Active: 1}, metav1.ObjectMeta{}, appPod(corev1.Container{})),
		owned("ours", "Job", "ours", corev1.PodRunning, map[string]string{labelManagedBy: manager}),
	)
	c := newClient(Options{Namespace: "ci"}, k)
	want := engine.Found([]server.Writer{
		{Kind: "DaemonSet", Name: "agent", Pods: 2}, {Kind: "Job", Name: "report-29", Pods: 1}, {Kind: "Job.batch.volcano.sh", Name: "training", Pods: 1}, {Kind: "Pod", Name: "bare", Pods: 1},
		{Kind: "ReplicaSet", Name: "lost-1", Pods: 1}, {Kind: "Rollout", Name: "canary", Pods: 1},
	})
	if got := c.Application(t.Context()).Writers; !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	k.PrependReactor("list", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("refused")
	})
	if got := c.Application(t.Context()); !got.Writers.Unread() || got.Writers.Why == "" || !got.Workloads.Is() {
		t.Errorf("without Jobs: %+v", got)
	}
	k.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("refused")
	})
	if got := c.Application(t.Context()); !got.Writers.Unread() || got.Writers.Why == "" || !got.Workloads.Unread() {
		t.Errorf("without pods: %+v", got)
	}
}

// jobOf is a Job that a CronJob made, where one is named.
func jobOf(name, cron string, status batchv1.JobStatus, meta metav1.ObjectMeta, pod corev1.PodTemplateSpec) *batchv1.Job {
	meta.Name, meta.Namespace = name, "ci"
	if cron != "" {
		meta.OwnerReferences = []metav1.OwnerReference{{Kind: kindCronJob, Name: cron, UID: types.UID(cron), Controller: pointer(true)}}
	}
	return &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Template: pod}, Status: status}
}

// A Job is the application's by the same labels as a CronJob, wherever of its
// kin they stand, and runs until it is over and its last pod has gone.
func TestJobsOfTheApplicationAreFoundByAnyLabel(t *testing.T) {
	cron := cronJobOf("labelled", nil, ofApplication(""), corev1.PodTemplateSpec{})
	other := cronJobOf("other", nil, metav1.ObjectMeta{}, corev1.PodTemplateSpec{})
	cron.UID, other.UID = "labelled", "other"
	none, runs := corev1.PodTemplateSpec{}, batchv1.JobStatus{Active: 1}
	over := batchv1.JobStatus{Conditions: []batchv1.JobCondition{{Type: batchv1.JobFailed, Status: corev1.ConditionTrue}}}
	ending := over
	ending.Terminating = pointer[int32](2)
	paused := jobOf("paused", "", batchv1.JobStatus{}, ofApplication(""), none)
	paused.Spec.Suspend = pointer(true)
	ours := ofApplication("")
	ours.Labels = map[string]string{"layer": "application", labelManagedBy: manager}
	k := fake.NewClientset(cron, other, paused,
		jobOf("by-cronjob", "labelled", runs, metav1.ObjectMeta{}, none), jobOf("by-itself", "", runs, ofApplication(""), none),
		jobOf("by-pods", "", runs, metav1.ObjectMeta{}, appPod(corev1.Container{})), jobOf("between-two-tries", "", batchv1.JobStatus{}, ofApplication(""), none),
		jobOf("ending", "", ending, ofApplication(""), none), jobOf("over", "", over, ofApplication(""), none),
		jobOf("not-ours-to-wait-for", "other", runs, metav1.ObjectMeta{}, none), jobOf("mover", "", runs, ours, none))
	c := newClient(Options{Namespace: "ci"}, k)
	want := engine.Found([]server.Writer{{Kind: "Job", Name: "between-two-tries"}, {Kind: "Job", Name: "by-cronjob", Pods: 1},
		{Kind: "Job", Name: "by-itself", Pods: 1}, {Kind: "Job", Name: "by-pods", Pods: 1}, {Kind: "Job", Name: "ending", Pods: 2}})
	if got := c.Jobs(t.Context()); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got := c.Application(t.Context()).Writers; !reflect.DeepEqual(got, want) {
		t.Errorf("a plan sees %+v\nwant %+v", got, want)
	}
}

// All records cost one call, and one that is garbled is neither absent nor in
// the way of the others.
func TestRecordsAreReadInOneCall(t *testing.T) {
	record := func(name, data string) *corev1.ConfigMap {
		return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "ci", ResourceVersion: "7"}, Data: map[string]string{recordKey: data}}
	}
	k := fake.NewClientset(record(recordPrefix+"move", "{}"), record(recordPrefix+"journal", "garbage"), record("settings", "{}"))
	c := newClient(Options{Namespace: "ci"}, k)
	got := c.ReadAll(t.Context())
	if read := listedKinds(k); !slices.Equal(read, []string{"list configmaps"}) {
		t.Errorf("read %q", read)
	}
	for _, name := range []string{"move", "journal"} {
		if alone := c.Read(t.Context(), name); !reflect.DeepEqual(got.Value[name], alone) {
			t.Errorf("%s is %+v, alone %+v", name, got.Value[name], alone)
		}
	}
	if !got.Is() || len(got.Value) != 2 || !got.Value["journal"].Unread() {
		t.Errorf("got %+v", got)
	}
	k.PrependReactor("list", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New("refused")
	})
	if got := c.ReadAll(t.Context()); !got.Unread() || got.Why == "" {
		t.Errorf("a refused list gives %+v", got)
	}
}
