// Package cluster runs a one-node Kubernetes out of host processes: etcd,
// containerd, the control plane, the kubelet, DNS and a volume provisioner. It
// knows their flags, files and order, and how to remove every trace of them.
// It must not know what is installed into the cluster.
package cluster

import (
	"os"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/testbed/proc"
)

// RunDir is where everything that lives as long as the cluster is. It is fixed
// because a machine has room for one cluster: addresses, control groups and
// nftables tables are the machine's, not a checkout's.
const RunDir = "/run/circleci-dr-testbed"

// The addresses of the cluster. They are from the range for benchmarks of
// network devices, which no real network routes.
const (
	NodeIP    = "198.18.0.1"
	NodeName  = "testbed"
	Bridge    = "testbed0"
	APIServer = "https://" + NodeIP + ":16443"

	podCIDR      = "198.18.0.0/16"
	serviceCIDR  = "198.19.0.0/16"
	apiServiceIP = "198.19.0.1"
	domain       = "cluster.local"
)

// Context is the name of the context in the kubeconfig.
const Context = "testbed"

// Paths inside RunDir.
func path(elem ...string) string { return filepath.Join(append([]string{RunDir}, elem...)...) }

// Variable names the environment variable that makes the tests use an existing
// cluster: the path of its kubeconfig.
const Variable = "TESTBED_KUBECONFIG"

// Existing is the kubeconfig of the cluster to use instead of the testbed's
// own, "" when there is none.
func Existing() string { return os.Getenv(Variable) }

// OwnKubeconfig is the administrator's kubeconfig of the testbed's own cluster.
func OwnKubeconfig() string { return path("admin.kubeconfig") }

// Kubeconfig is that of the cluster to use.
func Kubeconfig() string {
	if existing := Existing(); existing != "" {
		return existing
	}
	return OwnKubeconfig()
}

// Parts are the processes of the testbed, those of other packages too.
func Parts() proc.Table { return proc.Table{Dir: path("pids"), LogDir: path("log"), Mark: RunDir} }

func containerdSocket() string { return path("containerd", "containerd.sock") }
