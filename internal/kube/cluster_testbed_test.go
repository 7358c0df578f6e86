//go:build testbed

package kube

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func must(t *testing.T) func(_ any, err error) {
	t.Helper()
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

func sleeper() corev1.PodSpec {
	return corev1.PodSpec{
		TerminationGracePeriodSeconds: pointer[int64](1),
		Containers:                    []corev1.Container{{Name: "postgresql", Image: "tb/pause:1", ImagePullPolicy: corev1.PullNever}},
	}
}

func TestClusterHasAnIdentity(t *testing.T) {
	c := newBed(t).client(nil)
	got := c.Cluster(t.Context())
	if !got.Is() || len(got.Value.UID) != 36 || got.Value.Version != "v1.34.2" || !strings.HasPrefix(got.Value.Server, "https://") {
		t.Errorf("got %+v", got)
	}
	if c.CallCount() != 2 {
		t.Errorf("counted %d calls, want 2", c.CallCount())
	}
}

func TestWrongContextNamesTheRightOnes(t *testing.T) {
	_, err := New(Options{Kubeconfig: kubeconfig(t), Context: "prod", Namespace: "a"})
	if err == nil || err.Error() != `connect to Kubernetes: the kubeconfig has no context "prod"; it has: testbed` {
		t.Errorf("got %v", err)
	}
}

func TestWorkloadsAreRecordedScaledAndForgotten(t *testing.T) {
	b := newBed(t)
	check := must(t)
	labels := map[string]string{"app": "web"}
	layer := map[string]string{"layer": "application"}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: sleeper()}
	template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "POSTGRES_HOST", Value: "postgresql"}}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Labels: layer}, Spec: appsv1.DeploymentSpec{
		Replicas: pointer[int32](2), Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template,
	}}
	check(b.admin.AppsV1().Deployments(b.namespace).Create(t.Context(), deployment, metav1.CreateOptions{}))
	broken := template.DeepCopy()
	broken.Labels = map[string]string{"app": "queue"}
	broken.Spec.Containers[0].Image = "tb/none:1"
	broken.Spec.Containers[0].Env = nil
	set := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "queue", Labels: layer}, Spec: appsv1.StatefulSetSpec{
		Selector: &metav1.LabelSelector{MatchLabels: broken.Labels}, Template: *broken,
	}}
	check(b.admin.AppsV1().StatefulSets(b.namespace).Create(t.Context(), set, metav1.CreateOptions{}))
	deployment.ObjectMeta = metav1.ObjectMeta{Name: "unrelated"}
	check(b.admin.AppsV1().Deployments(b.namespace).Create(t.Context(), deployment, metav1.CreateOptions{}))
	scaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Name: "web-scaler"}, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MaxReplicas: 4,
	}}
	check(b.admin.AutoscalingV2().HorizontalPodAutoscalers(b.namespace).Create(t.Context(), scaler, metav1.CreateOptions{}))

	c := b.client(nil)
	web := server.Workload{Kind: "Deployment", Name: "web", Replicas: 2, Ready: 2, Pods: 2, Autoscaler: "web-scaler"}
	queue := server.Workload{Kind: "StatefulSet", Name: "queue", Replicas: 1, Pods: 1,
		Trouble: `ErrImageNeverPull: container postgresql: Container image "tb/none:1" is not present with pull policy of Never`}
	c.settled(t, []server.Workload{web, queue})
	at := server.Place{Object: "Deployment/web", Field: "spec.template.spec.containers[" + template.Spec.Containers[0].Name + "].env[POSTGRES_HOST].value"}
	if got := c.Application(t.Context()).Workloads; !got.Is() || got.Value[0].Texts[at] != "postgresql" {
		t.Errorf("%s says %q, want postgresql (%s)", at, got.Value[0].Texts[at], got.Why)
	}

	if err := c.Record(t.Context(), map[string]int{"Deployment/web": 2, "StatefulSet/queue": 1}); err != nil {
		t.Fatal(err)
	}
	if err := c.Scale(t.Context(), "Deployment/web", 0); err != nil {
		t.Fatal(err)
	}
	// A second run sees zero; the first one's count has to stay.
	if err := c.Record(t.Context(), map[string]int{"Deployment/web": 0}); err != nil {
		t.Fatal(err)
	}
	two, one := 2, 1
	web.Replicas, web.Ready, web.Pods, web.Recorded, queue.Recorded = 0, 0, 0, &two, &one
	c.settled(t, []server.Workload{web, queue})
	if err := c.Forget(t.Context()); err != nil {
		t.Fatal(err)
	}
	web.Recorded, queue.Recorded = nil, nil
	c.settled(t, []server.Workload{web, queue})

	err := c.Scale(t.Context(), "Deployment/gone", 1)
	want := `patch Deployment/gone in namespace ` + b.namespace + ` it does not exist any more; make a new plan: deployments.apps "gone" not found`
	if err == nil || strings.ReplaceAll(err.Error(), b.namespace+":", b.namespace) != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	err = c.Record(t.Context(), map[string]int{"Deployment/gone": 1})
	if err == nil || err.Error() != "record replicas: Deployment/gone no longer exist with the label layer=application; make a new plan" {
		t.Errorf("got %v", err)
	}

	reader := b.client(func(o *Options) { o.ReadOnly = true })
	if got := reader.List(t.Context()); !got.Is() || reader.CallCount() != 5 {
		t.Errorf("the read-only client read %+v with %d calls, want 5", got, reader.CallCount())
	}
	if err := reader.Scale(t.Context(), "Deployment/web", 2); !errors.Is(err, ErrReadOnly) {
		t.Errorf("the read-only client got %v", err)
	}
}

