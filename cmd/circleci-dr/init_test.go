package main

import (
	"encoding/base64"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// installed is a release as the fake cluster has it.
type installed struct {
	namespace, name, version, status string
	revision                         int
	chart                            string
	values                           map[string]any
	// secrets are the keys of each Secret in the namespace.
	secrets map[string][]string
	// lacks are blocks or values that the chart does not have; manifest is what
	// the release installed.
	lacks    [][]string
	manifest string
}

// chartValues are the defaults of the fixture chart, whose keys are the
// documented ones.
func chartValues(t *testing.T) map[string]any {
	t.Helper()
	text, err := os.ReadFile("../../internal/testbed/chart/circleci-server/values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := yaml.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// record is the Secret with Helm's record of a release.
func (in installed) record(t *testing.T) map[string]any {
	t.Helper()
	defaults := chartValues(t)
	for _, names := range in.lacks {
		block := defaults
		for _, name := range names[:len(names)-1] {
			block = block[name].(map[string]any)
		}
		delete(block, names[len(names)-1])
	}
	body := helmRelease(t, map[string]any{
		"name": in.name, "namespace": in.namespace, "version": in.revision, "config": in.values, "manifest": in.manifest,
		"info":  map[string]any{"status": in.status, "description": "Upgrade complete"},
		"chart": map[string]any{"metadata": map[string]any{"name": in.chart, "version": in.version}, "values": defaults},
	})
	return map[string]any{
		"metadata": map[string]any{"name": "sh.helm.release.v1." + in.name + ".v1", "namespace": in.namespace,
			"labels": map[string]any{"owner": "helm", "name": in.name, "status": in.status, "version": strconv.Itoa(in.revision)}},
		"type": "helm.sh/release.v1", "data": map[string]any{"release": body},
	}
}

// deploy fills the fake cluster with releases.
func deploy(t *testing.T, a *apiServer, releases ...installed) {
	t.Helper()
	a.objects["/version"] = map[string]any{"gitVersion": "v1.34.1"}
	a.objects["/api/v1/namespaces/kube-system"] = map[string]any{"metadata": map[string]any{"name": "kube-system", "uid": "uid-1"}}
	var everywhere []map[string]any
	of := map[string][]map[string]any{}
	for _, in := range releases {
		items := []map[string]any{in.record(t)}
		for name, keys := range in.secrets {
			data := map[string]any{}
			for _, key := range keys {
				data[key] = base64.StdEncoding.EncodeToString([]byte(canary))
			}
			secret := map[string]any{"metadata": map[string]any{"name": name, "namespace": in.namespace}, "data": data}
			a.objects["/api/v1/namespaces/"+in.namespace+"/secrets/"+name] = secret
			items = append(items, secret)
		}
		of[in.namespace] = append(of[in.namespace], items...)
		everywhere = append(everywhere, items...)
	}
	for namespace, items := range of {
		a.list("/api/v1/namespaces/"+namespace+"/secrets", items...)
	}
	a.list("/api/v1/secrets", everywhere...)
}

// server is a release of CircleCI Server, changed by what is given.
func installedServer(values map[string]any, change ...func(*installed)) installed {
	in := installed{namespace: "ci", name: "server", version: "4.10.0", status: "deployed", revision: 7, chart: "circleci-server", values: values, secrets: map[string][]string{}}
	for _, f := range change {
		f(&in)
	}
	return in
}

func withSecret(name string, keys ...string) func(*installed) {
	return func(in *installed) { in.secrets[name] = keys }
}

type tree = map[string]any

func merged(trees ...tree) tree {
	out := tree{}
	for _, t := range trees {
		maps.Copy(out, t)
	}
	return out
}

var (
	insidePostgres = tree{"postgresql": tree{"auth": tree{"postgresPassword": ofTheValues}}}
	insideMongo    = tree{"mongodb": tree{"auth": tree{"rootPassword": ofTheValues}}}
	outsidePG      = tree{"postgresql": tree{"internal": false, "postgresqlHost": "pg.example.com", "postgresqlPort": 6432, "secureMode": true,
		"auth": tree{"username": "circleci", "existingSecret": "pg-credentials"}}}
	outsideMongo = tree{"mongodb": tree{"internal": false, "hosts": "m0.example.com:27017, m1.example.com:27018,m2.example.com", "ssl": true,
		"options": "replicaSet=rs0&retryWrites=false", "auth": tree{"username": "circleci", "mechanism": "SCRAM-SHA-256", "existingSecret": "mongo-credentials"}}}
)

// drafts are installations, each configured in another way.
var drafts = map[string]installed{
	"both-internal":         installedServer(merged(insidePostgres, insideMongo)),
	"postgresql-external":   installedServer(merged(outsidePG, insideMongo), withSecret("pg-credentials", "password", "postgres-password")),
	"both-external":         installedServer(merged(outsidePG, outsideMongo), withSecret("pg-credentials", "postgres-password"), withSecret("mongo-credentials", "mongodb-root-password", "mongodb-password")),
	"mongodb-external":      installedServer(merged(insidePostgres, outsideMongo), withSecret("mongo-credentials", "mongodb-password")),
	"internal-with-secrets": installedServer(tree{"postgresql": tree{"auth": tree{"existingSecret": "pg"}}, "mongodb": tree{"auth": tree{"existingSecret": "mongo"}}}),
	"passwords-in-values": installedServer(tree{
		"postgresql": tree{"internal": false, "postgresqlHost": "pg.example.com", "secureMode": false, "auth": tree{"username": "circleci", "password": ofTheValues}},
		"mongodb":    tree{"internal": false, "hosts": "m.example.com:27017", "auth": tree{"rootPassword": ofTheValues}}},
		withSecret("postgresql", "password"), withSecret("mongodb", "mongodb-root-password", "mongodb-password")),
	"passwords-in-values-and-no-secret": installedServer(tree{
		"postgresql": tree{"internal": false, "postgresqlHost": "10.0.0.7", "secureMode": true, "auth": tree{"username": "circleci", "password": ofTheValues}},
		"mongodb":    tree{"internal": false, "hosts": "[fd00::1]:27019", "auth": tree{"rootPassword": ofTheValues}}}),
	"secrets-not-there":      installedServer(merged(outsidePG, outsideMongo)),
	"secret-without-the-key": installedServer(merged(outsidePG, insideMongo), withSecret("pg-credentials", "pw", "user")),
	"tls-and-options": installedServer(merged(outsidePG, tree{
		"tls": tree{"certificates": []any{"QQ==", "Qg=="}},
		"mongodb": tree{"internal": false, "hosts": "m.example.com:27017", "ssl": true, "tlsInsecure": true,
			"options": "w=majority&authSource=users&replicaSet=rs%200&tlsCertificateKeyFilePassword=" + ofTheValues + "&tlsCAFile=%2Fca.pem",
			"auth":    tree{"username": "circle ci", "mechanism": "MONGODB-X509", "existingSecret": "mongo-credentials"}}}), withSecret("mongo-credentials", "mongodb-root-password")),
	"another-name": installedServer(merged(insidePostgres, insideMongo), func(in *installed) { in.namespace, in.name, in.revision = "tools", "build-farm", 31 }),
	"fullname-override": installedServer(tree{"postgresql": tree{"fullnameOverride": "ci-db"},
		"mongodb": tree{"fullnameOverride": "ci-documents", "internal": false, "hosts": "m.example.com:27017", "ssl": true, "auth": tree{"username": "root", "password": ofTheValues}}},
		withSecret("ci-documents", "mongodb-root-password")),
	"named-after-the-release": installedServer(tree{"postgresql": tree{"fullnameOverride": "", "nameOverride": "db", "postgresqlHost": "server-db", "auth": tree{"existingSecret": "made-by-hand"}},
		"mongodb": tree{"fullnameOverride": nil, "internal": false, "hosts": "m.example.com:27017", "ssl": true, "auth": tree{"username": "root", "password": ofTheValues}}},
		withSecret("made-by-hand", "postgres-password"), withSecret("server-mongodb", "mongodb-root-password")),
	"named-by-the-chart": installedServer(merged(insidePostgres, insideMongo), func(in *installed) {
		in.manifest = "---\n# Source: circleci-server/charts/postgresql/templates/primary/statefulset.yaml\napiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: server-pg}\nspec: {serviceName: server-pg-hl}\n"
	}),
	"before-secure-mode": installedServer(merged(tree{"postgresql": tree{"internal": false, "postgresqlHost": "pg.example.com", "auth": tree{"username": "circleci", "existingSecret": "pg-credentials"}}}, insideMongo),
		func(in *installed) { in.version, in.lacks = "4.8.2", [][]string{{"postgresql", "secureMode"}} }, withSecret("pg-credentials", "password")),
	"version-unknown": installedServer(merged(insidePostgres, insideMongo), func(in *installed) { in.version = "4.17.1" }),
	"version-odd":     installedServer(merged(insidePostgres, insideMongo), func(in *installed) { in.version = "4.10" }),
	"failed":          installedServer(merged(outsidePG, insideMongo), func(in *installed) { in.status = "failed" }, withSecret("pg-credentials", "password")),
	"pending":         installedServer(merged(insidePostgres, insideMongo), func(in *installed) { in.status = "pending-upgrade" }),
	"no-mongodb":      installedServer(insidePostgres, func(in *installed) { in.lacks = [][]string{{"mongodb"}} }),
	"argo-cd": installedServer(merged(insidePostgres, insideMongo), func(in *installed) {
		in.manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: frontend\n  annotations: {argocd.argoproj.io/tracking-id: \"tools_ci:apps/Deployment:ci/frontend\"}\n"
	}),
	"moved-by-us": installedServer(tree{"postgresql": tree{"internal": false, "postgresqlHost": "pg.example.com", "secureMode": true, "auth": tree{"username": "circleci", "existingSecret": "circleci-dr-postgresql"}},
		"mongodb": insideMongo["mongodb"]}, withSecret("circleci-dr-postgresql", "password", "postgres-password")),
}

// Every output is valid, a plan of it has no step and no finding that blocks,
// and nothing of it is a secret.
func TestInitWritesWhatIsThere(t *testing.T) {
	for name, in := range drafts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, kubeconfig := startAPI(t)
			deploy(t, a, in)
			dir := t.TempDir()
			file := filepath.Join(dir, "circleci-dr.yaml")
			code, stdout, stderr := runTool(t, "init", "--kube-context", "prod", "--kubeconfig", kubeconfig, "--file", file)
			if code != codeFine {
				t.Fatalf("init: exit %d\n%s%s", code, stdout, stderr)
			}
			written, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			clean(t, "the file", string(written)+stdout+stderr)
			golden := filepath.Join("testdata/init", name+".yaml")
			if *update {
				if err := os.WriteFile(golden, written, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(written)); diff != "" {
				t.Errorf("go test -update rewrites %s:\n%s", golden, diff)
			}
			if code, stdout, stderr := runTool(t, "validate", "--file", file); code != codeFine {
				t.Errorf("validate: exit %d\n%s%s", code, stdout, stderr)
			}
			code, stdout, stderr = runTool(t, "plan", "--no-inspect", "--detailed-exitcode", "--file", file, "--kubeconfig", kubeconfig, "--output", "json")
			if code != codeFine {
				t.Errorf("plan: exit %d\n%s%s", code, stdout, stderr)
			}
			if len(a.changed) > 0 {
				t.Errorf("the cluster was sent %v", a.changed)
			}
		})
	}
}

// No user in the values is nothing a valid file can say: what init writes is
// valid all the same, and plan names it instead of doing anything.
func TestInitOfAReleaseWithoutAUser(t *testing.T) {
	a, kubeconfig := startAPI(t)
	deploy(t, a, installedServer(merged(tree{"postgresql": tree{"internal": false, "postgresqlHost": "pg.example.com", "auth": tree{"existingSecret": "pg"}}}, insideMongo), withSecret("pg", "password")))
	file := filepath.Join(t.TempDir(), "circleci-dr.yaml")
	for _, step := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"init", "--kube-context", "prod", "--kubeconfig", kubeconfig}, codeFine, "PostgreSQL external"},
		{[]string{"validate"}, codeFine, "is valid"},
		{[]string{"plan", "--no-inspect", "--kubeconfig", kubeconfig}, codeBlocked, "other-external"},
	} {
		code, stdout, stderr := runTool(t, append(step.args, "--file", file)...)
		if code != step.code || !strings.Contains(stdout+stderr, step.want) {
			t.Errorf("%s: exit %d\n%s%s", step.args[0], code, stdout, stderr)
		}
	}
}

