package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// argoNamespace is where Argo CD lives unless somebody chose another place.
const argoNamespace = "argocd"

// reconcilers are the kinds by which tools reconcile a release. A cluster
// serves some of the versions, or none of them.
var reconcilers = map[string]struct {
	group, resource string
	versions        []string
	suspended       func(unstructured.Unstructured) (suspended bool, how string, err error)
}{
	"Application":   {"argoproj.io", "applications", []string{"v1alpha1"}, argoSuspended},
	"HelmRelease":   {"helm.toolkit.fluxcd.io", "helmreleases", []string{"v2", "v2beta2", "v2beta1"}, fluxSuspended},
	"Kustomization": {"kustomize.toolkit.fluxcd.io", "kustomizations", []string{"v1", "v1beta2"}, fluxSuspended},
}

// Reconciliation reads the object by which a tool reconciles the release.
func (c *Client) Reconciliation(ctx context.Context, rel server.Release) engine.Observed[server.Reconciliation] {
	m := rel.ManagerObject
	kind, ok := reconcilers[m.Kind]
	if !ok || m.Name == "" {
		return engine.CouldNot[server.Reconciliation](errors.New("the marks on the release's objects do not name the tool's own object"))
	}
	found, err := c.reconciler(ctx, m)
	if apierrors.IsNotFound(err) {
		return engine.NotThere[server.Reconciliation]()
	}
	if err != nil {
		return engine.CouldNot[server.Reconciliation](fmt.Errorf("read %s: %w", m, err))
	}
	m.Namespace = found.GetNamespace()
	suspended, how, err := kind.suspended(*found)
	if err != nil {
		return engine.CouldNot[server.Reconciliation](fmt.Errorf("read %s: %w", m, err))
	}
	return engine.Found(server.Reconciliation{Object: m.String(), Suspended: suspended, How: how})
}

// reconciler reads the object at the first version that the cluster serves. A
// version it does not serve is not found, as the object itself is.
func (c *Client) reconciler(ctx context.Context, m server.ManagerObject) (*unstructured.Unstructured, error) {
	objects, err := c.objects()
	if err != nil {
		return nil, err
	}
	kind := reconcilers[m.Kind]
	for _, version := range kind.versions {
		resource := objects.Resource(schema.GroupVersionResource{Group: kind.group, Version: version, Resource: kind.resource})
		var found *unstructured.Unstructured
		if m.Namespace == "" {
			found, err = anywhere(ctx, resource, m.Name)
		} else {
			found, err = resource.Namespace(m.Namespace).Get(ctx, m.Name, metav1.GetOptions{})
		}
		if !apierrors.IsNotFound(err) {
			return found, err
		}
	}
	return nil, err
}

// anywhere finds an object by its name alone. Who may not list all namespaces
// may still read the usual one.
func anywhere(ctx context.Context, resource dynamic.NamespaceableResourceInterface, name string) (*unstructured.Unstructured, error) {
	list, err := resource.List(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	switch {
	case apierrors.IsForbidden(err):
		return resource.Namespace(argoNamespace).Get(ctx, name, metav1.GetOptions{})
	case err != nil:
		return nil, err
	case len(list.Items) == 0:
		return nil, apierrors.NewNotFound(schema.GroupResource{}, name)
	case len(list.Items) > 1:
		var where []string
		for _, item := range list.Items {
			where = append(where, item.GetNamespace())
		}
		return nil, fmt.Errorf("there are several of that name, in %s", strings.Join(where, ", "))
	}
	return &list.Items[0], nil
}

// argoSuspended tells whether an Application is left alone: nothing syncs it by
// itself, or its controller skips it.
func argoSuspended(app unstructured.Unstructured) (bool, string, error) {
	const skip = "argocd.argoproj.io/skip-reconcile"
	if app.GetAnnotations()[skip] == "true" {
		return true, "annotation " + skip + " is true", nil
	}
	automated, found, err := unstructured.NestedFieldNoCopy(app.Object, "spec", "syncPolicy", "automated")
	if err != nil {
		return false, "", err
	}
	if !found || automated == nil {
		return true, "spec.syncPolicy.automated is absent", nil
	}
	if enabled, found, err := unstructured.NestedBool(app.Object, "spec", "syncPolicy", "automated", "enabled"); err != nil {
		return false, "", err
	} else if found && !enabled {
		return true, "spec.syncPolicy.automated.enabled is false", nil
	}
	return false, "spec.syncPolicy.automated is set", nil
}

func fluxSuspended(o unstructured.Unstructured) (bool, string, error) {
	suspended, _, err := unstructured.NestedBool(o.Object, "spec", "suspend")
	if suspended {
		return true, "spec.suspend is true", err
	}
	return false, "spec.suspend is not true", err
}

// objects is a client for kinds that only some clusters know.
func (c *Client) objects() (dynamic.Interface, error) {
	if c.foreign != nil {
		return c.foreign, nil
	}
	return dynamic.NewForConfig(c.config)
}
