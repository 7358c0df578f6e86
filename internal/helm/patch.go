package helm

import (
	"encoding/json"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch"
	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"k8s.io/cli-runtime/pkg/resource"
)

// managedByHelm selects what Helm marked, and so leaves its own records, which
// are the largest Secrets of the namespace, out of a list.
const managedByHelm = "app.kubernetes.io/managed-by=Helm"

func liveKey(info *resource.Info) string {
	return info.Mapping.Resource.GroupResource().String() + "/" + info.Namespace + "/" + info.Name
}

// readLive reads the objects as they are, one list for each kind, so that a
// preview of forty workloads is not forty questions. Where listing is not
// allowed, or an object has lost Helm's label, it is read by its name.
func readLive(infos kube.ResourceList) (map[string]*unstructured.Unstructured, error) {
	kinds := map[string][]*resource.Info{}
	for _, info := range infos {
		kind := info.Mapping.Resource.String() + "/" + info.Namespace
		kinds[kind] = append(kinds[kind], info)
	}
	live := map[string]*unstructured.Unstructured{}
	for _, group := range kinds {
		if len(group) > 2 {
			if err := listLive(group, live); err != nil {
				return nil, err
			}
		}
		for _, info := range group {
			if live[liveKey(info)] != nil {
				continue
			}
			object, err := resource.NewHelper(info.Client, info.Mapping).Get(info.Namespace, info.Name)
			if apierrors.IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read live %s: %w", ref(info), err)
			}
			if live[liveKey(info)], err = asUnstructured(object); err != nil {
				return nil, fmt.Errorf("read live %s: %w", ref(info), err)
			}
		}
	}
	return live, nil
}

func listLive(group []*resource.Info, live map[string]*unstructured.Unstructured) error {
	first := group[0]
	object, err := resource.NewHelper(first.Client, first.Mapping).
		List(first.Namespace, first.Mapping.GroupVersionKind.GroupVersion().String(), &metav1.ListOptions{LabelSelector: managedByHelm})
	if apierrors.IsForbidden(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list live %s: %w", first.Mapping.Resource.Resource, err)
	}
	list, ok := object.(*unstructured.UnstructuredList)
	if !ok {
		return fmt.Errorf("list live %s: got a %T", first.Mapping.Resource.Resource, object)
	}
	wanted := map[string]string{}
	for _, info := range group {
		wanted[info.Name] = liveKey(info)
	}
	for i := range list.Items {
		if key, isOne := wanted[list.Items[i].GetName()]; isOne {
			live[key] = &list.Items[i]
		}
	}
	return nil
}

func asUnstructured(object runtime.Object) (*unstructured.Unstructured, error) {
	u, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("got a %T", object)
	}
	return u, nil
}

// strict makes a helper whose dry runs refuse unknown and doubled fields, as
// Helm's own validation does.
func strict(info *resource.Info) *resource.Helper {
	return resource.NewHelper(info.Client, info.Mapping).WithFieldManager(fieldManager).
		WithFieldValidation(metav1.FieldValidationStrict).DryRun(true)
}

// dryCreate asks the server whether it would take a new object.
func dryCreate(info *resource.Info, object *unstructured.Unstructured) error {
	if _, err := strict(info).Create(info.Namespace, false, object.DeepCopy()); err != nil {
		return fmt.Errorf("the cluster would not accept a new %s: %w", ref(info), err)
	}
	return nil
}

// dryRun sends the patch that Helm would send for an object and gives what
// the server would make of it; nil when Helm would send nothing.
func dryRun(info *resource.Info, original map[string]any, live *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	patch, kind, err := makePatch(info, original, live)
	if err != nil {
		return nil, fmt.Errorf("make the patch of %s: %w", ref(info), err)
	}
	if len(patch) == 0 || string(patch) == "{}" {
		return nil, nil
	}
	object, err := strict(info).Patch(info.Namespace, info.Name, kind, patch, nil)
	if err != nil {
		return nil, fmt.Errorf("the cluster would not accept the change of %s: %w", ref(info), err)
	}
	return asUnstructured(object)
}

// makePatch is Helm's rule: a three-way merge by strategy for kinds Kubernetes
// itself knows, and for all others what changed between the manifests.
func makePatch(info *resource.Info, original map[string]any, live *unstructured.Unstructured) ([]byte, types.PatchType, error) {
	var sides [3][]byte
	for i, object := range []any{original, info.Object, live} {
		data, err := json.Marshal(object)
		if err != nil {
			return nil, "", err
		}
		sides[i] = data
	}
	typed := kube.AsVersioned(info)
	if _, isCustom := typed.(runtime.Unstructured); isCustom {
		patch, err := jsonpatch.CreateMergePatch(sides[0], sides[1])
		return patch, types.MergePatchType, err
	}
	meta, err := strategicpatch.NewPatchMetaFromStruct(typed)
	if err != nil {
		return nil, "", err
	}
	patch, err := strategicpatch.CreateThreeWayMergePatch(sides[0], sides[1], sides[2], meta, true)
	return patch, types.StrategicMergePatchType, err
}
