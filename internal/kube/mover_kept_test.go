package kube

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// meshed is a cluster whose mesh adds a container to every pod: ours ends with
// code, the other goes on, and so the Job never has a verdict.
type meshed struct {
	t         *testing.T
	kube      *fake.Clientset
	container string
	log       string
	code      int32
	// disrupted pods are evicted, deleted ones are on their way.
	disrupted, deleted bool
	pods               int
}

func (m *meshed) client() *Client {
	m.kube = fake.NewClientset()
	m.kube.PrependReactor("create", "jobs", func(a clienttesting.Action) (bool, runtime.Object, error) {
		job := a.(clienttesting.CreateAction).GetObject().(*batchv1.Job)
		job.UID = types.UID("uid-" + job.Name)
		job.CreationTimestamp = metav1.Unix(1000, 0)
		m.pod(job)
		return false, nil, nil
	})
	m.kube.PrependReactor("get", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if a.GetSubresource() == "log" {
			return true, &runtime.Unknown{Raw: []byte(m.log)}, nil
		}
		return false, nil, nil
	})
	c := newClient(Options{Namespace: "ci", Name: "ci-prod", Image: "i"}, m.kube)
	c.patience.look, c.patience.reconnect, c.patience.settle = time.Millisecond, time.Millisecond, 2*time.Second
	return c
}

func (m *meshed) pod(job *batchv1.Job) {
	m.t.Helper()
	m.pods++
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: job.Name + "-x", Namespace: "ci", UID: types.UID("pod-" + strconv.Itoa(m.pods)), Labels: map[string]string{batchv1.JobNameLabel: job.Name},
			OwnerReferences: []metav1.OwnerReference{{Kind: "Job", Name: job.Name, UID: job.UID, Controller: pointer(true)}}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: m.container}, {Name: "proxy"}}},
		Status: corev1.PodStatus{Phase: corev1.PodRunning, ContainerStatuses: []corev1.ContainerStatus{
			{Name: m.container, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: m.code}}},
			{Name: "proxy", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}},
		}},
	}
	if m.disrupted {
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue}}
	}
	if m.deleted {
		p.DeletionTimestamp, p.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{"a/b"}
	}
	// A reactor holds the clientset's lock, so what stands behind it is asked.
	if err := m.kube.Tracker().Create(corev1.SchemeGroupVersion.WithResource("pods"), p, "ci"); err != nil {
		m.t.Error(err)
	}
}

// A container that somebody adds to every pod keeps the Job alive; what counts
// is our own container's last word, or its death.
func TestAContainerOfAMeshKeepsNobodyWaiting(t *testing.T) {
	const first = `2026-11-22T05:00:00.1Z {"seq":1,"phase":"data"}` + "\n"
	for name, c := range map[string]struct {
		log  string
		code int32
		want string // of the error, or the result
	}{
		"a result":     {first + `2026-11-22T05:00:01.1Z {"seq":2,"result":{"rows":7}}`, 0, `{"rows":7}`},
		"an error":     {first + `2026-11-22T05:00:01.1Z {"seq":2,"error":"the check is broken","code":"unsupported"}`, 1, "the check is broken"},
		"killed":       {first, 137, "the mover was killed (exit code 137)"},
		"no last word": {first, 0, "its log holds no result"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := &meshed{t: t, container: moverContainer, log: c.log, code: c.code}
			client := m.client()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			got, err := client.Run(ctx, server.MoverJob{Name: "copy", Keep: true, Deadline: time.Hour}, nil)
			if text := string(got); err != nil && !strings.Contains(err.Error(), c.want) || err == nil && text != c.want {
				t.Errorf("got %q and error %v, want %q", text, err, c.want)
			}
			var failure *mover.Error
			if name == "an error" && (!errors.As(err, &failure) || failure.Code != mover.CodeUnsupported) {
				t.Errorf("the class of the error is lost: %v", err)
			}
			_, err = m.kube.BatchV1().Jobs("ci").Get(t.Context(), "copy", metav1.GetOptions{})
			if !apierrors.IsNotFound(err) {
				t.Errorf("its Job goes on: %v", err)
			}
		})
	}
}

// A pod that was evicted or is being deleted is not given up: the Job makes
// another one.
func TestAPodOnItsWayOutIsNotGivenUp(t *testing.T) {
	for name, m := range map[string]*meshed{
		"evicted": {disrupted: true}, "deleted": {deleted: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m.t, m.container, m.code = t, moverContainer, 137
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if _, err := m.client().Run(ctx, plainMover("copy"), nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want it to be waited for", err)
			}
		})
	}
}

func plainMover(name string) server.MoverJob {
	return server.MoverJob{Name: name, Request: mover.Request{Operation: mover.OpCopy}}
}

// An engine's pod is replaced by its Job, once the one that died is out of the
// way; whoever follows takes it out of the way.
func TestADeadEngineIsNotKeptByAMesh(t *testing.T) {
	m := &meshed{t: t, container: engineContainer, code: 137}
	client := m.client()
	run, err := client.Submit(t.Context(), engineWork())
	if err != nil {
		t.Fatal(err)
	}
	m.kube.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		m.log = `2026-11-22T05:00:01.1Z {"seq":1,"result":{"exit":0}}` // of the next one
		return false, nil, nil
	})
	replaced := false
	m.kube.PrependReactor("list", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		if m.log != "" && !replaced {
			replaced = true
			job, err := m.kube.Tracker().Get(batchv1.SchemeGroupVersion.WithResource("jobs"), "ci", run.Job)
			if err != nil {
				t.Error(err)
			}
			m.code = 0
			m.pod(job.(*batchv1.Job))
		}
		return false, nil, nil
	})
	var notes []string
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	got, err := client.FollowEngine(ctx, run, func(e mover.Event) { notes = append(notes, toldBy(e)) })
	if err != nil || !json.Valid(got) || !replaced {
		t.Errorf("got %s, %v, replaced %v; notes %q", got, err, replaced, notes)
	}
	if len(notes) != 1 || !strings.Contains(notes[0], "the engine was killed (exit code 137)") {
		t.Errorf("notes %q", notes)
	}
	if _, err = m.kube.BatchV1().Jobs("ci").Get(t.Context(), run.Job, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Job of an engine that is done goes on: %v", err)
	}
}

// Who may not delete the pod is told what to run.
func TestWhoMayNotFreeAnEngineSaysHow(t *testing.T) {
	m := &meshed{t: t, container: engineContainer, code: 137}
	client := m.client()
	run, err := client.Submit(t.Context(), engineWork())
	if err != nil {
		t.Fatal(err)
	}
	m.kube.PrependReactor("delete", "pods", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("pods"), "x", errors.New("no"))
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	said := ""
	_, err = client.FollowEngine(ctx, run, func(e mover.Event) {
		if said = toldBy(e); strings.Contains(said, "kubectl delete pod") {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || !strings.Contains(said, "proxy keeps the pod of the engine that has ended") {
		t.Errorf("said %q, error %v", said, err)
	}
}

// toldBy is the text of an engine's line.
func toldBy(line mover.Event) string {
	e, _ := engine.HostedEventOf(line)
	return e.Text
}
