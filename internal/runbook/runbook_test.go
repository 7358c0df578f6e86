package runbook

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

func TestEveryActionHasItsCommands(t *testing.T) {
	t.Parallel()
	for name, p := range plans("") {
		for _, st := range p.Steps {
			s, err := StepByHand(p, st)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range s.kinds() {
				if len(c.Parts) == 0 {
					t.Errorf("a plan %s, %s: nothing is said of %q", name, st.ID, c.Title)
				}
				for _, part := range c.Parts {
					if strings.TrimSpace(part.Text+part.Shell) == "" {
						t.Errorf("a plan %s, %s: a part of %q is empty", name, st.ID, c.Title)
					}
				}
			}
			if !slices.ContainsFunc(s.Do, func(part Part) bool { return part.Shell != "" }) {
				t.Errorf("a plan %s, %s: no command does it", name, st.ID)
			}
		}
	}
	if _, err := StepByHand(engine.Plan{}, engine.Step{ID: "x/y", Action: "of-another-version"}); err == nil {
		t.Error("an action that nobody knows has commands")
	}
	for kind := range byHand {
		if !slices.Contains(reconcile.ActionKinds(), kind) {
			t.Errorf("no plan has action %s", kind)
		}
	}
}

// What a plan file from other hands may hold, in every name at once.
const evil = "';touch pwned;$(touch pwned)`touch pwned`\"\\\nEND\n$(touch pwned)\ntouch pwned\n```\n# x\u202e"

func TestTheCommandsAreShell(t *testing.T) {
	t.Parallel()
	for name, p := range plans("") {
		all := strings.Join(slices.Sorted(maps.Values(texts(t, name, p))), "\n")
		if out, err := shell(t, t.TempDir(), "bash -n <<'WHOLE'\n"+all+"\nWHOLE"); err != nil || out != "" {
			t.Errorf("a plan %s: %v\n%s", name, err, out)
		}
		if n := reconcile.NamesIn(p); n != nil && n.KubeContext != "" && strings.Count(all, "kubectl --context prod --namespace ci ") < 100 {
			t.Errorf("a plan %s: the commands do not name context and namespace", name)
		}
	}
}

// stubs stand for every program that the commands run: they write down what they
// are given. A Secret answers with the password.
const stubs = `log() { printf '%s\n' "$@" >> "$LOG"; }
kubectl() { log kubectl "$@"; case "$*" in *base64decode*) printf canary-5ecret;; *apply*) cat >/dev/null;; esac; }
helm() { log helm "$@"; }
psql() { log psql "$@"; }
pg_dump() { log pg_dump "$@"; }
pg_dumpall() { log pg_dumpall "$@"; }
pg_restore() { log pg_restore "$@"; }
createdb() { log createdb "$@"; }
mongosh() { log mongosh "$@"; }
mongodump() { log mongodump "$@"; }
mongorestore() { log mongorestore "$@"; }
sleep() { :; }
`

// Every text is run whole with names that try to break out of it: none runs a
// command of its own, and no program sees a password among its arguments.
func TestNamesRunNothingAndPasswordsAreNoArguments(t *testing.T) {
	t.Parallel()
	const password = "canary-5ecret"
	var said strings.Builder
	for _, names := range []string{"", evil} {
		for name, p := range plans(names) {
			dir, log := t.TempDir(), filepath.Join(t.TempDir(), "log")
			script := stubs
			for _, text := range texts(t, name, p) {
				script += "(\n" + text + "\n)\n"
			}
			out, err := shell(t, dir, script, "LOG="+log, "PG_OUTSIDE_PASSWORD="+password, "MONGO_OUTSIDE_PASSWORD="+password,
				"CONTEXT=c", "NAMESPACE=n", "RELEASE=r", "CHART=ch", "PG_OUTSIDE=host=x", "MONGO_OUTSIDE=mongodb://u@h/", "MONGO_EXTERNAL="+password)
			if _, gone := os.Stat(filepath.Join(dir, "pwned")); gone == nil || strings.Contains(out, "syntax error") {
				t.Fatalf("a plan %s: a name ran a command (%v):\n%s", name, err, out)
			}
			heard, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			said.Write(heard)
		}
	}
	if strings.Contains(said.String(), password) {
		t.Error("a password was an argument of a program")
	}
	for _, program := range []string{"kubectl", "helm", "psql", "pg_dump", "pg_restore", "pg_dumpall", "createdb", "mongosh", "mongodump", "mongorestore"} {
		if !strings.Contains(said.String(), program+"\n") {
			t.Errorf("no text ran %s", program)
		}
	}
}

// The Markdown of a whole plan: its own order, and no name that ends a block.
func TestMarkdownHoldsWhatItIsGiven(t *testing.T) {
	t.Parallel()
	for name, p := range plans(evil) {
		var b strings.Builder
		if err := Markdown(&b, p); err != nil {
			t.Fatal(err)
		}
		var headings, open int
		fence := ""
		for line := range strings.Lines(b.String()) {
			line = strings.TrimSuffix(line, "\n")
			switch {
			case fence == "" && strings.HasPrefix(line, "```"):
				fence = strings.TrimSuffix(line, "bash")
				open++
			case line == fence:
				fence = ""
			case fence == "" && strings.HasPrefix(line, "## "):
				headings++
			case fence == "" && strings.HasPrefix(line, "touch"):
				t.Errorf("a plan %s: a name stands on a line of its own: %s", name, line)
			}
		}
		if fence != "" || open < len(p.Steps) || headings != len(p.Steps)+1 {
			t.Errorf("a plan %s: %d blocks, %d headings for %d steps, left open with %q", name, open, headings, len(p.Steps), fence)
		}
	}
}

