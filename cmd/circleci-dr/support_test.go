package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const supportSpec = `apiVersion: circleci-dr/v1
name: ci
server: {kubeContext: prod, namespace: ci, release: server}
datastores:
  postgresql:
    location: external
    external:
      host: pg.example.com
      username: circleci
      password: {env: PG_PASSWORD}
      tls: {mode: verify-full}
`

// The canaries: a password of the cluster, one of the runner's environment, and
// one that only the release's values know.
const (
	canary       = `canary "of" <the> cluster`
	ofTheRunner  = "canary-of-the-runner"
	ofTheValues  = "canary-of-the-values"
	ofTheKubecfg = "token-of-the-operator"
)

// plant is an installation that has the canary everywhere it could be.
func plant(t *testing.T, a *apiServer) {
	t.Helper()
	const ns = "/api/v1/namespaces/ci"
	b64 := base64.StdEncoding.EncodeToString([]byte(canary))
	said := "login with " + canary + ", " + b64 + ", " + url.QueryEscape(canary) + ", " + ofTheRunner + ", " + ofTheValues + ", " + ofTheKubecfg
	named := func(name string, labels ...string) map[string]any {
		m := map[string]any{"name": name, "namespace": "ci"}
		if len(labels) > 0 {
			m["labels"] = map[string]any{labels[0]: labels[1], "batch.kubernetes.io/job-name": "circleci-dr-copy"}
		}
		return m
	}
	release := map[string]any{
		"name": "server", "namespace": "ci", "version": 7, "info": map[string]any{"status": "deployed", "description": said},
		"config": map[string]any{"pusher": map[string]any{"secret": ofTheValues}},
		"chart": map[string]any{"metadata": map[string]any{"name": "circleci-server", "version": "4.10.0"},
			"values": map[string]any{"postgresql": map[string]any{"internal": true, "postgresqlHost": "postgresql", "postgresqlPort": 5432}}},
	}
	helm := map[string]any{"metadata": map[string]any{"name": "sh.helm.release.v1.server.v7", "namespace": "ci", "labels": map[string]any{"owner": "helm", "name": "server", "status": "deployed", "version": "7"}},
		"type": "helm.sh/release.v1", "data": map[string]any{"release": helmRelease(t, release)}}
	a.objects["/version"] = map[string]any{"gitVersion": "v1.34.1"}
	a.objects["/api/v1/namespaces/kube-system"] = map[string]any{"metadata": map[string]any{"name": "kube-system", "uid": "uid-1"}}
	a.list(ns+"/secrets", helm, map[string]any{"metadata": named("postgresql"), "data": map[string]any{"postgres-password": b64}})
	a.list(ns+"/events", map[string]any{"metadata": named("e"), "reason": "Failed", "message": said, "involvedObject": map[string]any{"kind": "Pod", "name": "x"}})
	record := map[string]any{"metadata": named("circleci-dr-journal", "app.kubernetes.io/managed-by", "circleci-dr"), "data": map[string]any{"record.json": `{"entries":[{"title":` + quoteJSON(said) + `}]}`}}
	a.list(ns+"/configmaps", record, map[string]any{"metadata": named("circleci-dr-garbled", "app.kubernetes.io/managed-by", "circleci-dr"), "data": map[string]any{"record.json": "{" + said}})
	container := []any{map[string]any{"name": "main", "image": "img", "env": []any{map[string]any{"name": "PASSWORD", "value": canary}}, "args": []any{said}}}
	pod := map[string]any{"metadata": named("circleci-dr-copy-x", "app.kubernetes.io/managed-by", "circleci-dr"), "spec": map[string]any{"containers": container}}
	a.list(ns+"/pods", pod)
	a.objects[ns+"/pods/circleci-dr-copy-x/log"] = "2026-11-22 starting\n" + said + "\n"
	deployment := map[string]any{"metadata": named("frontend"), "spec": map[string]any{"replicas": 2, "template": map[string]any{"spec": map[string]any{"containers": container}}}}
	deployment["metadata"].(map[string]any)["labels"] = map[string]any{"layer": "application"}
	a.list("/apis/apps/v1/namespaces/ci/deployments", deployment)
}

func quoteJSON(s string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, "<", `\u003c`).Replace(s) + `"`
}

// oneAtATime keeps runs in one process apart: urfave/cli writes to its help flag,
// which all of them share. The product runs one in a process.
var oneAtATime sync.Mutex

