package helm

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/storage/driver"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func TestReleaseReadsTheRecord(t *testing.T) {
	b := newBench(t, fixture)
	b.install(t, map[string]any{
		"global": map[string]any{
			"imagePullSecrets": []any{"regcred", map[string]any{"name": "older"}},
			"nodeSelector":     map[string]any{"pool": "ci"},
			"tolerations":      []any{map[string]any{"key": "ci", "operator": "Exists"}},
		},
		"postgresql": map[string]any{"auth": map[string]any{"existingSecret": "pg"}, "postgresqlPort": 6432},
		"mongodb":    map[string]any{"internal": false, "hosts": "m1:27018, m2", "ssl": true, "auth": map[string]any{"username": "circleci", "existingSecret": "m"}},
	})
	got := b.Release(context.Background())
	want := engine.Found(server.Release{
		Name: "server", Namespace: "ci", Revision: 1, Status: "deployed", Description: "Install complete",
		Chart: "fixture", ChartVersion: "4.9.0", AppVersion: "4.9.0",
		ConfigDigest: "8e8e0e10", Domain: "ci.example.test",
		Postgres:         server.ReleaseStore{Internal: true, Host: "postgresql", Port: 6432, ExistingSecret: "pg", FullName: "postgresql"},
		Mongo:            server.ReleaseStore{Hosts: []string{"m1:27018", "m2:27017"}, Username: "circleci", ExistingSecret: "m", SecureMode: true, FullName: "mongodb"},
		Manager:          spec.ManagedByHelm,
		Evidence:         "no sign of Argo CD, Flux or Terraform on release server (objects looked at: 6); older Terraform providers leave none, so declare server.managedBy if one is used; live workloads could not be read: no cluster",
		ImagePullSecrets: []string{"regcred", "older"},
		NodeSelector:     map[string]string{"pool": "ci"},
		Tolerations:      []spec.Toleration{{Key: "ci", Operator: "Exists"}},
	})
	if len(got.Value.ConfigDigest) == 64 {
		got.Value.ConfigDigest = got.Value.ConfigDigest[:8]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReleaseTellsAbsentFromUnknown(t *testing.T) {
	b := newBench(t, fixture)
	if got := b.Release(context.Background()); !got.IsNot() {
		t.Errorf("no record: got %+v, want absent", got)
	}
	b.store = unreadable{driver.NewMemory()}
	want := engine.CouldNot[server.Release](errForbidden)
	want.Why = "read helm release server in namespace ci: " + errForbidden.Error()
	if diff := cmp.Diff(want, b.Release(context.Background())); diff != "" {
		t.Error(diff)
	}
}

func TestReleaseRefusesValuesItCannotRead(t *testing.T) {
	for name, block := range map[string]map[string]any{
		"postgresql.internal is not true or false":          {"internal": "yes"},
		`postgresql.postgresqlPort is "many", not a number`: {"postgresqlPort": "many"},
		"postgresql.secureMode is not true or false":        {"secureMode": 1.0},
	} {
		said, err := declared(map[string]any{"postgresql": block})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.StoreOf(mover.PostgreSQL, said); err == nil || err.Error() != name {
			t.Errorf("got %v, want %s", err, name)
		}
	}
}

func TestManagerIsFoundByItsTraces(t *testing.T) {
	at := metav1.Now()
	applied := func(name string) []metav1.ManagedFieldsEntry {
		return []metav1.ManagedFieldsEntry{{Manager: name, Time: &at}, {Manager: fieldManager, Time: &at}}
	}
	for _, test := range []struct {
		object   labelled
		want     spec.ManagedBy
		evidence string
		tool     server.ManagerObject
	}{
		{labelled{ref: "Deployment/a", annotations: map[string]string{"argocd.argoproj.io/tracking-id": "ci:x"}}, spec.ManagedByArgoCD, "Deployment/a has annotation argocd.argoproj.io/tracking-id=ci:x", server.ManagerObject{Kind: "Application", Name: "ci"}},
		{labelled{ref: "Deployment/a", annotations: map[string]string{"argocd.argoproj.io/tracking-id": "team_ci:apps/Deployment:ns/a"}}, spec.ManagedByArgoCD, "Deployment/a has annotation argocd.argoproj.io/tracking-id=team_ci:apps/Deployment:ns/a", server.ManagerObject{Kind: "Application", Namespace: "team", Name: "ci"}},
		{labelled{ref: "Deployment/a", labels: map[string]string{"argocd.argoproj.io/instance": "ci"}}, spec.ManagedByArgoCD, "Deployment/a has label argocd.argoproj.io/instance=ci", server.ManagerObject{Kind: "Application", Name: "ci"}},
		{labelled{ref: "Deployment/a", labels: map[string]string{"app.kubernetes.io/instance": "ci"}, managers: applied("argocd-controller")}, spec.ManagedByArgoCD, "Deployment/a has field manager argocd-controller (label app.kubernetes.io/instance=ci)", server.ManagerObject{Kind: "Application", Name: "ci"}},
		{labelled{ref: "Deployment/a", labels: map[string]string{"helm.toolkit.fluxcd.io/name": "ci", "helm.toolkit.fluxcd.io/namespace": "flux"}}, spec.ManagedByFlux, "Deployment/a has labels helm.toolkit.fluxcd.io/name=ci and namespace=flux", server.ManagerObject{Kind: "HelmRelease", Namespace: "flux", Name: "ci"}},
		{labelled{ref: "Deployment/a", managers: applied("terraform-provider-helm_v2.17.0_x5")}, spec.ManagedByTerraform, "Deployment/a was last applied by field manager terraform-provider-helm_v2.17.0_x5", server.ManagerObject{}},
		{labelled{ref: "Deployment/a", labels: map[string]string{"app.kubernetes.io/instance": "ci"}, managers: applied("helm")}, spec.ManagedByHelm, "no sign of Argo CD, Flux or Terraform on release server (objects looked at: 1); older Terraform providers leave none, so declare server.managedBy if one is used", server.ManagerObject{}},
	} {
		by, evidence, tool := judge("server", []labelled{test.object})
		if by != test.want || evidence != test.evidence || tool != test.tool {
			t.Errorf("got %s %q %+v, want %s %q %+v", by, evidence, tool, test.want, test.evidence, test.tool)
		}
	}
}

func TestTrustIsWhatTheValuesSay(t *testing.T) {
	got := trust(map[string]any{"tls": map[string]any{"certificates": []any{"QQ==", "", 7, "Qg=="}, "import": []any{"m:27017"}}})
	if diff := cmp.Diff(server.Trust{Certificates: []string{"QQ==", "Qg=="}, Imports: []string{"m:27017"}, Other: true}, got); diff != "" {
		t.Error(diff)
	}
	if got := trust(map[string]any{"tls": "off"}); got.Certificates != nil || got.Imports != nil || !got.Other {
		t.Errorf("got %+v", got)
	}
}
