package helm

import (
	"fmt"
	"io"
	"log"
	"sync"

	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/klog/v2"
)

// fieldManager is our name in managedFields, the same for every binary.
const fieldManager = "circleci-dr"

// Kubeconfig reads the connection to a cluster from a kubeconfig file and a
// context in it. An empty path means the usual places, and, inside a pod
// without any of them, the pod's own service account.
func Kubeconfig(path, kubeContext string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = path
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: kubeContext})
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read kubeconfig (context %q): %w", kubeContext, err)
	}
	return config, nil
}

// getter hands one connection to the SDK, whatever the files on this machine
// say, with discovery read once.
type getter struct {
	config    *rest.Config
	namespace string

	once   sync.Once
	cached discovery.CachedDiscoveryInterface
	err    error
}

var _ genericclioptions.RESTClientGetter = (*getter)(nil)

func newGetter(config *rest.Config, namespace string) *getter {
	own := rest.CopyConfig(config)
	// client-go's default of 5 requests a second makes a plan wait for itself.
	if own.QPS == 0 {
		own.QPS, own.Burst = 100, 200
	}
	own.WarningHandler = rest.NoWarnings{}
	return &getter{config: own, namespace: namespace}
}

// ToRESTConfig gives the connection.
func (g *getter) ToRESTConfig() (*rest.Config, error) { return rest.CopyConfig(g.config), nil }

// ToDiscoveryClient gives what kinds the server knows.
func (g *getter) ToDiscoveryClient() (discovery.CachedDiscoveryInterface, error) {
	g.once.Do(func() {
		client, err := discovery.NewDiscoveryClientForConfig(g.config)
		if err != nil {
			g.err = fmt.Errorf("ask the cluster for its kinds: %w", err)
			return
		}
		g.cached = memory.NewMemCacheClient(client)
	})
	return g.cached, g.err
}

// ToRESTMapper gives the way from a kind to its address.
func (g *getter) ToRESTMapper() (meta.RESTMapper, error) {
	client, err := g.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	return restmapper.NewDeferredDiscoveryRESTMapper(client), nil
}

// ToRawKubeConfigLoader exists for the namespace only.
func (g *getter) ToRawKubeConfigLoader() clientcmd.ClientConfig {
	overrides := &clientcmd.ConfigOverrides{Context: clientcmdapi.Context{Namespace: g.namespace}}
	return clientcmd.NewDefaultClientConfig(*clientcmdapi.NewConfig(), overrides)
}

var silenceOnce sync.Once

// silence keeps the libraries' own lines off our stderr. The SDK prints
// values with the standard logger (coalesce warnings, `fail` texts), and
// values hold passwords.
func silence() {
	silenceOnce.Do(func() {
		log.SetOutput(io.Discard)
		klog.LogToStderr(false)
		klog.SetOutput(io.Discard)
		kube.ManagedFieldsManager = fieldManager
	})
}