// What is offered can be filled in by taking the comment sign away.
func TestWhatInitOffersIsValid(t *testing.T) {
	for _, block := range []string{"backup:", "restore:", "mover:", "external:"} {
		text, err := os.ReadFile("testdata/init/both-internal.yaml")
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "spec.yaml")
		if err := os.WriteFile(file, []byte(uncomment(string(text), block)), 0o600); err != nil {
			t.Fatal(err)
		}
		code, stdout, stderr := runTool(t, "validate", "--file", file)
		if code != codeFine {
			t.Errorf("%s exit %d\n%s%s\n%s", block, code, stdout, stderr, uncomment(string(text), block))
		}
	}
}

// uncomment takes the comment sign from the lines of every block of a name.
func uncomment(text, block string) string {
	var out []string
	inside, head := false, ""
	for line := range strings.Lines(text) {
		at, rest, isComment := strings.Cut(line, "# ")
		isComment = isComment && strings.TrimSpace(at) == ""
		switch {
		case isComment && strings.HasPrefix(rest, block):
			inside, head = true, at
		case !isComment || at != head:
			inside = false
		case !strings.HasPrefix(rest, " "):
			inside = false
		}
		if inside {
			line = at + rest
		}
		out = append(out, line)
	}
	return strings.Join(out, "")
}

// The page shows what init writes.
func TestThePageShowsWhatInitWrites(t *testing.T) {
	page, err := os.ReadFile("../../docs/getting-started.md")
	if err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile("testdata/init/both-internal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "## Write down what is there")
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	shown, _, ok := strings.Cut(rest, "```")
	if !ok || !strings.Contains(string(written), shown) {
		t.Errorf("init writes\n%s\nwhich has not\n%s", written, shown)
	}
}
