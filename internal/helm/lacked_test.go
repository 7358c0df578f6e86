package helm

import (
	"slices"
	"testing"

	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"
)

// What the new manifest lacks is kept when the upgrade says so, or when an earlier
// run has marked it; the rest Helm deletes, where it is there.
func TestPreviewTellsKeptFromDeleted(t *testing.T) {
	t.Parallel()
	info := func(kind, plural, name string) *resource.Info {
		gvk := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: kind}
		return &resource.Info{Namespace: "ci", Name: name, Mapping: &meta.RESTMapping{GroupVersionKind: gvk, Resource: gvk.GroupVersion().WithResource(plural)}}
	}
	set, service, secret, gone := info("StatefulSet", "statefulsets", "db"), info("Service", "services", "db"), info("Secret", "secrets", "db"), info("ConfigMap", "configmaps", "gone")
	stays := info("Deployment", "deployments", "api")
	marked := &unstructured.Unstructured{}
	marked.SetAnnotations(map[string]string{kube.ResourcePolicyAnno: kube.KeepPolicy})
	s := &sides{
		old: kube.ResourceList{set, service, secret, gone, stays}, young: kube.ResourceList{stays},
		live: map[string]*unstructured.Unstructured{liveKey(set): {}, liveKey(service): marked, liveKey(secret): {}, liveKey(stays): {}},
	}
	var got []string
	for _, o := range s.lacked([]string{"StatefulSet/db"}) {
		got = append(got, o.Action+" "+o.Ref())
	}
	slices.Sort(got)
	if want := []string{"delete Secret/db", "keep Service/db", "keep StatefulSet/db"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
