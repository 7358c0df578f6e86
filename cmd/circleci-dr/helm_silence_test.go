package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/circleci-dr/circleci-dr/internal/helm"
	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/internal/kubetest"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// smallChart has what a switch changes: an application that reads a host.
var smallChart = map[string]string{
	"Chart.yaml":  "{apiVersion: v2, name: small, version: 1.0.0}\n",
	"values.yaml": "{host: inside, postgresql: {internal: true}, mongodb: {internal: true}}\n",
	"templates/all.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {layer: application}}
spec: {replicas: 1, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: i, env: [{name: HOST, value: "{{ .Values.host }}"}]}]}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {host: "{{ .Values.host }}"}
`,
}

// discovered is what an API server says of the kinds it has.
var discovered = map[string]kubetest.Object{
	"/api": {"kind": "APIVersions", "versions": []any{"v1"}},
	"/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []any{kubetest.Object{"name": "apps", "versions": []any{kubetest.Object{"groupVersion": "apps/v1", "version": "v1"}}, "preferredVersion": kubetest.Object{"groupVersion": "apps/v1", "version": "v1"}},
		kubetest.Object{"name": "batch", "versions": []any{kubetest.Object{"groupVersion": "batch/v1", "version": "v1"}}, "preferredVersion": kubetest.Object{"groupVersion": "batch/v1", "version": "v1"}}}},
	"/apis/batch/v1": {"kind": "APIResourceList", "groupVersion": "batch/v1", "resources": []any{kubetest.Object{"name": "jobs", "kind": "Job", "namespaced": true, "verbs": []any{"get", "list", "watch"}}}},
	"/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []any{
		kubetest.Object{"name": "configmaps", "kind": "ConfigMap", "namespaced": true, "verbs": []any{"get", "list"}},
		kubetest.Object{"name": "secrets", "kind": "Secret", "namespaced": true, "verbs": []any{"get", "list"}}}},
	"/apis/apps/v1": {"kind": "APIResourceList", "groupVersion": "apps/v1", "resources": []any{
		kubetest.Object{"name": "deployments", "kind": "Deployment", "namespaced": true, "verbs": []any{"get", "list"}},
		kubetest.Object{"name": "statefulsets", "kind": "StatefulSet", "namespaced": true, "verbs": []any{"get", "list"}}}},
	"/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
}

// smallRelease is a server on which the small chart is installed, with the paths
// of a kubeconfig and of the chart.
func smallRelease(t *testing.T) (s *kubetest.Server, kubeconfig, chart string) {
	t.Helper()
	dir := t.TempDir()
	chart, kubeconfig = filepath.Join(dir, "small"), filepath.Join(dir, "kubeconfig")
	s = kubetest.New(t)
	for path, o := range discovered {
		s.Put(path, o)
	}
	s.Put("/openapi/v2", "") // no schema, and so nothing to hold a manifest against
	files := map[string]string{kubeconfig: fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","clusters":[{"name":"c","cluster":{"server":%q}}],
		"contexts":[{"name":"prod","context":{"cluster":"c","user":"u"}}],"current-context":"prod","users":[{"name":"u","user":{}}]}`, s.URL)}
	for name, text := range smallChart {
		files[filepath.Join(chart, name)] = text
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flags, ns := genericclioptions.NewConfigFlags(false), "ci"
	flags.KubeConfig, flags.Namespace = &kubeconfig, &ns
	cfg := &action.Configuration{}
	if err := cfg.Init(flags, ns, "secret", func(string, ...any) {}); err != nil {
		t.Fatal(err)
	}
	small, err := loader.LoadDir(chart)
	if err != nil {
		t.Fatal(err)
	}
	install := action.NewInstall(cfg)
	install.ReleaseName, install.Namespace, install.DisableOpenAPIValidation = "server", ns, true
	if _, err := install.Run(small, nil); err != nil {
		t.Fatal(err)
	}
	return s, kubeconfig, chart
}

// helmCalls are what the engine asks of Helm while the application is stopped.
var helmCalls = map[string]func(context.Context, *helm.Client) error{
	"Release": func(ctx context.Context, c *helm.Client) error {
		if o := c.Release(ctx); !o.Is() {
			return fmt.Errorf("no release: %s", o.Why)
		}
		return nil
	},
	"Preview": func(ctx context.Context, c *helm.Client) error {
		if o := c.Preview(ctx, outside); !o.Is() {
			return fmt.Errorf("no preview: %s", o.Why)
		}
		return nil
	},
	"Upgrade":  func(ctx context.Context, c *helm.Client) error { return c.Upgrade(ctx, outside) },
	"Rollback": func(ctx context.Context, c *helm.Client) error { return c.Rollback(ctx, 1, true) },
}

var outside = server.ReleaseChange{Set: map[string]any{"host": "outside"}, HoldAtZero: true, Description: "circleci-dr switch", Keep: []string{"ConfigMap/settings"}}

// TestHelmEndsWhenTheAPIServerFallsSilent: each of Helm's calls is made once, to
// learn what it asks of the API server, and then once for every request, from
// which on the server says nothing. Helm has no limit of its own for a request:
// it has the one of the connection that it is given.
func TestHelmEndsWhenTheAPIServerFallsSilent(t *testing.T) {
	t.Parallel()
	for name, call := range helmCalls {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, kubeconfig, chart := smallRelease(t)
			client := func(answer time.Duration) *helm.Client {
				k, err := kube.New(kube.Options{Kubeconfig: kubeconfig, Context: "prod", Namespace: "ci", Release: "server", Answer: answer})
				if err != nil {
					t.Fatal(err)
				}
				c, err := helm.New(helm.Options{Config: k.Config(), Namespace: "ci", Release: "server", Chart: chart})
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			restore := s.Save()
			s.SilentAt(0)
			if err := call(t.Context(), client(time.Minute)); err != nil {
				t.Fatalf("with a server that answers: %v", err)
			}
			asked, failed := s.Calls(), 0
			for n, what := range asked {
				restore()
				s.SilentAt(n + 1)
				ended := make(chan error, 1)
				go func() { ended <- call(t.Context(), client(200*time.Millisecond)) }()
				select {
				case err := <-ended:
					if err != nil {
						failed++
					}
				case <-time.After(30 * time.Second): // two orders above the limit
					t.Errorf("%s got no answer, and it waits for ever", what)
				}
			}
			t.Logf("%d requests, %d of them cannot be done without", len(asked), failed)
			if len(asked) < 2 || failed < len(asked)/2 {
				t.Errorf("%d requests, %d failed without an answer: %q", len(asked), failed, asked)
			}
		})
	}
}

// TestAHookThatNeverEndsIsGivenUp: nothing runs the hook's Job here, and Helm
// watches it on a stream, which has no limit but the hook's.
func TestAHookThatNeverEndsIsGivenUp(t *testing.T) {
	t.Parallel()
	s, kubeconfig, chart := smallRelease(t)
	hook := `apiVersion: batch/v1
kind: Job
metadata: {name: migrate, annotations: {helm.sh/hook: pre-upgrade}}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: m, image: i}]}}}
`
	if err := os.WriteFile(filepath.Join(chart, "templates", "hook.yaml"), []byte(hook), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := kube.New(kube.Options{Kubeconfig: kubeconfig, Context: "prod", Namespace: "ci", Release: "server"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := helm.New(helm.Options{Config: k.Config(), Namespace: "ci", Release: "server", Chart: chart, HookTimeout: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Upgrade(t.Context(), outside) }()
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(err.Error(), "hook Job/migrate did not succeed") {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		t.Errorf("it waits for ever, after %q", s.Calls())
	}
}
