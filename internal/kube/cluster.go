package kube

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Cluster reads the identity of the cluster: the UID of kube-system, which
// lives exactly as long as the cluster does.
func (c *Client) Cluster(ctx context.Context) engine.Observed[server.Cluster] {
	system, err := c.kube.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return engine.CouldNot[server.Cluster](fmt.Errorf("read namespace %s, whose UID identifies the cluster: %w", metav1.NamespaceSystem, err))
	}
	version := c.version.Swap(nil) // what was said a moment ago; a later look asks anew
	if version == nil {
		if version, err = discovery.ToServerVersionInterfaceWithContext(c.kube.Discovery()).ServerVersionWithContext(ctx); err != nil {
			return engine.CouldNot[server.Cluster](fmt.Errorf("read the version of the API server: %w", err))
		}
	}
	out := server.Cluster{UID: string(system.UID), Version: version.GitVersion}
	if c.config != nil {
		out.Server = c.config.Host
	}
	return engine.Found(out)
}
