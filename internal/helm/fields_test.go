package helm

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestMergeKeepsTheUsersValues(t *testing.T) {
	config := map[string]any{
		"version": "u1", "nullable": map[string]any{"a": nil},
		"postgresql": map[string]any{"internal": true, "auth": map[string]any{"password": "p", "username": "u"}},
	}
	set := map[string]any{
		"postgresql": map[string]any{"internal": false, "postgresqlPort": 5432, "auth": map[string]any{"password": nil}},
		"mongodb":    map[string]any{"host": nil},
	}
	got, err := merge(config, set)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"version": "u1", "nullable": map[string]any{"a": nil},
		"postgresql": map[string]any{"internal": false, "postgresqlPort": float64(5432), "auth": map[string]any{"username": "u"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if server.ValueAt(config, "postgresql", "internal") != true || server.ValueAt(config, "postgresql", "auth", "password") != "p" {
		t.Error("merge changed the release's own values")
	}
}

func TestEffectsTellRenderedFromDrifted(t *testing.T) {
	const manifest = `
kind: Deployment
spec:
  replicas: 2
  template: {spec: {containers: [
    {name: web, image: "web:1", env: [{name: HOST, value: inside}, {name: DB_PASSWORD, value: one}]}]}}`
	const changed = `
kind: Deployment
spec:
  replicas: 2
  template: {spec: {containers: [
    {name: web, image: "web:1", ports: [{containerPort: 80}], env: [{name: HOST, value: outside}, {name: DB_PASSWORD, value: two}]}]}}`
	const live = `
kind: Deployment
metadata: {resourceVersion: "7"}
spec:
  replicas: 1
  template: {spec: {containers: [
    {name: web, image: "web:1", terminationMessagePath: /x, env: [{name: HOST, value: inside}, {name: DB_PASSWORD, value: one}]}]}}`
	const result = `
kind: Deployment
metadata: {resourceVersion: "8"}
spec:
  replicas: 2
  template: {spec: {containers: [
    {name: web, image: "web:1", terminationMessagePath: /x, ports: [{containerPort: 80, protocol: TCP}], env: [{name: HOST, value: outside}, {name: DB_PASSWORD, value: two}]}]}}`
	var got server.ObjectPreview
	effectsOn(&got, judging{show: shower{kind: "Deployment"}, rewriting: &server.Rewriting{}}, nil,
		forms{flatten(object(t, manifest)), flatten(object(t, changed)), flatten(object(t, live)), flatten(object(t, result))})
	wantRendered := []server.RenderedChange{
		{Change: engine.Change{Field: "spec.template.spec.containers[web].env[DB_PASSWORD].value", From: "[redacted]", To: "[redacted] (sha changed)"}},
		{Change: engine.Change{Field: "spec.template.spec.containers[web].env[HOST].value", From: "inside", To: "outside"}},
		{Change: engine.Change{Field: "spec.template.spec.containers[web].ports[80].containerPort", From: "", To: "80"}},
	}
	wantDrifted := []engine.Change{{Field: "spec.replicas", From: "1", To: "2"}}
	if diff := cmp.Diff(wantRendered, got.Rendered); diff != "" {
		t.Errorf("rendered: %s", diff)
	}
	if diff := cmp.Diff(wantDrifted, got.Drifted); diff != "" {
		t.Errorf("drifted: %s", diff)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	from := flatten(object(t, `{kind: Secret, stringData: {password: one}}`))
	to := flatten(object(t, `{kind: Secret, data: {password: dHdv}}`))
	got := shower{kind: "Secret"}.change("data.password", from, to)
	want := engine.Change{Field: "data.password", From: "[redacted]", To: "[redacted] (sha changed)"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if from["data.password"] != "b25l" {
		t.Errorf("stringData is shown as %v, want the data it becomes", from["data.password"])
	}
}

func TestScrubberKnowsValuesAndTheirBase64(t *testing.T) {
	s := newScrubber(map[string]any{
		"auth":   map[string]any{"password": "hunter22", "username": "circle", "existingSecret": "postgresql"},
		"keyset": map[string]any{"signing": "sign-sign"},
		"list":   []any{map[string]any{"apiToken": "tok-tok"}},
	})
	got := s.text("circle at postgresql: hunter22 aHVudGVyMjI= sign-sign tok-tok")
	if want := "circle at postgresql: [redacted] [redacted] [redacted] [redacted]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHoldStopsTheApplicationAndNothingElse(t *testing.T) {
	const manifest = `---
# Source: x/templates/a.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {layer: application}
spec:
  progressDeadlineSeconds: 1000000
---
# Source: x/templates/b.yaml
# kept as it is
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, labels: {layer: data}}
spec: {replicas: 3}
`
	got, err := hold(manifest)
	if err != nil {
		t.Fatal(err)
	}
	const want = `---
# Source: x/templates/a.yaml
apiVersion: apps/v1
kind: Deployment
metadata:
  labels:
    layer: application
  name: web
spec:
  progressDeadlineSeconds: 1000000
  replicas: 0
---
# Source: x/templates/b.yaml
# kept as it is
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, labels: {layer: data}}
spec: {replicas: 3}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
