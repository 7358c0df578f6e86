package main

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const secretsPath = "/api/v1/namespaces/%s/secrets"

func at(namespace, name string, change ...func(*installed)) installed {
	in := installedServer(merged(insidePostgres, insideMongo), change...)
	in.namespace, in.name = namespace, name
	return in
}

func chartNamed(name string) func(*installed) { return func(in *installed) { in.chart = name } }
func uninstalled(in *installed)               { in.status = "uninstalled" }

// inNamespace gives the kubeconfig's context a namespace of its own.
func inNamespace(t *testing.T, kubeconfig, namespace string) {
	t.Helper()
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), `"user":"u"}`, `"user":"u","namespace":"`+namespace+`"}`, 1))
	if err := os.WriteFile(kubeconfig, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// other is a release of another chart.
var other = at("monitoring", "prometheus", chartNamed("kube-prometheus-stack"))

// searches are clusters, with where and what is looked for.
var searches = []struct {
	name     string
	releases []installed
	context  string   // the namespace of the context
	denied   []string // namespaces, "" for the whole cluster
	args     []string
	code     int
	want     []string // in what is said
}{
	{"one of several charts", []installed{at("ci", "server"), other}, "", nil, nil, codeFine, []string{"release: server", "namespace: ci"}},
	{"two: they are listed", []installed{at("ci", "server"), at("tools", "build-farm", func(in *installed) { in.status = "failed" })}, "", nil, nil, codeUsage,
		[]string{"NAMESPACE  RELEASE     CHART                   REVISION  STATUS", "ci         server      circleci-server-4.10.0  7         deployed",
			"tools      build-farm  circleci-server-4.10.0  7         failed", "there are 2 releases: which one is meant?", "init --namespace ci --release server"}},
	{"two in one namespace, and one is named", []installed{at("ci", "server"), at("ci", "build-farm")}, "", nil, []string{"--release", "build-farm"}, codeFine, []string{"release: build-farm"}},
	{"two, and the namespace is told", []installed{at("ci", "server"), at("tools", "server")}, "", nil, []string{"--namespace", "tools"}, codeFine, []string{"namespace: tools"}},
	{"two, and the context has a namespace", []installed{at("ci", "server"), at("tools", "server")}, "tools", nil, nil, codeFine, []string{"namespace: tools"}},
	{"none where the context is, one elsewhere", []installed{at("ci", "server"), other}, "monitoring", nil, nil, codeFine, []string{"namespace: ci"}},
	{"one that was uninstalled", []installed{at("ci", "server"), at("old", "server", uninstalled)}, "", nil, nil, codeFine, []string{"namespace: ci"}},
	{"a chart of another name, named", []installed{at("ci", "server", chartNamed("our-circleci"))}, "", nil, []string{"--release", "server"}, codeFine, []string{"our-circleci-4.10.0"}},
	{"none", []installed{other, at("old", "server", uninstalled)}, "", nil, nil, codeFailed,
		[]string{"there is no Helm release of CircleCI Server (chart circleci-server) in any namespace of context prod",
			"monitoring/prometheus (kube-prometheus-stack-4.10.0, deployed), old/server (circleci-server-4.10.0, uninstalled)"}},
	{"none at all", nil, "", nil, []string{"--namespace", "ci"}, codeFailed, []string{"there is no Helm release of CircleCI Server", "in namespace ci of context prod", "no other Helm release is there either"}},
	{"none of that name", []installed{at("ci", "server")}, "", nil, []string{"--release", "sever"}, codeFailed, []string{"there is no Helm release sever", "ci/server (circleci-server-4.10.0, deployed)"}},
	{"no right to the cluster, and it is where it usually is", []installed{at("circleci-server", "server")}, "", []string{""}, nil, codeFine,
		[]string{"namespace: circleci-server", "note: no right to list Secrets, where Helm keeps its records, in every namespace"}},
	{"no right to the cluster, and it is elsewhere", []installed{at("ci", "server")}, "", []string{""}, nil, codeUnreadable,
		[]string{"could not look everywhere: no right to list Secrets, where Helm keeps its records, in every namespace; looked in namespace circleci-server", "--namespace", "get and list on Secrets"}},
	{"no right at all", []installed{at("ci", "server")}, "", []string{"", "ci"}, []string{"--namespace", "ci"}, codeUnreadable, []string{"no right to list Secrets, where Helm keeps its records, in namespace ci"}},
}

func TestInitFindsTheOneThatIsMeant(t *testing.T) {
	for _, row := range searches {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a, kubeconfig := startAPI(t)
			deploy(t, a, row.releases...)
			if row.context != "" {
				inNamespace(t, kubeconfig, row.context)
			}
			for _, namespace := range row.denied {
				path := strings.Replace(secretsPath, "%s", namespace, 1)
				if namespace == "" {
					path = "/api/v1/secrets"
				}
				a.denied[path] = true
			}
			code, stdout, stderr := runTool(t, append([]string{"init", "--kube-context", "prod", "--kubeconfig", kubeconfig, "--file", "-"}, row.args...)...)
			if code != row.code {
				t.Errorf("exit %d, want %d", code, row.code)
			}
			for _, part := range row.want {
				if !strings.Contains(stdout+stderr, part) {
					t.Errorf("it does not say %q", part)
				}
			}
			if code != codeFine && stdout != "" {
				t.Errorf("stdout has %q", stdout)
			}
			if t.Failed() {
				t.Logf("%s%s", stdout, stderr)
			}
			clean(t, "the output", stdout+stderr)
		})
	}
}

