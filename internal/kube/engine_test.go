package kube

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func engineWork() EngineWork {
	return EngineWork{
		Plan: "8bcee46f15", SpecDigest: "sha256:1", By: "me@here/1", Deadline: 45 * time.Minute,
		Files: map[string][]byte{"spec.json": []byte("{}"), "plan.json": []byte("{}")},
		Chart: bytes.Repeat([]byte("c"), chartPart+1),
		References: []spec.SecretRef{
			{Secret: &spec.SecretKey{Name: "pg", Key: "password"}}, {Env: "PG_PASSWORD"}, {File: "ca.pem"}, {Env: "NOT_SET"},
		},
		Rights: []server.Permission{
			{Verb: "get", Resource: "secrets"}, {Verb: "list", Resource: "secrets"}, {Verb: "get", Group: "batch", Resource: "jobs"},
			{Verb: "get", Resource: "namespaces", Cluster: true},
		},
	}
}

// submitter is a client on a double of the API that gives UIDs, as the real
// one does.
func submitter(t *testing.T) (*Client, *fake.Clientset) {
	t.Helper()
	k, n := fake.NewClientset(), 0
	k.PrependReactor("create", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		if made, ok := a.(clienttesting.CreateAction).GetObject().(metav1.Object); ok {
			n++
			made.SetUID(types.UID("uid-" + string(rune('a'+n))))
			made.SetCreationTimestamp(metav1.Unix(1000, 0))
		}
		return false, nil, nil
	})
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("the bundle\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return newClient(Options{
		Namespace: "ci", Name: "ci-prod", Image: "registry.example.com/circleci-dr:1", Dir: dir,
		Env: func(name string) (string, bool) {
			v, ok := map[string]string{"PG_PASSWORD": "canary"}[name]
			return v, ok
		},
	}, k), k
}

// objects lists everything there is, by kind and name.
func objects(t *testing.T, k *fake.Clientset) []string {
	t.Helper()
	ctx, o := t.Context(), metav1.ListOptions{}
	var out []string
	add := func(kind string, list runtime.Object, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if err := eachName(list, func(name string) { out = append(out, kind+"/"+name) }); err != nil {
			t.Fatal(err)
		}
	}
	jobs, err := k.BatchV1().Jobs("ci").List(ctx, o)
	add("Job", jobs, err)
	maps, err := k.CoreV1().ConfigMaps("ci").List(ctx, o)
	add("ConfigMap", maps, err)
	secrets, err := k.CoreV1().Secrets("ci").List(ctx, o)
	add("Secret", secrets, err)
	accounts, err := k.CoreV1().ServiceAccounts("ci").List(ctx, o)
	add("ServiceAccount", accounts, err)
	roles, err := k.RbacV1().Roles("ci").List(ctx, o)
	add("Role", roles, err)
	bindings, err := k.RbacV1().RoleBindings("ci").List(ctx, o)
	add("RoleBinding", bindings, err)
	whole, err := k.RbacV1().ClusterRoles().List(ctx, o)
	add("ClusterRole", whole, err)
	wide, err := k.RbacV1().ClusterRoleBindings().List(ctx, o)
	add("ClusterRoleBinding", wide, err)
	slices.Sort(out)
	return out
}

var allEngineObjects = []string{
	"ClusterRole/circleci-dr-engine-ci", "ClusterRoleBinding/circleci-dr-engine-ci", "ConfigMap/circleci-dr-engine-8bcee46f15",
	"Job/circleci-dr-engine-8bcee46f15", "Role/circleci-dr-engine", "RoleBinding/circleci-dr-engine",
	"Secret/circleci-dr-engine-8bcee46f15", "Secret/circleci-dr-engine-8bcee46f15-chart-0", "Secret/circleci-dr-engine-8bcee46f15-chart-1",
	"ServiceAccount/circleci-dr-engine",
}

func TestRemoveEngineLeavesTheJobOnly(t *testing.T) {
	c, k := submitter(t)
	run, err := c.Submit(t.Context(), engineWork())
	if err != nil {
		t.Fatal(err)
	}
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "foreign", Namespace: "ci", Labels: map[string]string{labelJob: run.Job}}}
	if _, err := k.CoreV1().Secrets("ci").Create(t.Context(), foreign, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.RemoveEngine(t.Context(), run); err != nil {
			t.Fatal(err)
		}
	}
	// Bindings and account belong to the roles; the real API removes them.
	want := []string{"ClusterRoleBinding/circleci-dr-engine-ci", "Job/" + run.Job, "RoleBinding/circleci-dr-engine", "Secret/foreign", "ServiceAccount/circleci-dr-engine"}
	if got := objects(t, k); !slices.Equal(got, want) {
		t.Errorf("left are %v", got)
	}
	binding, err := k.RbacV1().RoleBindings("ci").Get(t.Context(), engineName, metav1.GetOptions{})
	if err != nil || len(binding.OwnerReferences) != 1 || binding.OwnerReferences[0].Kind != "Role" {
		t.Errorf("the binding belongs to %+v, error %v", binding.OwnerReferences, err)
	}
}

func TestEngineThatCannotBeReadIsUnknown(t *testing.T) {
	c, k := submitter(t)
	k.PrependReactor("list", "jobs", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "batch", Resource: "jobs"}, "", errors.New("no"))
	})
	if got := c.Engine(t.Context()); !got.Unread() || got.Why == "" {
		t.Errorf("got %+v", got)
	}
	if _, err := c.Submit(t.Context(), engineWork()); err == nil {
		t.Error("it submitted without knowing whether an engine is there")
	}
}

func TestReferencesOfTheSubmitterAreReadFromWhatItSent(t *testing.T) {
	dir := t.TempDir()
	ref := spec.SecretRef{Env: "PG_PASSWORD"}
	if err := os.WriteFile(filepath.Join(dir, referenceKey(ref)), []byte("sent"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newClient(Options{Namespace: "ci", Told: dir, Env: func(string) (string, bool) { return "of the pod", true }}, fake.NewClientset())
	if got, err := c.resolve(t.Context(), ref); err != nil || string(got) != "sent" {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	_, err := c.resolve(t.Context(), spec.SecretRef{File: "/etc/hostname"})
	if err == nil || err.Error() != "file /etc/hostname was not there where the apply was submitted" {
		t.Errorf("a file that was not sent: %v", err)
	}
}

func TestEngineManifest(t *testing.T) {
	c := newClient(Options{Namespace: "ci", Name: "ci-prod"}, fake.NewClientset())
	shape := merged(spec.Mover{Image: "registry.example.com/circleci-dr:1", Resources: spec.Resources{Limits: map[string]string{"memory": "64Mi"}}},
		spec.Mover{NodeSelector: map[string]string{"pool": "ci"}, Tolerations: []spec.Toleration{{Key: "ci", Operator: "Exists"}}, ImagePullSecrets: []string{"regcred"}})
	made, err := c.engineManifest(engineWork(), workParts{files: []string{"plan.json", "spec.json"}, told: []string{"ref-1"}, charts: []string{"chart-0", "chart-1"}}, shape)
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/engine-job.yaml"
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

func eachName(list runtime.Object, do func(string)) error {
	return meta.EachListItem(list, func(o runtime.Object) error {
		m, err := meta.Accessor(o)
		if err == nil {
			do(m.GetName())
		}
		return err
	})
}