var goTemplate = regexp.MustCompile(`go-template='([^']*)'`)

func TestTemplatesParse(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	all := map[string]string{}
	for name, p := range plans("") {
		maps.Copy(all, texts(t, name, p))
	}
	for what, text := range all {
		for _, m := range goTemplate.FindAllStringSubmatch(text, -1) {
			seen[m[1]] = true
			if _, err := template.New("x").Funcs(template.FuncMap{"base64decode": func(s string) string { return s }}).Parse(m[1]); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	if len(seen) < 8 {
		t.Errorf("only %d templates were seen", len(seen))
	}
}

// The counts of an annotation, as kubectl gives objects to a template.
func TestCountsComeFromTheAnnotation(t *testing.T) {
	t.Parallel()
	m := goTemplate.FindStringSubmatch((&teller{}).recordedCounts())
	work := func(kind, name string, annotations map[string]any) map[string]any {
		meta := map[string]any{"name": name}
		if annotations != nil {
			meta["annotations"] = annotations
		}
		return map[string]any{"kind": kind, "metadata": meta}
	}
	list := map[string]any{"items": []any{
		work("Deployment", "api-service", map[string]any{"circleci-dr/replicas": "3", "other": "x"}), work("Deployment", "without", nil),
		work("Deployment", "of-others", map[string]any{"other": "x"}), work("CronJob", "nightly", map[string]any{"circleci-dr/replicas": "0"}),
	}}
	var b strings.Builder
	if err := template.Must(template.New("x").Parse(m[1])).Execute(&b, list); err != nil {
		t.Fatal(err)
	}
	if want := "Deployment api-service 3\nCronJob nightly 0\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	// The second copy, as the record has it, gives the same lines.
	record := `{"id":"postgresql-e1","parts":[{"places":[{"object":"Deployment/api-service"}]}],"replicas":{"CronJob/nightly":0,"Deployment/api-service":3},"revision":7}`
	script := strings.Replace((&teller{}).copiedCounts(), (&teller{}).record("move"), "cat record.json", 1)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "record.json"), []byte(record), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := shell(t, dir, script); err != nil || out != "CronJob nightly 0\nDeployment api-service 3\n" {
		t.Errorf("%v: got %q", err, out)
	}
}

// docs/break-glass.md has the very commands of explain --break-glass.
func TestThePageHasTheseCommands(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/break-glass.md")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, c := range BreakGlass(reconcile.Names{}) {
		for _, p := range c.Parts {
			if p.Shell != "" {
				want = append(want, p.Shell)
			}
		}
	}
	var have []string
	for _, block := range strings.Split(string(page), "\n```bash\n")[1:] {
		text, _, _ := strings.Cut(block, "\n```")
		have = append(have, text)
	}
	for i := range max(len(want), len(have)) {
		switch {
		case i >= len(have):
			t.Fatalf("the page lacks:\n%s", want[i])
		case i >= len(want):
			t.Fatalf("the page has one that explain --break-glass has not:\n%s", have[i])
		case want[i] != have[i]:
			t.Fatalf("block %d of the page is\n%s\nand explain --break-glass prints\n%s", i+1, have[i], want[i])
		}
	}
	if !strings.Contains(string(page), turnTable) {
		t.Errorf("the page does not say which way to go:\n%s", turnTable)
	}
	for _, phase := range []reconcile.MovePhase{reconcile.MoveOpen, reconcile.MoveReturning, reconcile.MoveCommitted, reconcile.MoveFinished, reconcile.MoveReverted} {
		if !strings.Contains(turnTable, string(phase)) {
			t.Errorf("nothing is said of phase %s", phase)
		}
	}
}

// Adapters never import each other, so their names stand here once more: they are
// those by which the product writes.
func TestTheNamesAreTheProducts(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ file, constant, value string }{
		{"kube/lease.go", "leaseName", leaseName},
		{"kube/records.go", "recordPrefix", recordName},
		{"kube/records.go", "recordKey", recordKey},
		{"kube/client.go", "annotReplicas", replicasKey},
		{"kube/workloads.go", "application", layerLabel},
		{"postgres/connect.go", "ownDatabase", ownDatabase},
		{"mongo/connect.go", "ownDatabase", ownDatabase},
	} {
		source, err := os.ReadFile("../" + row.file)
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`\b` + row.constant + `\s*= "([^"]*)"`).FindStringSubmatch(string(source))
		if found == nil || found[1] != row.value {
			t.Errorf("%s of %s is %q, here it is %q", row.constant, row.file, found, row.value)
		}
	}
	label, err := os.ReadFile("../kube/client.go")
	if key, value, _ := strings.Cut(oursLabel, "="); err != nil || !strings.Contains(string(label), `= "`+key+`"`) || !strings.Contains(string(label), `"`+value+`"`) {
		t.Errorf("%v: nothing of the product is labelled %s", err, oursLabel)
	}
}

// What a workload is told may be a connection string with its password.
func TestAConnectionStringIsShownWithoutItsPassword(t *testing.T) {
	t.Parallel()
	told := (&teller{n: reconcile.Names{Namespace: "ci", Release: "server"}}).reads()
	out, err := shell(t, t.TempDir(), "helm() { :; }\nkubectl() { echo '  value: postgres://circleci:planted@pg.example.com/db'; }\n"+told)
	if err != nil || strings.Contains(out, "planted") || !strings.Contains(out, "postgres://…@pg.example.com/db") {
		t.Errorf("error %v, shown:\n%s", err, out)
	}
}