// A record that cannot be decoded may be the one that is looked for.
func TestInitOverAnUnreadableRecord(t *testing.T) {
	a, kubeconfig := startAPI(t)
	deploy(t, a)
	broken := map[string]any{"metadata": map[string]any{"name": "sh.helm.release.v1.server.v3", "namespace": "ci", "labels": map[string]any{"owner": "helm", "name": "server", "version": "3"}},
		"data": map[string]any{"release": base64.StdEncoding.EncodeToString([]byte(canary))}}
	a.list("/api/v1/namespaces/ci/secrets", broken)
	a.list("/api/v1/secrets", broken)
	code, stdout, stderr := runTool(t, "init", "--kube-context", "prod", "--kubeconfig", kubeconfig, "--file", "-")
	if code != codeUnreadable || !strings.Contains(stderr, "Helm's record of release server in namespace ci, revision 3, could not be read: the record in Secret sh.helm.release.v1.server.v3 cannot be decoded") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	clean(t, "the output", stdout+stderr)
}

// What init cannot look at is said in the file; what it must not do, it does
// not.
func TestInitSaysWhatItCouldNotSee(t *testing.T) {
	a, kubeconfig := startAPI(t)
	deploy(t, a, installedServer(merged(outsidePG, outsideMongo), withSecret("pg-credentials", "password")))
	a.denied["/api/v1/namespaces/ci/secrets/pg-credentials"] = true
	a.denied["/api/v1/namespaces/ci/configmaps/circleci-dr-move"] = true
	code, stdout, stderr := runTool(t, "init", "--kube-context", "prod", "--kubeconfig", kubeconfig, "--file", "-")
	text := strings.Join(strings.Fields(strings.ReplaceAll(stdout, "#", "")), " ")
	for _, part := range []string{
		"decide: whether a move of circleci-dr is under way here could not be read: read ConfigMap circleci-dr-move",
		"decide: whether Secret pg-credentials has the key could not be read: read Secret pg-credentials",
		"password: {secret: {name: pg-credentials, key: password}}",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the file does not say %q", part)
		}
	}
	if code != codeFine || t.Failed() {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

// With another file a move that was begun could not go on.
func TestInitWhileAMoveIsUnderWay(t *testing.T) {
	a, kubeconfig := startAPI(t)
	deploy(t, a, installedServer(merged(insidePostgres, insideMongo)))
	a.objects["/api/v1/namespaces/ci/configmaps/circleci-dr-move"] = map[string]any{"metadata": map[string]any{"name": "circleci-dr-move"},
		"data": map[string]any{"record.json": `{"id":"m-1","phase":"open","opened":"2026-11-22T09:30:00Z","parts":[{"engine":"postgresql","to":"external","external":"pg.example.com:5432"}]}`}}
	code, stdout, stderr := runTool(t, "init", "--kube-context", "prod", "--kubeconfig", kubeconfig, "--file", "-")
	if code != codeFailed || !strings.Contains(stderr, "move m-1") || !strings.Contains(stderr, "go on with the file it was begun with") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

// Values that no file can say are named without what they say, and nothing is
// written.
func TestInitOfValuesThatNoFileCanSay(t *testing.T) {
	for _, row := range []struct {
		values tree
		want   string
	}{
		{merged(tree{"postgresql": tree{"internal": false, "postgresqlHost": "https://pg.example.com", "auth": tree{"existingSecret": "pg"}}}, insideMongo),
			"datastores.postgresql.external.host must be a host without a scheme"},
		{merged(insidePostgres, tree{"mongodb": tree{"internal": false, "hosts": "circleci:" + canary + "@m.example.com:27017", "auth": tree{"existingSecret": "mongo"}}}),
			"datastores.mongodb.external.hosts[0] must be a host without a user"},
	} {
		a, kubeconfig := startAPI(t)
		deploy(t, a, installedServer(row.values))
		file := filepath.Join(t.TempDir(), "circleci-dr.yaml")
		code, stdout, stderr := runTool(t, "init", "--kube-context", "prod", "--kubeconfig", kubeconfig, "--file", file)
		if code != codeFailed || !strings.Contains(stderr, "the release says what no valid file can say: "+row.want) {
			t.Errorf("exit %d\n%s%s", code, stdout, stderr)
		}
		clean(t, "the output", stdout+stderr)
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Errorf("the file is there: %v", err)
		}
	}
}
