//go:build testbed

package helm

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// predicted writes a preview the way happened writes what did.
func predicted(p server.Preview) []string {
	var out []string
	for _, o := range p.Objects {
		name := o.Kind + "/" + o.Name
		if o.Action != "update" {
			out = append(out, o.Action+" "+name)
			continue
		}
		changes := slices.Clone(o.Drifted)
		for _, c := range o.Rendered {
			changes = append(changes, c.Change)
		}
		for _, c := range changes {
			out = append(out, fmt.Sprintf("update %s %s %s > %s", name, c.Field, c.From, c.To))
		}
	}
	slices.Sort(out)
	return out
}

// setting is a changed field that is a setting, and an address of engines.
func setting(field, from, to string, engines ...mover.Engine) server.RenderedChange {
	return server.RenderedChange{
		Change: engine.Change{Field: field, From: from, To: to}, Verdict: server.Verdict{Setting: true, Address: engines},
	}
}

func asRendered(changes []engine.Change) []server.RenderedChange {
	var out []server.RenderedChange
	for _, c := range changes {
		out = append(out, server.RenderedChange{Change: c})
	}
	return out
}

func TestPreviewChangesNothingAndPredictsTheUpgrade(t *testing.T) {
	s := newSite(t, nil)
	s.patch(t, "Deployment", "frontend", `{"spec":{"replicas":7}}`)
	s.patch(t, "ConfigMap", "settings", `{"data":{"more":"by hand"}}`)
	before := s.look(t)
	got := s.Preview(t.Context(), switchOver(false))
	if diff := cmp.Diff(versions(before), versions(s.look(t))); diff != "" {
		t.Fatalf("the preview changed something: %s", diff)
	}
	const app, sub = "fixture/templates/", "fixture/charts/postgresql/templates/all.yaml"
	want := engine.Found(server.Preview{
		Chart: "fixture", ChartVersion: "4.9.0", ChartDigest: chartDigest(loadChart(t, fixture)), Faithful: true,
		Objects: []server.ObjectPreview{
			{Kind: "ConfigMap", Name: "settings", Action: "update", Template: app + "settings.yaml",
				Rendered: []server.RenderedChange{setting("data.host", "postgresql", "pg.example.test", mover.PostgreSQL)}},
			{Kind: "ConfigMap", Name: "external", Action: "create", Template: app + "settings.yaml", Rendered: asRendered([]engine.Change{
				{Field: "apiVersion", To: "v1"}, {Field: "data.port", To: "5432"}, {Field: "kind", To: "ConfigMap"},
				{Field: `metadata.annotations["meta.helm.sh/release-name"]`, To: "server"},
				{Field: `metadata.annotations["meta.helm.sh/release-namespace"]`, To: s.namespace},
				{Field: `metadata.labels["app.kubernetes.io/managed-by"]`, To: "Helm"},
				{Field: "metadata.name", To: "external"},
			})},
			{Kind: "Deployment", Name: "frontend", Action: "update", Template: app + "frontend.yaml", Layer: "application",
				Rendered: []server.RenderedChange{
					setting("spec.template.spec.containers[frontend].env[POSTGRES_HOST].value", "postgresql", "pg.example.test", mover.PostgreSQL),
					setting("spec.template.spec.containers[frontend].env[POSTGRES_PASSWORD].value", "", "[redacted]"),
				},
				Drifted: []engine.Change{{Field: "spec.replicas", From: "7", To: "2"}}},
			{Kind: "Secret", Name: "postgresql", Action: "delete", Template: sub},
			{Kind: "Service", Name: "postgresql", Action: "delete", Template: sub},
			{Kind: "StatefulSet", Name: "postgresql", Action: "delete", Template: sub, Layer: "data"},
		},
	})
	if r := got.Value.Record; r.Bytes < 1000 || r.Bytes > 10_000 || r.Limit != 1<<20 { // it has times in it
		t.Errorf("the record to be stored is %+v", r)
	}
	want.Value.Record = got.Value.Record
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	if err := s.Upgrade(t.Context(), switchOver(false)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(predicted(got.Value), happened(before, s.look(t))); diff != "" {
		t.Errorf("predicted (-) and happened (+): %s", diff)
	}
	again := s.Preview(t.Context(), server.ReleaseChange{})
	if !again.Is() || len(again.Value.Objects) > 0 {
		t.Errorf("a second upgrade would still change %+v", again)
	}
}

func TestPreviewNamesTheMissingSubchart(t *testing.T) {
	s := newSite(t, nil)
	got := s.client(t, bare(t)).Preview(t.Context(), switchOver(false))
	if !got.Is() || got.Value.Faithful {
		t.Fatalf("got %+v, want a preview that is not faithful", got)
	}
	want := "subchart postgresql is named in Chart.yaml and missing from the chart; an upgrade would delete Secret/postgresql, Service/postgresql, StatefulSet/postgresql"
	if got.Value.Unfaithful[0] != want {
		t.Errorf("got %q, want %q", got.Value.Unfaithful[0], want)
	}
}

func TestPreviewSaysWhatTheClusterWouldRefuse(t *testing.T) {
	s := newSite(t, nil)
	got := s.Preview(t.Context(), server.ReleaseChange{Set: map[string]any{"frontend": map[string]any{"replicas": -3}}})
	if !got.Unread() || !strings.Contains(got.Why, "the cluster would not accept the change of Deployment/frontend") {
		t.Errorf("got %+v", got)
	}
	if _, err := s.kube.CoreV1().ConfigMaps(s.namespace).Create(t.Context(), configMap("external"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	got = s.Preview(t.Context(), switchOver(false))
	if want := "preview the upgrade of helm release server: ConfigMap/external exists and does not belong to the release; helm would refuse the upgrade"; got.Why != want {
		t.Errorf("got %q, want %q", got.Why, want)
	}
}

// counting counts requests.
type counting struct {
	base  http.RoundTripper
	calls *atomic.Int64
}

func (c counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls.Add(1)
	return c.base.RoundTrip(r)
}

func TestReadingIsCheap(t *testing.T) {
	s := newSite(t, nil)
	var calls atomic.Int64
	s.config = rest.CopyConfig(s.config)
	s.config.Wrap(func(base http.RoundTripper) http.RoundTripper { return counting{base, &calls} })
	c := s.client(t, fixture)
	if got := c.Release(t.Context()); !got.Is() {
		t.Fatal(got.Why)
	}
	if n := calls.Swap(0); n > 3 {
		t.Errorf("reading the release took %d requests, want 3 or fewer", n)
	}
	if got := c.Preview(t.Context(), switchOver(true)); !got.Is() {
		t.Fatal(got.Why)
	}
	if n := calls.Load(); n > 25 {
		t.Errorf("the preview took %d requests, want 25 or fewer", n)
	}
}

func TestReleaseNeedsNoMoreThanSecrets(t *testing.T) {
	s := newSite(t, nil)
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "reader"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}}}}
	if _, err := s.kube.RbacV1().Roles(s.namespace).Create(t.Context(), role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.config = rest.CopyConfig(s.config)
	s.config.Impersonate = rest.ImpersonationConfig{UserName: "reader"}
	if got := s.client(t, fixture).Release(t.Context()); !got.Unread() || !strings.Contains(got.Why, "secrets is forbidden") {
		t.Errorf("without the right: got %+v, want unknown", got)
	}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "reader"},
		Subjects: []rbacv1.Subject{{Kind: "User", Name: "reader", APIGroup: "rbac.authorization.k8s.io"}},
		RoleRef:  rbacv1.RoleRef{Kind: "Role", Name: "reader", APIGroup: "rbac.authorization.k8s.io"}}
	if _, err := s.kube.RbacV1().RoleBindings(s.namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	got := s.until(t, func(ctx context.Context) engine.Observed[server.Release] {
		return s.client(t, fixture).Release(ctx)
	})
	if got.Value.Revision != 1 || got.Value.Manager != spec.ManagedByHelm || !strings.Contains(got.Value.Evidence, "live workloads could not be read") {
		t.Errorf("got %+v", got.Value)
	}
}

