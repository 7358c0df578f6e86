//go:build testbed

package e2e

import (
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/cli"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// helmUpgrade is what a colleague does by hand: helm upgrade --reuse-values
// with a few values more.
func helmUpgrade(t *testing.T, s *site, values map[string]any) {
	t.Helper()
	config := s.history()
	chart, err := loader.Load(s.chart)
	if err != nil {
		t.Fatal(err)
	}
	upgrade := action.NewUpgrade(config)
	upgrade.Namespace, upgrade.ResetThenReuseValues, upgrade.Timeout = s.ns, true, time.Minute
	if _, err := upgrade.RunWithContext(t.Context(), "circleci-server", chart, values); err != nil {
		t.Fatal(err)
	}
}

// history is Helm's records of the site's releases.
func (s *site) history() *action.Configuration {
	s.t.Helper()
	settings := cli.New()
	settings.KubeConfig = env(s.t, "KUBECONFIG")
	settings.SetNamespace(s.ns)
	config := new(action.Configuration)
	if err := config.Init(settings.RESTClientGetter(), s.ns, "secret", func(string, ...any) {}); err != nil {
		s.t.Fatal(err)
	}
	return config
}

func secretObject(name, key, value string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{key: value}}
}

// holdLease takes the lease as somebody else would, and keeps renewing it
// until the test ends or the lease is removed.
func (s *site) holdLease() {
	s.t.Helper()
	leases := s.kube.CoordinationV1().Leases(s.ns)
	holder, seconds, now := "somebody@elsewhere/1", int32(15), metav1.NowMicro()
	lease, err := leases.Create(s.t.Context(), &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Name: "circleci-dr", Annotations: map[string]string{"circleci-dr/purpose": "apply"}},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, AcquireTime: &now, RenewTime: &now},
	}, metav1.CreateOptions{})
	if err != nil {
		lease, err = leases.Get(s.t.Context(), "circleci-dr", metav1.GetOptions{})
		if err == nil {
			lease.Spec.HolderIdentity, lease.Spec.RenewTime, lease.Spec.AcquireTime = &holder, &now, &now
			lease, err = leases.Update(s.t.Context(), lease, metav1.UpdateOptions{})
		}
	}
	if err != nil {
		s.t.Fatal(err)
	}
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for range tick.C {
			renewed := metav1.NowMicro()
			lease.Spec.RenewTime = &renewed
			next, err := leases.Update(s.t.Context(), lease, metav1.UpdateOptions{})
			if err != nil {
				return // removed, or the test is over
			}
			lease = next
		}
	}()
}
