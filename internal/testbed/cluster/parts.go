package cluster

import "github.com/circleci-dr/circleci-dr/internal/testbed/proc"

// The names of the cluster's parts, in the order they are shown.
const (
	partEtcd        = "etcd"
	partContainerd  = "containerd"
	partAPIServer   = "kube-apiserver"
	partControllers = "kube-controller-manager"
	partScheduler   = "kube-scheduler"
	partKubelet     = "kubelet"
	partProxy       = "kube-proxy"
	partDNS         = "coredns"
	partProvisioner = "provisioner"
)

// PartNames are the cluster's parts in the order they are shown.
var PartNames = []string{
	partEtcd, partContainerd, partAPIServer, partControllers, partScheduler, partKubelet, partProxy, partDNS, partProvisioner,
}

const (
	etcdClient = "http://127.0.0.1:12379"
	etcdPeer   = "http://127.0.0.1:12380"
)

func pkiFile(name string) string { return path("pki", name) }

func kubeconfig(name string) string { return path(name + ".kubeconfig") }

// ground are the parts everything else stands on.
func (c *Cluster) ground() []proc.Spec {
	return []proc.Spec{
		{Name: partEtcd, Args: []string{"etcd", "--name=testbed", "--data-dir=" + path("etcd/data"),
			"--listen-client-urls=" + etcdClient, "--advertise-client-urls=" + etcdClient,
			"--listen-peer-urls=" + etcdPeer, "--initial-advertise-peer-urls=" + etcdPeer,
			"--initial-cluster=testbed=" + etcdPeer, "--logger=zap", "--log-level=warn"}},
		{Name: partContainerd, Args: []string{"containerd", "-c", path("containerd.toml")},
			Inputs: []string{c.config["containerd.toml"], c.config["cni.json"]}},
		{Name: partAPIServer, Args: []string{c.Kube, "kube-apiserver", "--etcd-servers=" + etcdClient,
			"--bind-address=" + NodeIP, "--advertise-address=" + NodeIP, "--secure-port=16443",
			"--service-cluster-ip-range=" + serviceCIDR, "--allow-privileged=true",
			"--authorization-mode=Node,RBAC", "--anonymous-auth=true",
			"--enable-admission-plugins=NodeRestriction", "--profiling=false", "--event-ttl=1h",
			"--client-ca-file=" + pkiFile("ca.crt"),
			"--tls-cert-file=" + pkiFile("apiserver.crt"), "--tls-private-key-file=" + pkiFile("apiserver.key"),
			"--kubelet-certificate-authority=" + pkiFile("ca.crt"),
			"--kubelet-client-certificate=" + pkiFile("apiserver-kubelet.crt"),
			"--kubelet-client-key=" + pkiFile("apiserver-kubelet.key"),
			"--kubelet-preferred-address-types=InternalIP",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + pkiFile("accounts.crt"),
			"--service-account-signing-key-file=" + pkiFile("accounts.key")}},
	}
}

// rest are the parts that need a ready API server.
func (c *Cluster) rest() []proc.Spec {
	return []proc.Spec{
		{Name: partControllers, Args: []string{c.Kube, "kube-controller-manager",
			"--kubeconfig=" + kubeconfig("controllers"), "--authentication-kubeconfig=" + kubeconfig("controllers"),
			"--authorization-kubeconfig=" + kubeconfig("controllers"),
			"--bind-address=127.0.0.1", "--leader-elect=false", "--use-service-account-credentials=true",
			"--root-ca-file=" + pkiFile("ca.crt"), "--service-account-private-key-file=" + pkiFile("accounts.key"),
			"--cluster-signing-cert-file=" + pkiFile("ca.crt"), "--cluster-signing-key-file=" + pkiFile("ca.key"),
			// Elsewhere it would make a directory of its own.
			"--flex-volume-plugin-dir=" + path("flex"), "--allocate-node-cidrs=false",
			// The defaults hold back the first namespaces and accounts for 5 s.
			"--kube-api-qps=300", "--kube-api-burst=600",
			// There are no metrics; minReplicas is enforced, and soon.
			"--horizontal-pod-autoscaler-sync-period=2s", "--profiling=false"}},
		{Name: partScheduler, Args: []string{c.Kube, "kube-scheduler",
			"--kubeconfig=" + kubeconfig("scheduler"), "--authentication-kubeconfig=" + kubeconfig("scheduler"),
			"--authorization-kubeconfig=" + kubeconfig("scheduler"),
			"--bind-address=127.0.0.1", "--leader-elect=false", "--profiling=false"}},
		{Name: partKubelet, Args: []string{c.Kube, "kubelet", "--config=" + path("kubelet.yaml"),
			"--kubeconfig=" + kubeconfig("kubelet"), "--root-dir=" + path("kubelet"), "--cert-dir=" + path("kubelet-pki"),
			"--hostname-override=" + NodeName, "--node-ip=" + NodeIP, "--v=1"},
			Inputs: []string{c.config["kubelet.yaml"]}},
		{Name: partProxy, Args: []string{c.Kube, "kube-proxy", "--config=" + path("proxy.yaml")},
			Inputs: []string{c.config["proxy.yaml"]}},
		{Name: partDNS, Args: []string{c.CoreDNS, "-conf", path("Corefile")},
			Inputs: []string{c.config["Corefile"]}},
		{Name: partProvisioner, Args: []string{c.Provisioner}},
	}
}
