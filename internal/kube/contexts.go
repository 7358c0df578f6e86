package kube

import (
	"fmt"
	"slices"

	"k8s.io/client-go/tools/clientcmd"
)

// Contexts are the contexts of a kubeconfig, sorted, each with the namespace it
// sets or "". An empty path means KUBECONFIG, then the usual place. It asks no
// cluster.
func Contexts(kubeconfig string) (names []string, namespaces map[string]string, err error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	raw, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).RawConfig()
	if err != nil {
		return nil, nil, fmt.Errorf("read kubeconfig: %w", err)
	}
	namespaces = map[string]string{}
	for name, c := range raw.Contexts {
		names = append(names, name)
		namespaces[name] = c.Namespace
	}
	slices.Sort(names)
	return names, namespaces, nil
}
