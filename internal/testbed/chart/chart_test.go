package chart_test

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/testbed/chart"
	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/action"
	helmchart "helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// withMongo are values for a release whose MongoDB is inside.
func withMongo(postgresql map[string]any) map[string]any {
	return map[string]any{
		"postgresql": postgresql,
		"mongodb":    map[string]any{"auth": map[string]any{"rootPassword": "m0ngo"}},
	}
}

func withInternal(mongodb map[string]any) map[string]any {
	return map[string]any{
		"postgresql": map[string]any{"auth": map[string]any{"postgresPassword": "s3cret"}},
		"mongodb":    mongodb,
	}
}

// byHand are values of somebody who names things, makes Secrets by hand and
// leaves the number of pods to Kubernetes: one datastore is called what it is
// told, the other after the release.
var byHand = map[string]any{
	"postgresql": map[string]any{"fullnameOverride": "ci-db", "postgresqlHost": "ci-db", "replicaCount": nil, "auth": map[string]any{"existingSecret": "ci-db-login"}},
	"mongodb": map[string]any{"fullnameOverride": "", "nameOverride": "documents", "hosts": "circleci-server-documents:27017", "replicaCount": nil,
		"auth": map[string]any{"rootPassword": "m0ngo"}},
	"keyset":   map[string]any{"signing": "", "encryption": ""},
	"pusher":   map[string]any{"secret": ""},
	"services": map[string]any{"frontend": map[string]any{"replicas": nil}, "vm-scaler": map[string]any{"replicas": nil}},
}

func TestRenderedObjects(t *testing.T) {
	mongodb := withInternal(map[string]any{
		"internal": false, "hosts": "m0.example.test:27017,m1.example.test:27017", "ssl": true, "options": "replicaSet=rs0",
		"auth": map[string]any{"username": "circleci", "mechanism": "SCRAM-SHA-256", "existingSecret": "mongodb-credentials"},
	})
	mongodb["tls"] = map[string]any{"certificates": []any{base64.StdEncoding.EncodeToString([]byte("PEM 1\n")), base64.StdEncoding.EncodeToString([]byte("PEM 2"))}}
	cases := map[string]map[string]any{
		"internal": withMongo(map[string]any{"auth": map[string]any{"postgresPassword": "s3cret"}}),
		"external": withMongo(map[string]any{
			"internal": false, "postgresqlHost": "pg.example.test", "postgresqlPort": 6432, "secureMode": true,
			"auth": map[string]any{"username": "circleci", "existingSecret": "pg-external"}}),
		"external-password": withMongo(map[string]any{
			"internal": false, "auth": map[string]any{"username": "circleci", "password": "s3cret"}}),
		"existing-claim": {
			"postgresql": map[string]any{
				"auth":    map[string]any{"existingSecret": "mine"},
				"image":   map[string]any{"tag": "14"},
				"primary": map[string]any{"persistence": map[string]any{"existingClaim": "data-postgresql-0"}}},
			"mongodb": map[string]any{
				"auth":        map[string]any{"existingSecret": "mongodb-credentials"},
				"persistence": map[string]any{"existingClaim": "datadir-mongodb-0"}},
		},
		"mongodb-external": mongodb,
		"mongodb-external-password": withInternal(map[string]any{
			"internal": false, "hosts": "m.example.test:27017", "auth": map[string]any{"rootPassword": "m0ngo", "password": "other"}}),
		"by-hand":            byHand,
		"mongodb-deployment": withInternal(map[string]any{"useStatefulSet": false, "auth": map[string]any{"rootPassword": "m0ngo"}}),
	}
	for name, values := range cases {
		t.Run(name, func(t *testing.T) {
			got := summary(t, render(t, load(t, chart.Archive, chart.Version), values))
			golden(t, filepath.Join("testdata", name+".golden"), got)
		})
	}
}

func TestValuesAreChecked(t *testing.T) {
	cases := map[string]struct {
		values map[string]any
		want   string
	}{
		"internal without a password": {
			withMongo(map[string]any{}), "postgresql.auth.postgresPassword or postgresql.auth.existingSecret is required when postgresql.internal is true"},
		"external without a password": {
			withMongo(map[string]any{"internal": false}),
			"postgresql.auth.password or postgresql.auth.existingSecret is required when postgresql.internal is false"},
		"internal as text": {
			withMongo(map[string]any{"internal": "false"}), "got string, want boolean"},
		"internal MongoDB without a password": {
			withInternal(map[string]any{}), "mongodb.auth.rootPassword or mongodb.auth.existingSecret is required when mongodb.internal is true"},
		"external MongoDB without a password": {
			withInternal(map[string]any{"internal": false}), "mongodb.auth.rootPassword or mongodb.auth.existingSecret is required when mongodb.internal is false"},
		"MongoDB's hosts as a list": {
			withInternal(map[string]any{"hosts": []any{"m:27017"}}), "got array, want string"},
		"a replica set inside": {
			withInternal(map[string]any{"architecture": "replicaset"}), "must be 'standalone'"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := tryRender(load(t, chart.Archive, chart.Version), c.values)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one that says %q", err, c.want)
			}
		})
	}
}

