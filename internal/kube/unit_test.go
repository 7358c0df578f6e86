package kube

import (
	"errors"
	"os"
	"reflect"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func pod(name, ownerKind, owner string, phase corev1.PodPhase, labels map[string]string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels, OwnerReferences: []metav1.OwnerReference{{Kind: ownerKind, Name: owner, Controller: pointer(true)}}},
		Status:     corev1.PodStatus{Phase: phase},
	}
}

func TestPodsOfCountsWhatMayStillRun(t *testing.T) {
	labels := map[string]string{"app": "web", appsv1.DefaultDeploymentUniqueLabelKey: "5d9"}
	terminating := pod("terminating", "ReplicaSet", "web-5d9", corev1.PodRunning, labels)
	terminating.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	pods := []corev1.Pod{
		pod("running", "ReplicaSet", "web-5d9", corev1.PodRunning, labels),
		terminating,
		pod("evicted", "ReplicaSet", "web-5d9", corev1.PodFailed, labels),
		pod("finished", "ReplicaSet", "web-5d9", corev1.PodSucceeded, labels),
		pod("job", "Job", "web", corev1.PodRunning, labels),
		pod("cousin", "ReplicaSet", "web-canary-5d9", corev1.PodRunning, labels),
		pod("other", "ReplicaSet", "web-5d9", corev1.PodRunning, map[string]string{"app": "other"}),
		{ObjectMeta: metav1.ObjectMeta{Name: "bare", Labels: labels}},
	}
	w := workload{kind: kindDeployment, meta: metav1.ObjectMeta{Name: "web"}, selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}
	got, err := podsOf(w, pods)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range got {
		names = append(names, p.Name)
	}
	if want := []string{"running", "terminating"}; !reflect.DeepEqual(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
}

func TestTroubleNeverQuotesAContainer(t *testing.T) {
	crashed := pod("web", "ReplicaSet", "web-5d9", corev1.PodRunning, nil)
	crashed.Status.ContainerStatuses = []corev1.ContainerStatus{{
		Name: "web", RestartCount: 4,
		State:                corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 40s restarting"}},
		LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: "Error", ExitCode: 2, Message: "password=canary"}},
	}}
	unschedulable := pod("web", "ReplicaSet", "web-5d9", corev1.PodPending, nil)
	unschedulable.Status.Conditions = []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable", Message: "0/3 nodes are available: 3 Insufficient cpu.\nmore",
	}}
	creating := pod("web", "ReplicaSet", "web-5d9", corev1.PodPending, nil)
	creating.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}}}
	for want, pods := range map[string][]corev1.Pod{
		"": {creating},
		"CrashLoopBackOff: container web ended with Error, exit code 2, 4 restarts": {creating, crashed},
		"Unschedulable: 0/3 nodes are available: 3 Insufficient cpu.":               {unschedulable},
	} {
		if got := trouble(pods); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestOwnerOf(t *testing.T) {
	yes := true
	cases := []struct {
		meta metav1.ObjectMeta
		want string
	}{
		{metav1.ObjectMeta{}, ""},
		{metav1.ObjectMeta{Labels: map[string]string{labelManagedBy: manager}}, ""},
		{metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "SealedSecret", Name: "pg", Controller: &yes}}}, "SealedSecret pg"},
		{metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "VaultStaticSecret", Name: "pg"}}}, "VaultStaticSecret pg"},
		{metav1.ObjectMeta{Labels: map[string]string{"reconcile.external-secrets.io/created-by": "x"}}, "External Secrets"},
		{metav1.ObjectMeta{Annotations: map[string]string{"sealedsecrets.bitnami.com/managed": "true"}}, "Sealed Secrets"},
		{metav1.ObjectMeta{Labels: map[string]string{"secrets.hashicorp.com/vso-ownerRefUID": "x"}}, "Vault Secrets Operator"},
		{metav1.ObjectMeta{Annotations: map[string]string{"argocd.argoproj.io/tracking-id": "x"}}, "Argo CD"},
		{metav1.ObjectMeta{Labels: map[string]string{labelManagedBy: "Helm"}, Annotations: map[string]string{annotHelmName: "ci"}}, "Helm release ci"},
		{metav1.ObjectMeta{Labels: map[string]string{labelManagedBy: "terraform"}}, "terraform"},
	}
	for _, c := range cases {
		if got := ownerOf(c.meta); got != c.want {
			t.Errorf("ownerOf(%+v) = %q, want %q", c.meta, got, c.want)
		}
	}
}

