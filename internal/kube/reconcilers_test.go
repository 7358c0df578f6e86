package kube

import (
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes"
	clienttesting "k8s.io/client-go/testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func foreign(version, kind, namespace, name string, spec, annotations map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": version, "kind": kind, "spec": spec,
		"metadata": map[string]any{"namespace": namespace, "name": name, "annotations": annotations},
	}}
}

func TestReconciliationOfTheToolsOwnObject(t *testing.T) {
	argo := server.ManagerObject{Kind: "Application", Name: "ci"}
	flux := server.ManagerObject{Kind: "HelmRelease", Namespace: "flux-system", Name: "ci"}
	sync := func(automated any) map[string]any {
		return map[string]any{"syncPolicy": map[string]any{"automated": automated}}
	}
	app := func(spec, annotations map[string]any) *unstructured.Unstructured {
		return foreign("argoproj.io/v1alpha1", "Application", "argocd", "ci", spec, annotations)
	}
	release := func(version string, spec map[string]any) *unstructured.Unstructured {
		return foreign("helm.toolkit.fluxcd.io/"+version, "HelmRelease", "flux-system", "ci", spec, nil)
	}
	found := func(object string, suspended bool, how string) engine.Observed[server.Reconciliation] {
		return engine.Found(server.Reconciliation{Object: object, Suspended: suspended, How: how})
	}
	inArgo, inFlux := "Application argocd/ci", "HelmRelease flux-system/ci"
	for _, tc := range []struct {
		name   string
		tool   server.ManagerObject
		object *unstructured.Unstructured
		want   engine.Observed[server.Reconciliation]
	}{
		{"no automated sync", argo, app(map[string]any{"syncPolicy": map[string]any{}}, nil), found(inArgo, true, "spec.syncPolicy.automated is absent")},
		{"no sync policy", argo, app(nil, nil), found(inArgo, true, "spec.syncPolicy.automated is absent")},
		{"automated, all defaults", argo, app(sync(map[string]any{}), nil), found(inArgo, false, "spec.syncPolicy.automated is set")},
		{"automated, off", argo, app(sync(map[string]any{"enabled": false}), nil), found(inArgo, true, "spec.syncPolicy.automated.enabled is false")},
		{"automated, skipped", argo, app(sync(map[string]any{}), map[string]any{"argocd.argoproj.io/skip-reconcile": "true"}), found(inArgo, true, "annotation argocd.argoproj.io/skip-reconcile is true")},
		{"Flux, suspended", flux, release("v2", map[string]any{"suspend": true}), found(inFlux, true, "spec.suspend is true")},
		{"Flux, active", flux, release("v2", map[string]any{"suspend": false}), found(inFlux, false, "spec.suspend is not true")},
		{"Flux, silent", flux, release("v2", nil), found(inFlux, false, "spec.suspend is not true")},
		{"an older Flux", flux, release("v2beta1", map[string]any{"suspend": true}), found(inFlux, true, "spec.suspend is true")},
		{"another name", flux, foreign("helm.toolkit.fluxcd.io/v2", "HelmRelease", "flux-system", "other", nil, nil), engine.NotThere[server.Reconciliation]()},
		{"no name known", server.ManagerObject{}, nil, engine.CouldNot[server.Reconciliation](errors.New("the marks on the release's objects do not name the tool's own object"))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var objects []runtime.Object
			if tc.object != nil {
				objects = append(objects, tc.object)
			}
			c := newClient(Options{Namespace: "ci"}, kubernetes.Interface(nil))
			c.foreign = fakeForeign(objects...)
			if got := c.Reconciliation(t.Context(), server.Release{ManagerObject: tc.tool}); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func fakeForeign(objects ...runtime.Object) *fake.FakeDynamicClient {
	return fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(),
		map[schema.GroupVersionResource]string{{Group: "argoproj.io", Version: "v1alpha1", Resource: "applications"}: "ApplicationList"}, objects...)
}

// Who may not list every namespace reads the usual one, and who may not do
// that either has found out nothing.
func TestReconciliationThatIsForbidden(t *testing.T) {
	c := newClient(Options{Namespace: "ci"}, kubernetes.Interface(nil))
	client := fakeForeign(foreign("argoproj.io/v1alpha1", "Application", "argocd", "ci", nil, nil))
	c.foreign = client
	forbidden := func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Group: "argoproj.io", Resource: "applications"}, "ci", errors.New("no"))
	}
	client.PrependReactor("list", "*", forbidden)
	rel := server.Release{ManagerObject: server.ManagerObject{Kind: "Application", Name: "ci"}}
	if got := c.Reconciliation(t.Context(), rel); !got.Is() || !got.Value.Suspended {
		t.Errorf("with get in argocd: %+v", got)
	}
	client.PrependReactor("get", "*", forbidden)
	if got := c.Reconciliation(t.Context(), rel); !got.Unread() || got.Why != `read Application ci: applications.argoproj.io "ci" is forbidden: no` {
		t.Errorf("with nothing: %+v", got)
	}
}