func TestVersionsDifferInTheirLabelsOnly(t *testing.T) {
	values := withMongo(map[string]any{"auth": map[string]any{"postgresPassword": "s3cret"}})
	old := render(t, load(t, chart.Archive, chart.Version), values)
	next := render(t, load(t, chart.Archive, chart.NextVersion), values)
	if diff := cmp.Diff(strings.ReplaceAll(old, chart.Version, chart.NextVersion), next); diff != "" {
		t.Errorf("the versions differ in more than their number (-old +next):\n%s", diff)
	}
}

func TestArchiveIsTheSameEveryTime(t *testing.T) {
	first, second := archiveBytes(t), archiveBytes(t)
	if !bytes.Equal(first, second) {
		t.Error("two archives of one chart and version differ")
	}
}

func TestBrokenArchiveNamesTheSubchartsItLacks(t *testing.T) {
	broken := load(t, chart.ArchiveWithoutSubchart, chart.Version)
	if n := len(broken.Dependencies()); n != 0 {
		t.Errorf("the archive has %d subcharts, want none", n)
	}
	err := action.CheckDependencies(broken, broken.Metadata.Dependencies)
	if want := strings.Join(chart.Subcharts, ", "); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one that names %s", err, want)
	}
}

func archiveBytes(t *testing.T) []byte {
	t.Helper()
	name, err := chart.Archive(t.TempDir(), chart.Version)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func load(t *testing.T, archive func(dir, version string) (string, error), version string) *helmchart.Chart {
	t.Helper()
	name, err := archive(t.TempDir(), version)
	if err != nil {
		t.Fatal(err)
	}
	loaded, err := loader.Load(name)
	if err != nil {
		t.Fatal(err)
	}
	if got := loaded.Metadata.Version + " " + loaded.Metadata.AppVersion; got != version+" "+version {
		t.Fatalf("the archive's versions are %s, want %s twice", got, version)
	}
	return loaded
}

func render(t *testing.T, c *helmchart.Chart, values map[string]any) string {
	t.Helper()
	out, err := tryRender(c, values)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func tryRender(c *helmchart.Chart, values map[string]any) (string, error) {
	install := action.NewInstall(&action.Configuration{Log: func(string, ...any) {}})
	install.DryRun, install.ClientOnly, install.Replace = true, true, true
	install.ReleaseName, install.Namespace = chart.Name, chart.Name
	install.KubeVersion = &chartutil.KubeVersion{Version: "v1.34.2", Major: "1", Minor: "34"}
	release, err := install.Run(c, values)
	if err != nil {
		return "", err
	}
	out := release.Manifest
	for _, hook := range release.Hooks {
		out += "---\n" + hook.Manifest + "\n"
	}
	return out, nil
}

// summary names every object with what the product goes by: labels, replicas,
// the keys of Secrets, claims, and the database settings of a container.
func summary(t *testing.T, manifest string) string {
	t.Helper()
	var lines []string
	for _, document := range strings.Split(manifest, "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(document), &object); err != nil {
			t.Fatalf("parse rendered object: %v\n%s", err, document)
		}
		if object != nil {
			lines = append(lines, describe(object))
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "")
}

func describe(object map[string]any) string {
	var b strings.Builder
	metadata, _ := object["metadata"].(map[string]any)
	fmt.Fprintf(&b, "%s/%s", object["kind"], metadata["name"])
	labels, _ := metadata["labels"].(map[string]any)
	for _, key := range []string{"app", "layer", "app.kubernetes.io/name"} {
		if v, ok := labels[key]; ok {
			fmt.Fprintf(&b, " %s=%v", key, v)
		}
	}
	spec, _ := object["spec"].(map[string]any)
	if replicas, ok := spec["replicas"]; ok {
		fmt.Fprintf(&b, " replicas=%v", replicas)
	}
	if v, ok := spec["minReplicas"]; ok {
		fmt.Fprintf(&b, " min=%v max=%v", v, spec["maxReplicas"])
	}
	if v, ok := spec["type"]; ok {
		fmt.Fprintf(&b, " type=%v", v)
	}
	if data, ok := object["data"].(map[string]any); ok {
		fmt.Fprintf(&b, " keys=%s", strings.Join(keys(data), ","))
	}
	for _, claim := range list(spec["volumeClaimTemplates"]) {
		fmt.Fprintf(&b, " claim=%s", claim["metadata"].(map[string]any)["name"])
	}
	b.WriteString("\n")
	describePod(&b, spec)
	return b.String()
}

func describePod(b *strings.Builder, spec map[string]any) {
	template, _ := spec["template"].(map[string]any)
	pod, _ := template["spec"].(map[string]any)
	for _, container := range list(pod["containers"]) {
		fmt.Fprintf(b, "  container %s %s\n", container["name"], container["image"])
		for _, env := range list(container["env"]) {
			fmt.Fprintf(b, "    %s=%v\n", env["name"], value(env))
		}
	}
	for _, volume := range list(pod["volumes"]) {
		out, _ := yaml.Marshal(volume)
		fmt.Fprintf(b, "  volume %s\n", strings.Join(strings.Fields(string(out)), " "))
	}
}

func value(env map[string]any) any {
	if from, ok := env["valueFrom"].(map[string]any); ok {
		ref := from["secretKeyRef"].(map[string]any)
		return fmt.Sprintf("<secret %s key %s>", ref["name"], ref["key"])
	}
	return env["value"]
}

func list(v any) []map[string]any {
	var out []map[string]any
	items, _ := v.([]any)
	for _, item := range items {
		out = append(out, item.(map[string]any))
	}
	return out
}

func keys(m map[string]any) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}
