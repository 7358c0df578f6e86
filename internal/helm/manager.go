package helm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/metadata"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// labelled is an object's name and what says who owns it.
type labelled struct {
	ref                 string
	labels, annotations map[string]string
	managers            []metav1.ManagedFieldsEntry
}

// manager finds who reconciles the release: first in its own manifest (Flux
// puts its labels there), then on live Deployments and StatefulSets.
func manager(ctx context.Context, cfg *action.Configuration, namespace string, rel *release.Release) (spec.ManagedBy, string, server.ManagerObject, error) {
	docs, err := parse(rel.Manifest)
	if err != nil {
		return "", "", server.ManagerObject{}, err
	}
	var objects []labelled
	for _, d := range docs {
		objects = append(objects, labelled{ref: d.ref() + " in the manifest", labels: texts(server.ValueAt(d.object, "metadata", "labels")), annotations: texts(server.ValueAt(d.object, "metadata", "annotations"))})
	}
	live, unread := workloads(ctx, cfg, namespace, rel.Name)
	by, evidence, object := judge(rel.Name, append(objects, live...))
	if unread != nil {
		evidence += "; live workloads could not be read: " + unread.Error()
	}
	return by, evidence, object, nil
}

// judge names the first sure sign. Terraform's provider leaves no label; what
// betrays it is its name as field manager of the objects it applied last.
func judge(releaseName string, objects []labelled) (spec.ManagedBy, string, server.ManagerObject) {
	for _, o := range objects {
		if id, found := o.annotations["argocd.argoproj.io/tracking-id"]; found {
			return spec.ManagedByArgoCD, fmt.Sprintf("%s has annotation argocd.argoproj.io/tracking-id=%s", o.ref, id), application(id)
		}
		if app, found := o.labels["argocd.argoproj.io/instance"]; found {
			return spec.ManagedByArgoCD, fmt.Sprintf("%s has label argocd.argoproj.io/instance=%s", o.ref, app), application(app)
		}
		for _, m := range o.managers {
			if strings.HasPrefix(m.Manager, "argocd") {
				return spec.ManagedByArgoCD, fmt.Sprintf("%s has field manager %s (label app.kubernetes.io/instance=%s)", o.ref, m.Manager, o.labels["app.kubernetes.io/instance"]), application(o.labels["app.kubernetes.io/instance"])
			}
		}
		for _, flux := range []struct{ kind, prefix string }{{"HelmRelease", "helm.toolkit.fluxcd.io"}, {"Kustomization", "kustomize.toolkit.fluxcd.io"}} {
			if name, found := o.labels[flux.prefix+"/name"]; found {
				namespace := o.labels[flux.prefix+"/namespace"]
				return spec.ManagedByFlux, fmt.Sprintf("%s has labels %s/name=%s and namespace=%s", o.ref, flux.prefix, name, namespace),
					server.ManagerObject{Kind: flux.kind, Namespace: namespace, Name: name}
			}
		}
	}
	for _, o := range objects {
		if m := lastHelm(o.managers); strings.HasPrefix(m, "terraform-provider-helm") {
			return spec.ManagedByTerraform, fmt.Sprintf("%s was last applied by field manager %s", o.ref, m), server.ManagerObject{}
		}
	}
	return spec.ManagedByHelm, fmt.Sprintf("no sign of Argo CD, Flux or Terraform on release %s (objects looked at: %d); older Terraform providers leave none, so declare server.managedBy if one is used", releaseName, len(objects)), server.ManagerObject{}
}

// application is the Argo CD Application that a mark names: NAME, or
// NAMESPACE_NAME outside Argo CD's own namespace, with a tracking id's
// :group/Kind:namespace/name behind it.
func application(mark string) server.ManagerObject {
	name, _, _ := strings.Cut(mark, ":")
	out := server.ManagerObject{Kind: "Application", Name: name}
	if namespace, name, apart := strings.Cut(name, "_"); apart {
		out.Namespace, out.Name = namespace, name
	}
	return out
}

// lastHelm gives the Helm client that applied an object last, other than us.
func lastHelm(entries []metav1.ManagedFieldsEntry) string {
	var name string
	var when time.Time
	for _, e := range entries {
		isHelm := e.Manager == "helm" || strings.HasPrefix(e.Manager, "terraform-provider-helm")
		if isHelm && e.Time != nil && !e.Time.Time.Before(when) {
			name, when = e.Manager, e.Time.Time
		}
	}
	return name
}

// workloads reads the metadata of the release's workloads.
func workloads(ctx context.Context, cfg *action.Configuration, namespace, releaseName string) ([]labelled, error) {
	if cfg.RESTClientGetter == nil {
		return nil, errors.New("no cluster")
	}
	config, err := cfg.RESTClientGetter.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	client, err := metadata.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	var out []labelled
	for _, kind := range []string{"Deployment", "StatefulSet"} {
		resource := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: strings.ToLower(kind) + "s"}
		list, err := client.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return out, err
		}
		for _, item := range list.Items {
			// Another release's workloads in the same namespace say nothing.
			if owner := item.Annotations["meta.helm.sh/release-name"]; owner != releaseName {
				continue
			}
			out = append(out, labelled{ref: kind + "/" + item.Name, labels: item.Labels, annotations: item.Annotations, managers: item.ManagedFields})
		}
	}
	return out, nil
}

func texts(v any) map[string]string {
	table, _ := v.(map[string]any)
	out := make(map[string]string, len(table))
	for name, v := range table {
		out[name] = show(v)
	}
	return out
}
