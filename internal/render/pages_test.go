package render_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/spec"
)

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestReadmeShowsARealPlan: every line of the plan in the README stands in the
// golden one, in that order; … leaves lines out.
func TestReadmeShowsARealPlan(t *testing.T) {
	golden := strings.Split(read(t, "testdata/plan-move.txt"), "\n")
	_, block, _ := strings.Cut(read(t, "../../README.md"), "$ circleci-dr plan --out plan.json\n")
	block, _, _ = strings.Cut(block, "```")
	at := 0
	for _, line := range strings.Split(strings.TrimSpace(block), "\n") {
		if line == "…" || line == "" {
			continue
		}
		i := slices.Index(golden[at:], line)
		if i < 0 {
			t.Fatalf("the README's plan has a line that the real one has not:\n%s", line)
		}
		at += i + 1
	}
	if at == 0 {
		t.Fatal("the README shows no plan")
	}
}

// TestRoleIsWhatAPlanUses compares the Role of the page with the rights that
// preflight asks for.
func TestRoleIsWhatAPlanUses(t *testing.T) {
	_, block, _ := strings.Cut(read(t, "../../docs/moving-postgresql.md"), "apiVersion: rbac.authorization.k8s.io/v1")
	block, _, _ = strings.Cut("apiVersion: rbac.authorization.k8s.io/v1"+block, "```")
	var got []string
	for _, doc := range strings.Split(block, "---") {
		var role struct {
			Kind  string
			Rules []struct {
				APIGroups        []string `yaml:"apiGroups"`
				Resources, Verbs []string
			}
		}
		if err := yaml.Unmarshal([]byte(doc), &role); err != nil {
			t.Fatal(err)
		}
		for _, r := range role.Rules {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					got = append(got, fmt.Sprintf("%s %s %q/%s", role.Kind, verb, r.APIGroups[0], resource))
				}
			}
		}
	}
	var want []string
	for _, p := range reconcile.Permissions(&spec.Spec{Server: &spec.Server{}}) {
		kind := map[bool]string{false: "Role", true: "ClusterRole"}[p.Cluster]
		want = append(want, fmt.Sprintf("%s %s %q/%s", kind, p.Verb, p.Group, p.Resource))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the page's Role gives\n%s\nand a plan uses\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

var link = regexp.MustCompile(`\]\(([^)#]+)(#[^)]*)?\)`)

// TestLinksLead: every relative link of a page leads to a file.
func TestLinksLead(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	decisions, err := filepath.Glob("../../docs/adr/*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) == 0 || len(decisions) == 0 {
		t.Fatal("there are no pages")
	}
	pages = append(pages, decisions...)
	for _, page := range append(pages, "../../README.md", "../../CONTRIBUTING.md", "../../SECURITY.md") {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}
