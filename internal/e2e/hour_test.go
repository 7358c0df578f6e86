//go:build testbed

package e2e

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// strangersValues are of somebody who names things, makes Secrets by hand and
// leaves the number of pods to Kubernetes.
const strangersValues = `postgresql:
  fullnameOverride: ci-db
  postgresqlHost: ci-db
  replicaCount: null
  auth: {postgresPassword: "", existingSecret: ci-db-login}
mongodb:
  fullnameOverride: ""
  nameOverride: documents
  hosts: build-farm-documents:27017
  replicaCount: null
  auth: {rootPassword: "", existingSecret: documents-login}
keyset: {signing: "", encryption: ""}
services:
  frontend: {replicas: null}
  api-service: {replicas: null}
  workflows-conductor: {replicas: null}
  domain-service: {replicas: null}
  output-processor: {replicas: null}
  contexts-service: {replicas: null}
  cron-service: {replicas: null}
  builds-service: {replicas: null}
  permissions-service: {replicas: null}
  vm-scaler: {replicas: null}
`

// handMade are the Secrets of that release.
var handMade = map[string][]string{
	"ci-db-login":     {"postgres-password"},
	"documents-login": {"mongodb-root-password", "mongodb-password"},
	"signing-keys":    {"signing-key", "encryption-key"},
}

// strangersSite is an installation as the fixture's own is not: of another name,
// with other names in it, and without the Secrets that other tests find there.
func strangersSite(t *testing.T) *site {
	t.Helper()
	s := prepared(t, "e2e-tools", "build-farm")
	ctx, create := t.Context(), metav1.CreateOptions{}
	if _, err := s.kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.ns}}, create); err != nil {
		t.Fatal(err)
	}
	for name, keys := range handMade {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{}}
		password := rand.Text()
		for _, key := range keys {
			secret.StringData[key] = password
		}
		if _, err := s.kube.CoreV1().Secrets(s.ns).Create(ctx, secret, create); err != nil {
			t.Fatal(err)
		}
	}
	none := filepath.Join(s.dir, "none")
	s.install(strangersValues, "--size", "5MB", "--external-password-file", none, "--mongo-password-file", none)
	scale(s, "api-service", 2) // by hand: no manifest of the release knows a count
	return s
}

// page is what somebody finds on a page: commands, changes to the file, and what
// is shown of what they say.
type page struct {
	commands []string
	file     string
	shown    []string
}

// gettingStarted reads the page, with the names of this site where the page has
// examples.
func (s *site) gettingStarted() page {
	s.t.Helper()
	text, err := os.ReadFile("../../docs/getting-started.md")
	if err != nil {
		s.t.Fatal(err)
	}
	got := string(text)
	for _, own := range [][2]string{
		{"namespace=circleci-server\n", "namespace=" + s.ns + "\n"}, {"host: pg.example.com", "host: " + s.out.host()}, {"port: 5432\n", "port: " + s.out.port + "\n"},
	} {
		if !strings.Contains(got, own[0]) {
			s.t.Fatalf("the page has no %q", own[0])
		}
		got = strings.ReplaceAll(got, own[0], own[1])
	}
	var p page
	for _, block := range fenced.FindAllStringSubmatch(got, -1) {
		body := strings.ReplaceAll("\n"+block[3], "\n"+block[1], "\n")[1:]
		switch block[2] {
		case "sh":
			p.commands = append(p.commands, body)
		case "yaml":
			p.file = body // the first shows what init writes, the last what to change
		case "text":
			p.shown = append(p.shown, strings.Split(strings.TrimRight(body, "\n"), "\n")...)
		}
	}
	return p
}

var fenced = regexp.MustCompile("(?ms)^( *)```([a-z]+)\n(.*?)^ *```$")

// reads are the blocks of commands in the page, in order: what the reader has
// done by hand before, and what the commands say.
var reads = []struct {
	byHand func(*stranger)
	says   []string
}{
	{nil, []string{"circleci-dr dev", "image: none is published for a development build"}},
	{nil, []string{"digest ", "dist/circleci-dr-image.tar"}},
	{nil, []string{"wrote circleci-dr.yaml: release build-farm in namespace e2e-tools, PostgreSQL internal, MongoDB internal", "circleci-dr.yaml is valid", "nothing to do"}},
	{(*stranger).writesPassword, []string{"secret/pg-external created"}},
	{nil, nil},
	{(*stranger).changesFile, []string{"circleci-dr.yaml is valid", "13 steps", "claim data-ci-db-0", "Secret ci-db-login stay"}},
}