func TestMoverManifest(t *testing.T) {
	c := newClient(Options{Namespace: "ci", Name: "ci-prod", Image: "registry.example.com/circleci-dr:1"}, fake.NewClientset())
	job := server.MoverJob{
		Name: "ci-prod-copy-a1",
		Request: mover.Request{
			Operation: mover.OpCopy, Engine: mover.PostgreSQL,
			Source: &mover.Endpoint{Host: "postgresql", Port: 5432, Username: "postgres"},
			Target: &mover.Endpoint{Host: "pg.example.com", Port: 5432, Username: "circleci"},
		},
		Source:   server.MoverSide{Password: &spec.SecretRef{Secret: &spec.SecretKey{Name: "postgresql", Key: "postgres-password"}}},
		Target:   server.MoverSide{Password: &spec.SecretRef{Env: "TARGET_PASSWORD"}, CA: &spec.SecretRef{File: "ca.pem"}},
		Deadline: 2 * time.Hour,
	}
	request, files, err := moverFiles(job)
	if err != nil {
		t.Fatal(err)
	}
	if job.Request.Target.CAFile != "" || request.Target.CAFile != "/run/circleci-dr/target/ca.pem" {
		t.Errorf("the caller's request was changed, or ours was not: %+v, %+v", job.Request.Target, request.Target)
	}
	shape := merged(
		spec.Mover{Resources: spec.Resources{Requests: map[string]string{"cpu": "500m"}, Limits: map[string]string{"memory": "256Mi"}}, Annotations: map[string]string{"sidecar.istio.io/inject": "false"}},
		spec.Mover{NodeSelector: map[string]string{"pool": "ci"}, Tolerations: []spec.Toleration{{Key: "ci", Operator: "Exists", Effect: "NoSchedule"}}, ImagePullSecrets: []string{"regcred"}},
	)
	made, err := c.manifest(job, files, "digest", shape)
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/mover-job.yaml"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(golden, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the manifest differs from %s:\n%s", golden, got)
	}
}

func TestMoverManifestRefuses(t *testing.T) {
	c := newClient(Options{Namespace: "ci"}, fake.NewClientset())
	_, err := c.manifest(server.MoverJob{Name: "x"}, nil, "", spec.Mover{})
	if !errors.Is(err, errNoImage) {
		t.Errorf("without an image: %v", err)
	}
	if _, err = c.engineManifest(EngineWork{Plan: "x"}, workParts{}, spec.Mover{}); !errors.Is(err, errNoImage) {
		t.Errorf("an engine without an image: %v", err)
	}
	_, err = c.manifest(server.MoverJob{Name: "x"}, nil, "", spec.Mover{Image: "i", Resources: spec.Resources{Limits: map[string]string{"memory": "lots"}}})
	if err == nil || err.Error() != `mover.resources.limits.memory: "lots" is no quantity such as 500m or 256Mi` {
		t.Errorf("with a bad quantity: %v", err)
	}
	_, _, err = moverFiles(server.MoverJob{Source: server.MoverSide{Password: &spec.SecretRef{Env: "X"}}})
	if err == nil || err.Error() != "a secret for the source is given, but no source" {
		t.Errorf("with a secret for nothing: %v", err)
	}
}

func TestDeathOfSaysWhatToDoAboutMemory(t *testing.T) {
	for _, row := range []struct{ container, reason, want string }{
		{moverContainer, "OOMKilled", "the mover needed more memory than it may have and was killed (OOMKilled); raise mover.resources.limits.memory in the spec"},
		{engineContainer, "OOMKilled", "the engine ended with OOMKilled, exit code 137, and gave no reason"}, // no field of the spec sets its limit
		{moverContainer, "Error", "the mover was killed (exit code 137), by its node for want of disk or memory, or by somebody"},
	} {
		f := &follower{container: row.container}
		f.pod.Status.ContainerStatuses = []corev1.ContainerStatus{{
			Name: row.container, State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Reason: row.reason, ExitCode: 137}},
		}}
		if got := f.deathOf().Error(); got != row.want {
			t.Errorf("%s, %s: %q, want %q", row.container, row.reason, got, row.want)
		}
	}
}

