package cluster

import (
	"context"

	"github.com/circleci-dr/circleci-dr/internal/testbed/kubeapi"
	"github.com/circleci-dr/circleci-dr/internal/testbed/provision"
)

// StorageClass is the default storage class.
const StorageClass = "standard"

// objects are what a fresh cluster lacks to be of use, by their path.
var objects = []struct{ path, yaml string }{
	{"/apis/rbac.authorization.k8s.io/v1/clusterroles/testbed:coredns", `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "testbed:coredns"}
rules:
- {apiGroups: [""], resources: [endpoints, services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
`},
	{"/apis/rbac.authorization.k8s.io/v1/clusterroles/testbed:provisioner", `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: "testbed:provisioner"}
rules:
- {apiGroups: [""], resources: [persistentvolumeclaims], verbs: [list, watch]}
- {apiGroups: [""], resources: [persistentvolumes], verbs: [list, watch, create, delete]}
- {apiGroups: [storage.k8s.io], resources: [storageclasses], verbs: [list, watch]}
`},
	{"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/testbed:coredns", binding("testbed:coredns")},
	{"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/testbed:provisioner", binding("testbed:provisioner")},
	{"/apis/storage.k8s.io/v1/storageclasses/" + StorageClass, `
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: ` + StorageClass + `
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: ` + provision.Name + `
reclaimPolicy: Delete
volumeBindingMode: Immediate
`},
}

// binding gives the user name the role of the same name.
func binding(name string) string {
	return `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: "` + name + `"}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: "` + name + `"}
subjects: [{kind: User, name: "` + name + `", apiGroup: rbac.authorization.k8s.io}]
`
}

// API is a client with the rights of the named certificate.
func API(certificate string) (*kubeapi.Client, error) {
	return kubeapi.New(APIServer, kubeapi.Credentials{
		CA: pkiFile("ca.crt"), Cert: pkiFile(certificate + ".crt"), Key: pkiFile(certificate + ".key"),
	})
}

func bootstrap(ctx context.Context, api *kubeapi.Client) error {
	for _, o := range objects {
		if err := api.Apply(ctx, o.path, []byte(o.yaml)); err != nil {
			return err
		}
	}
	return nil
}

// Provision runs the volume provisioner until ctx is done.
func Provision(ctx context.Context) error {
	api, err := API("provisioner")
	if err != nil {
		return err
	}
	(&provision.Provisioner{API: api, Dir: volumes(), Node: NodeName}).Run(ctx)
	return nil
}

func volumes() string { return path("volumes") }