// TestTheFirstHour does what docs/getting-started.md says, letter by letter, as
// somebody whose release is not like ours; then every other command on that
// release, with no more rights than it needs.
func TestTheFirstHour(t *testing.T) {
	s := strangersSite(t)
	before := s.replicas()
	p := s.gettingStarted()
	if len(p.commands) != len(reads) {
		t.Fatalf("the page has %d blocks of commands, and the test knows %d: %q", len(p.commands), len(reads), p.commands)
	}
	r := s.stranger(p)
	said := ""
	for i, block := range p.commands {
		if reads[i].byHand != nil {
			reads[i].byHand(r)
		}
		said = r.types(block)
		s.contains("block "+block, strings.Join(strings.Fields(said), " "), reads[i].says...)
	}
	r.hasAPlan(said)
	s.leftByAPlan()
	if got := s.replicas(); !maps.Equal(got, before) {
		t.Errorf("replicas = %v, before %v", got, before)
	}
	s.everyCommandWithItsRights()
}

// hasAPlan demands that the reader has the plan that the page shows.
func (r *stranger) hasAPlan(said string) {
	r.s.t.Helper()
	var lines []string
	for line := range strings.Lines(said) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	for _, shown := range r.shown {
		want := strings.Join(strings.Fields(shown), " ")
		if !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(line, want+" ") }) {
			r.s.t.Errorf("the plan has no step %q:\n%s", want, said)
		}
	}
	var plan struct {
		Blocked bool `json:"blocked"`
		Steps   []struct{ ID string }
	}
	r.s.decode([]byte(r.reads("plan.json")), &plan)
	var ids []string
	for _, step := range plan.Steps {
		ids = append(ids, step.ID)
	}
	at := r.s.out.address()
	want := []string{"write-credentials/circleci-dr-postgresql", "protect-store/ci-db", "rehearse/" + at, "record-replicas/application", "quiesce/application",
		"fence-source/ci-db", "copy/" + at, "prove/postgresql", "switch-release/build-farm", "commit-lineage/postgresql-e1", "resume-service/application",
		"settle-release/release", "remove-internal/ci-db"}
	if !slices.Equal(ids, want) || plan.Blocked || len(r.shown) != len(want) {
		r.s.t.Errorf("the page shows %d steps, the plan has %q, want %q; blocked: %v", len(r.shown), ids, want, plan.Blocked)
	}
	r.s.noSecrets("the plan file", r.reads("plan.json"))
	r.s.noSecrets("the spec", r.reads("circleci-dr.yaml"))
	rights, err := exec.Command("kubectl", "--kubeconfig", r.kubeconfig, "--context", "prod", "apply", "--dry-run=server", "--filename", filepath.Join(r.at(), "plan-rights.yaml")).CombinedOutput()
	if err != nil || !strings.Contains(string(rights), "role") {
		r.s.t.Errorf("the cluster does not take the rights that the page prints: %v\n%s", err, rights)
	}
}

// leftByAPlan demands that what the page names is all that is left of ours.
func (s *site) leftByAPlan() {
	s.t.Helper()
	secrets, err := s.kube.CoreV1().Secrets(s.ns).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	records, err := s.kube.CoreV1().ConfigMaps(s.ns).List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	var left []string
	for _, o := range secrets.Items {
		left = append(left, "Secret/"+o.Name)
	}
	for _, o := range records.Items {
		left = append(left, "ConfigMap/"+o.Name)
	}
	left = slices.DeleteFunc(left, func(name string) bool { return !strings.Contains(name, "/circleci-dr") })
	if want := []string{"ConfigMap/circleci-dr-inspection-mongodb", "ConfigMap/circleci-dr-inspection-postgresql"}; !slices.Equal(left, want) {
		s.t.Errorf("a plan has left %q, want %q", left, want)
	}
}

// writesPassword is what the page asks for before the Secret is made.
func (r *stranger) writesPassword() {
	password, err := os.ReadFile(env(r.s.t, "CIRCLECI_DR_TESTBED_PG_PASSWORD_FILE"))
	if err != nil {
		r.s.t.Fatal(err)
	}
	secret := strings.TrimSpace(string(password))
	r.s.secrets = append(r.s.secrets, secret)
	r.writes("pg-password.txt", secret)
}

// changesFile is what the page asks for before the plan: the authority, and the
// changes to what init wrote.
func (r *stranger) changesFile() {
	r.s.t.Helper()
	written := r.reads("circleci-dr.yaml")
	r.s.contains("what init wrote", written, "under the name ci-db", "under the name build-farm-documents")
	if _, err := os.Stat(filepath.Join(r.at(), "pg-password.txt")); err == nil {
		r.s.t.Error("the page leaves the password in a file")
	}
	r.writes("rds-ca.pem", r.s.read("ca.pem"))
	var file, change map[string]any
	for text, into := range map[string]*map[string]any{written: &file, r.changes: &change} {
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			r.s.t.Fatal(err)
		}
	}
	merge(file, change)
	text, err := json.Marshal(file)
	if err != nil {
		r.s.t.Fatal(err)
	}
	r.writes("circleci-dr.yaml", string(text)+"\n")
}

// merge writes the changes over what is there.
func merge(into, changes map[string]any) {
	for name, v := range changes {
		had, both := into[name].(map[string]any)
		has, isBlock := v.(map[string]any)
		if both && isBlock {
			merge(had, has)
			continue
		}
		into[name] = v
	}
}