func TestStartWaitHasPatienceByKind(t *testing.T) {
	w := startWait{patience: patience{image: time.Minute, start: time.Hour}}
	at := time.Unix(0, 0)
	looks := []struct {
		after time.Duration
		kind  startKind
		gives bool
	}{
		{0, lacksImage, false}, {59 * time.Second, lacksImage, false}, {60 * time.Second, nothingSeen, false},
		{61 * time.Second, lacksImage, false}, {120 * time.Second, lacksImage, false}, {121 * time.Second, lacksImage, true},
	}
	for _, look := range looks {
		err := w.check(at.Add(look.after), "ImagePullBackOff", look.kind)
		var stuck *stuckError
		if errors.As(err, &stuck) != look.gives {
			t.Errorf("after %s: got %v, want to give up: %v", look.after, err, look.gives)
		}
	}
}

func TestWatchedLease(t *testing.T) {
	lease := func(owner string, renewed int64) *coordinationv1.Lease {
		at := metav1.NewMicroTime(time.Unix(renewed, 0))
		return &coordinationv1.Lease{Spec: coordinationv1.LeaseSpec{HolderIdentity: &owner, RenewTime: &at, LeaseDurationSeconds: pointer[int32](15)}}
	}
	look := func(w *watched, l *coordinationv1.Lease, second int64) [2]bool {
		free := w.free(l, time.Unix(second, 0))
		return [2]bool{free, w.alive}
	}
	var dead watched
	for _, step := range []struct {
		second int64
		want   [2]bool
	}{{1000, [2]bool{false, false}}, {1014, [2]bool{false, false}}, {1015, [2]bool{true, false}}} {
		// renewed an hour from now, by a clock that is wrong
		if got := look(&dead, lease("a", 4600), step.second); got != step.want {
			t.Errorf("dead holder at %d: free, alive = %v, want %v", step.second, got, step.want)
		}
	}
	var alive watched
	look(&alive, lease("a", 10), 1000)
	if got := look(&alive, lease("a", 15), 1005); got != [2]bool{false, true} {
		t.Errorf("renewed under our eyes: %v", got)
	}
	if got := look(&alive, lease("a", 15), 1019); got != [2]bool{false, true} {
		t.Errorf("the period starts anew with each renewal: %v", got)
	}
	var empty watched
	if got := look(&empty, lease("", 10), 1000); got != [2]bool{true, false} {
		t.Errorf("given back: %v", got)
	}
}

func TestForbiddenVolumeIsNeitherProtectedNorAbsent(t *testing.T) {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data-postgresql-0", Namespace: "ci", Labels: map[string]string{labelAppName: "postgresql", labelInstance: "ci"}},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: "pv-1"},
	}
	k := fake.NewClientset(claim)
	k.PrependReactor("get", "persistentvolumes", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "persistentvolumes"}, "pv-1", errors.New("no"))
	})
	c := newClient(Options{Namespace: "ci", Release: "ci"}, k)
	want := engine.Found(server.InternalStore{
		StatefulSet: engine.NotThere[server.StatefulSet](), Secret: engine.NotThere[server.SecretInfo](),
		Volumes:     []server.Volume{{Claim: "data-postgresql-0", Name: "pv-1", ReclaimPolicy: "unknown"}},
		Unprotected: []string{`PersistentVolume pv-1: its reclaim policy could not be read (persistentvolumes "pv-1" is forbidden: no)`},
	})
	if got := c.Internal(t.Context(), mover.PostgreSQL, "postgresql"); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSecretsPrintRedacted(t *testing.T) {
	c := newClient(Options{Env: func(string) (string, bool) { return "canary", true }}, fake.NewClientset())
	got, err := c.resolve(t.Context(), spec.SecretRef{Env: "X"})
	if err != nil || string(got) != "canary" {
		t.Fatalf("got %s, %v", got, err)
	}
	if text := got.String() + got.GoString(); text != "[redacted][redacted]" {
		t.Errorf("prints %s", text)
	}
}
