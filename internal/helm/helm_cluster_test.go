//go:build testbed

package helm

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// site is a release in a namespace of its own on a real cluster.
type site struct {
	*Client
	config    *rest.Config
	kube      kubernetes.Interface
	objects   dynamic.Interface
	namespace string
}

func newSite(t *testing.T, values map[string]any) *site {
	t.Helper()
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		t.Fatal("KUBECONFIG is not set: start the testbed and point it at its kubeconfig")
	}
	config, err := Kubeconfig(path, "")
	if err != nil {
		t.Fatal(err)
	}
	s := &site{config: config}
	s.config.QPS, s.config.Burst = 100, 200
	if s.kube, err = kubernetes.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	if s.objects, err = dynamic.NewForConfig(config); err != nil {
		t.Fatal(err)
	}
	ns, err := s.kube.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "helm-test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.namespace = ns.Name
	t.Cleanup(func() {
		if err := s.kube.CoreV1().Namespaces().Delete(context.WithoutCancel(t.Context()), ns.Name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	s.Client = s.client(t, fixture)
	operation, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(operation.Configuration)
	install.ReleaseName, install.Namespace = "server", s.namespace
	if _, err := install.Run(loadChart(t, fixture), values); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) client(t *testing.T, chartRef string) *Client {
	t.Helper()
	c, err := New(Options{Config: s.config, Namespace: s.namespace, Release: "server", Chart: chartRef})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var kinds = map[string]schema.GroupVersionResource{
	"ConfigMap":   {Version: "v1", Resource: "configmaps"},
	"Secret":      {Version: "v1", Resource: "secrets"},
	"Service":     {Version: "v1", Resource: "services"},
	"Deployment":  {Group: "apps", Version: "v1", Resource: "deployments"},
	"StatefulSet": {Group: "apps", Version: "v1", Resource: "statefulsets"},
}

// look reads every object of the namespace that a chart could have made, and
// the release records.
func (s *site) look(t *testing.T) map[string]unstructured.Unstructured {
	t.Helper()
	out := map[string]unstructured.Unstructured{}
	for kind, resource := range kinds {
		list, err := s.objects.Resource(resource).Namespace(s.namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range list.Items {
			if item.GetName() != "kube-root-ca.crt" {
				out[kind+"/"+item.GetName()] = item
			}
		}
	}
	return out
}

// looked gives what a look shows of each object that somebody wrote, without
// what the controllers do on their own.
func looked(objects map[string]unstructured.Unstructured) map[string]fields {
	out := map[string]fields{}
	for name, object := range objects {
		if object.GetLabels()["owner"] == "helm" {
			continue
		}
		f := flatten(object.Object)
		delete(f, `metadata.annotations["deployment.kubernetes.io/revision"]`)
		out[name] = f
	}
	return out
}

// happened lists what became of the objects between two looks, as a preview
// would name it: "update Deployment/frontend spec.replicas 1 2".
func happened(before, after map[string]unstructured.Unstructured) []string {
	old, young := looked(before), looked(after)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(old)) {
		now, there := young[name]
		if !there {
			out = append(out, "delete "+name)
			continue
		}
		for _, path := range differ(old[name], now) {
			c := shower{kind: text(before[name].Object["kind"])}.change(path, old[name], now)
			out = append(out, fmt.Sprintf("update %s %s %s > %s", name, path, c.From, c.To))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(young)) {
		if _, had := old[name]; !had {
			out = append(out, "create "+name)
		}
	}
	slices.Sort(out)
	return out
}

// versions gives the resource version of every object, records included.
func versions(objects map[string]unstructured.Unstructured) map[string]string {
	out := map[string]string{}
	for name, object := range objects {
		// Controllers write status on their own; the generation counts what
		// others write, where there is one.
		out[name] = object.GetResourceVersion()
		if g := object.GetGeneration(); g != 0 {
			out[name] = fmt.Sprint("generation ", g)
		}
	}
	return out
}

func (s *site) patch(t *testing.T, kind, name, patch string) {
	t.Helper()
	_, err := s.objects.Resource(kinds[kind]).Namespace(s.namespace).Patch(t.Context(), name, types.MergePatchType, []byte(patch), metav1.PatchOptions{FieldManager: "somebody"})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) revisions(t *testing.T) []string {
	t.Helper()
	operation, err := s.open()
	if err != nil {
		t.Fatal(err)
	}
	all, err := s.history(operation)
	if err != nil {
		t.Fatal(err)
	}
	return describeAll(all)
}