// runTool runs the command as main does.
func runTool(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	oneAtATime.Lock()
	defer oneAtATime.Unlock()
	code = realMain(append([]string{"circleci-dr"}, args...), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

// unpack gives the files of a bundle.
func unpack(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(zip); ; {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[strings.TrimPrefix(head.Name, "circleci-dr-support/")] = string(data)
	}
}

// clean demands that no canary is there, in whatever form.
func clean(t *testing.T, where, text string) {
	t.Helper()
	for _, secret := range []string{canary, ofTheRunner, ofTheValues, ofTheKubecfg} {
		for _, form := range []string{secret, url.QueryEscape(secret), strings.Trim(quoteJSON(secret), `"`), strings.ReplaceAll(secret, `"`, `\"`),
			strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(secret)), "=")} {
			if strings.Contains(text, form) {
				t.Errorf("%s holds the secret %q as %q", where, secret, form)
			}
		}
	}
	if strings.Contains(text, "canary") {
		t.Errorf("%s holds a canary:\n%s", where, text)
	}
}

func TestSupportHoldsEverythingButSecrets(t *testing.T) {
	a, kubeconfig := startAPI(t)
	plant(t, a)
	t.Setenv("PG_PASSWORD", ofTheRunner)
	dir := t.TempDir()
	spec, out := filepath.Join(dir, "circleci-dr.yaml"), filepath.Join(dir, "support.tar.gz")
	if err := os.WriteFile(spec, []byte(supportSpec+"# "+ofTheRunner+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runTool(t, "support", "--file", spec, "--kubeconfig", kubeconfig, "--out", out)
	if code != codeUnreadable || !strings.Contains(stderr, "circleci-dr-garbled") {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	clean(t, "the output", stdout+stderr)
	files := unpack(t, out)
	for name, part := range map[string]string{
		"README.txt": "support bundle", "circleci-dr.yaml": "pg.example.com", "events.json": "login with [redacted]", "history.json": "circleci-server-4.10.0",
		"logs/circleci-dr-copy-x.log": "2026-11-22 starting\nlogin with [redacted]", "observation.json": "v1.34.1", "plan.json": "circleci-dr/plan/v1", "plan.txt": "Plan ",
		"records/circleci-dr-journal.json": "login with [redacted]", "unread.json": "circleci-dr-garbled", "versions.json": "platform", "workloads.json": `"PASSWORD"`,
	} {
		if !strings.Contains(files[name], part) {
			t.Errorf("%s lacks %q:\n%s", name, part, files[name])
		}
	}
	for name, text := range files {
		clean(t, name, name+text)
	}
	if len(a.changed) > 0 {
		t.Errorf("support sent %v", a.changed)
	}

	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := runTool(t, "support", "--file", spec, "--kubeconfig", kubeconfig, "--out", out); code != codeUsage || !strings.Contains(stderr, "is there already") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if after, err := os.ReadFile(out); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the bundle was written over: %v", err)
	}
}

// Who may not read Secrets cannot keep them out of what others wrote, so that
// is left out; the rest is there.
func TestSupportWithoutTheRightToReadSecrets(t *testing.T) {
	a, kubeconfig := startAPI(t)
	plant(t, a)
	a.denied["/api/v1/namespaces/ci/secrets"] = true
	dir := t.TempDir()
	spec, out := filepath.Join(dir, "circleci-dr.yaml"), filepath.Join(dir, "support.tar.gz")
	if err := os.WriteFile(spec, []byte(supportSpec), 0o600); err != nil {
		t.Fatal(err)
	}
	a.denied["/apis/batch/v1/namespaces/ci/jobs"] = true
	a.list("/api/v1/namespaces/ci/configmaps")
	code, stdout, stderr := runTool(t, "support", "--file", spec, "--kubeconfig", kubeconfig, "--out", out)
	if code != codeUnreadable {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	files := unpack(t, out)
	if _, there := files["logs/circleci-dr-copy-x.log"]; there || !strings.Contains(files["unread.json"], "secrets is forbidden") || !strings.Contains(files["events.json"], "Failed") ||
		!strings.Contains(files["workloads.json"], "frontend") || !strings.Contains(files["unread.json"], "list Jobs") {
		t.Errorf("the bundle has %v\n%s\n%s", files, files["unread.json"], files["events.json"])
	}
	for name, text := range files {
		clean(t, name, name+text)
	}
}