// settled waits until the workloads are what is wanted; the test's own deadline
// ends it.
func (c *Client) settled(t *testing.T, want []server.Workload) {
	t.Helper()
	err := c.waitFor(t.Context(), "the workloads", func(ctx context.Context) (string, error) {
		got := c.List(ctx)
		if got.Is() && reflect.DeepEqual(got.Value, want) {
			return "", nil
		}
		text, err := json.Marshal(got)
		return string(text), err
	})
	if err != nil {
		text, _ := json.Marshal(want)
		t.Fatalf("%v\nwant %s", err, text)
	}
}

func TestRecordsNoticeEachOther(t *testing.T) {
	b := newBed(t)
	c := b.client(nil)
	if got := c.Read(t.Context(), "journal"); !got.IsNot() {
		t.Fatalf("a record that was never written is %+v", got)
	}
	first, err := c.Write(t.Context(), "journal", json.RawMessage(`{"n":1}`), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(t.Context(), "journal", json.RawMessage(`{"n":9}`), ""); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("a second first write gave %v", err)
	}
	second, err := c.Write(t.Context(), "journal", json.RawMessage(`{"n":2}`), first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(t.Context(), "journal", json.RawMessage(`{"n":9}`), first); !errors.Is(err, engine.ErrConflict) {
		t.Errorf("a write on an old version gave %v", err)
	}
	want := engine.Found(engine.Record{Data: json.RawMessage(`{"n":2}`), Version: second})
	if got := c.Read(t.Context(), "journal"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	large := json.RawMessage(`"` + strings.Repeat("x", recordLimit) + `"`)
	_, err = c.Write(t.Context(), "journal", large, second)
	if err == nil || err.Error() != "write ConfigMap circleci-dr-journal: 921602 bytes are more than the 921600 that fit" {
		t.Errorf("got %v", err)
	}
	object, err := b.admin.CoreV1().ConfigMaps(b.namespace).Get(t.Context(), "circleci-dr-journal", metav1.GetOptions{})
	if err != nil || !reflect.DeepEqual(object.Labels, map[string]string{labelManagedBy: "circleci-dr", labelName: "ci-test"}) {
		t.Errorf("the object has labels %v, %v", object.Labels, err)
	}
}

func TestPasswordsAreCopiedAndCompared(t *testing.T) {
	b := newBed(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("pa55\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := b.client(func(o *Options) { o.Dir = dir })
	ref, keys := spec.SecretRef{File: "password"}, []string{"password", "postgres-password"}
	if got := c.Compare(t.Context(), "pg", keys, ref); !got.IsNot() {
		t.Errorf("without the Secret: %+v", got)
	}
	for range 2 {
		if err := c.Copy(t.Context(), "pg", keys, ref); err != nil {
			t.Fatal(err)
		}
	}
	matches := engine.Found(server.Credentials{Name: "pg", Matches: true})
	if got := c.Compare(t.Context(), "pg", keys, ref); !reflect.DeepEqual(got, matches) {
		t.Errorf("got %+v, want %+v", got, matches)
	}
	info := engine.Found(server.SecretInfo{Name: "pg", Keys: keys, Ours: true})
	if got := c.Info(t.Context(), "pg"); !reflect.DeepEqual(got, info) {
		t.Errorf("got %+v, want %+v", got, info)
	}
	theirs := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "theirs", Annotations: map[string]string{"reconcile.external-secrets.io/data-hash": "x"}},
		StringData: map[string]string{"password": "0ther", "user": "u"},
	}
	must(t)(b.admin.CoreV1().Secrets(b.namespace).Create(t.Context(), theirs, metav1.CreateOptions{}))
	const problem = "key password of Secret theirs holds another password than the one referred to; key postgres-password of Secret theirs is not there; it has: password, user"
	differs := engine.Found(server.Credentials{Name: "theirs", Problem: problem, Owner: "External Secrets",
		Others: map[string]server.KeyContent{"user": server.HoldsElse}})
	if got := c.Compare(t.Context(), "theirs", keys, ref); !reflect.DeepEqual(got, differs) {
		t.Errorf("got %+v, want %+v", got, differs)
	}
	err := c.Copy(t.Context(), "theirs", keys, ref)
	want := "write Secret theirs: External Secrets owns it and would write over our change: " + problem + "; correct it there"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestDeniedNamesMissingRights(t *testing.T) {
	b := newBed(t)
	check := must(t)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "some"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets", "pods/log"}, Verbs: []string{"get"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"patch"}},
	}}
	check(b.admin.RbacV1().Roles(b.namespace).Create(t.Context(), role, metav1.CreateOptions{}))
	check(b.admin.RbacV1().RoleBindings(b.namespace).Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "some"}, RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "some"},
		Subjects: []rbacv1.Subject{{Kind: "User", Name: "anna", APIGroup: "rbac.authorization.k8s.io"}},
	}, metav1.CreateOptions{}))
	path := variant(t, func(config *api.Config) {
		for _, user := range config.AuthInfos {
			user.Impersonate = "anna"
		}
	})
	c := b.client(func(o *Options) { o.Kubeconfig, o.ReadOnly = path, true })
	allowed := []server.Permission{
		{Verb: "get", Resource: "secrets"}, {Verb: "get", Resource: "pods/log"}, {Verb: "patch", Group: "apps", Resource: "deployments"},
	}
	denied := []server.Permission{
		{Verb: "create", Resource: "secrets"}, {Verb: "get", Resource: "pods"}, {Verb: "patch", Resource: "persistentvolumes", Cluster: true},
	}
	wanted := []server.Permission{denied[0], allowed[0], denied[1], allowed[1], allowed[2], denied[2]}
	err := c.waitFor(t.Context(), "RBAC to be known", func(ctx context.Context) (string, error) {
		got := c.Denied(ctx, wanted)
		if got.Is() && reflect.DeepEqual(got.Value, denied) {
			return "", nil
		}
		text, err := json.Marshal(got)
		return string(text), err
	})
	if err != nil {
		t.Error(err)
	}
	if got := c.Denied(t.Context(), nil); !got.Is() || len(got.Value) != 0 {
		t.Errorf("asking nothing gave %+v", got)
	}
	// Forbidden is unknown, never absent.
	if got := c.List(t.Context()); !got.Unread() || got.Why == "" {
		t.Errorf("a forbidden list gave %+v", got)
	}
}