func TestReleaseIsUnknownWhenARecordCannotBeDecoded(t *testing.T) {
	s := newSite(t, nil)
	var log bytes.Buffer
	c, err := New(Options{Config: s.config, Namespace: s.namespace, Release: "server", Log: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if err != nil {
		t.Fatal(err)
	}
	record := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "sh.helm.release.v1.server.v2", Labels: map[string]string{"owner": "helm", "name": "server", "status": "deployed", "version": "2"}},
		StringData: map[string]string{"release": secretValue},
	}
	if _, err := s.kube.CoreV1().Secrets(s.namespace).Create(t.Context(), record, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	want := engine.Observed[server.Release]{Why: "read helm release server: 1 of its records cannot be decoded; look at the Secrets with label owner=helm,name=server"}
	if diff := cmp.Diff(want, c.Release(t.Context())); diff != "" {
		t.Error(diff)
	}
	if strings.Contains(log.String(), base64.StdEncoding.EncodeToString([]byte(secretValue))) || strings.Contains(log.String(), secretValue) {
		t.Error("the log holds what the record held")
	}
}

// until asks again while the cluster's authorizer has not seen a new binding.
func (s *site) until(t *testing.T, read func(context.Context) engine.Observed[server.Release]) engine.Observed[server.Release] {
	t.Helper()
	for {
		got := read(t.Context())
		if got.Is() {
			return got
		}
		if err := t.Context().Err(); err != nil {
			t.Fatal(got.Why)
		}
	}
}
