package kube

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// notReady is a pod of Deployment web with one container in a state.
func notReady(name string, s corev1.ContainerStatus) *corev1.Pod {
	labels := map[string]string{"app": "web", appsv1.DefaultDeploymentUniqueLabelKey: "5d9"}
	p := pod(name, "ReplicaSet", "web-5d9", corev1.PodRunning, labels)
	p.Namespace, p.UID = "ci", types.UID("uid-"+name)
	s.Name = "app"
	p.Status.ContainerStatuses = []corev1.ContainerStatus{s}
	return &p
}

func waitsFor(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
}

func exited(code int32) corev1.ContainerState {
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: code, Message: "password=canary"}}
}

var runs = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}

// ailing asks a client that sees a Deployment web and these objects.
func ailing(t *testing.T, redactor Redactor, objects ...runtime.Object) []engine.Ailment {
	t.Helper()
	web := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "ci", Labels: map[string]string{"layer": "application"}},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}},
	}
	c := &Client{options: Options{Namespace: "ci", Redactor: redactor}, kube: fake.NewClientset(append(objects, web)...), log: slog.New(slog.DiscardHandler)}
	found := c.Ailing(context.Background(), []string{"Deployment/web"})
	if found.Unread() {
		t.Fatal(found.Why)
	}
	return found.Value
}

// hides takes a word out; the fake server's logs say "fake logs".
func hides(word string) Redactor {
	return func(context.Context) (func(string) string, error) {
		return func(text string) string { return strings.ReplaceAll(text, word, "[redacted]") }, nil
	}
}

func TestAilingNamesTheWorstPodWithItsLastWords(t *testing.T) {
	crashing := waitsFor("CrashLoopBackOff", "back-off 40s restarting")
	crashing.RestartCount, crashing.LastTerminationState = 4, exited(2)
	starting := corev1.ContainerStatus{State: runs}
	restarted := corev1.ContainerStatus{State: runs, RestartCount: 2, LastTerminationState: exited(1)}
	ready := corev1.ContainerStatus{State: runs, Ready: true}
	log := []string{"[redacted] logs"}
	isUp := notReady("up", ready)
	isUp.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	unhealthy := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Name: "e", Namespace: "ci"}, InvolvedObject: corev1.ObjectReference{UID: notReady("b", starting).UID},
		Reason: "Unhealthy", Message: "Readiness probe failed: fake answer",
	}
	for _, row := range []struct {
		name    string
		objects []runtime.Object
		want    []engine.Ailment
	}{
		{"all ready", []runtime.Object{isUp}, nil},
		{"no pod", nil, []engine.Ailment{{Condition: "no pod was made for it yet", Reason: "NoPod", Hopeful: true}}},
		{"one of two crashes", []runtime.Object{isUp, notReady("a", starting), notReady("b", crashing)},
			[]engine.Ailment{{Pod: "b", Container: "app", Condition: "CrashLoopBackOff: ended with Error, exit code 2", Reason: "CrashLoopBackOff", Restarts: 4, Log: log}}},
		{"just ended", []runtime.Object{notReady("a", corev1.ContainerStatus{State: exited(3)})},
			[]engine.Ailment{{Pod: "a", Container: "app", Condition: "ended with Error, exit code 3", Reason: "Error", Log: log}}},
		{"restarted", []runtime.Object{notReady("a", restarted)},
			[]engine.Ailment{{Pod: "a", Container: "app", Condition: "running, not ready", Reason: "Running", Restarts: 2, Log: log}}},
		{"its probe fails", []runtime.Object{notReady("b", starting), unhealthy},
			[]engine.Ailment{{Pod: "b", Container: "app", Condition: "running, not ready; Unhealthy: Readiness probe failed: [redacted] answer", Reason: "Running", Hopeful: true, Log: log}}},
		{"no image", []runtime.Object{notReady("a", waitsFor("ImagePullBackOff", "Back-off pulling image \"fake\""))},
			[]engine.Ailment{{Pod: "a", Container: "app", Condition: "ImagePullBackOff: Back-off pulling image \"[redacted]\"", Reason: "ImagePullBackOff"}}},
		{"being made", []runtime.Object{notReady("a", waitsFor("ContainerCreating", ""))},
			[]engine.Ailment{{Pod: "a", Container: "app", Condition: "ContainerCreating", Reason: "ContainerCreating", Hopeful: true}}},
	} {
		for i := range row.want {
			row.want[i].Workload = "Deployment/web"
		}
		if got := ailing(t, hides("fake"), row.objects...); !reflect.DeepEqual(got, row.want) {
			t.Errorf("%s:\n got %+v\nwant %+v", row.name, got, row.want)
		}
	}
}

// An init container that waits keeps the others from beginning, and is the one
// to look at.
func TestAilingLooksAtTheInitContainerThatWaits(t *testing.T) {
	p := notReady("a", waitsFor("PodInitializing", ""))
	p.Status.InitContainerStatuses = []corev1.ContainerStatus{
		{Name: "done", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{}}}, {Name: "wait-for-db", State: runs},
	}
	got := ailing(t, hides("nothing"), p)
	if len(got) != 1 || got[0].Container != "wait-for-db" || got[0].Condition != "running, not ready" || len(got[0].Log) != 1 {
		t.Errorf("got %+v", got)
	}
}

// Without every secret known nothing is shown that a container or a probe said.
func TestAilingShowsNoLogThatMayHoldASecret(t *testing.T) {
	crashing := waitsFor("CrashLoopBackOff", "")
	crashing.RestartCount, crashing.LastTerminationState = 1, exited(1)
	blind := func(context.Context) (func(string) string, error) { return nil, errors.New("secrets are forbidden") }
	for name, r := range map[string]Redactor{"blind": blind, "none": nil} {
		got := ailing(t, r, notReady("a", crashing))
		if len(got) != 1 || len(got[0].Log) > 0 || got[0].NoLog == "" || !strings.Contains(got[0].Condition, "exit code 1") {
			t.Errorf("%s: got %+v", name, got)
		}
		got = ailing(t, r, notReady("a", waitsFor("RunContainerError", "exec: --password=hunter2: not found")))
		if len(got) != 1 || strings.Contains(got[0].Condition, "hunter2") || got[0].Reason != "RunContainerError" {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
