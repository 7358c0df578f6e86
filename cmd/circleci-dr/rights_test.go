package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Somebody copies the Role out of the documentation: it must give exactly what
// preflight asks for.
func TestTheDocumentedRightsAreTheOnesAskedFor(t *testing.T) {
	documented := documentedRights(t, "../../docs/moving-postgresql.md", "```yaml\napiVersion: rbac.authorization.k8s.io/v1")
	compareRights(t, documented, reconcile.Permissions(&spec.Spec{Server: &spec.Server{}}))
}

// The same for what a submission takes besides.
func TestTheDocumentedRightsOfASubmissionAreTheOnesAskedFor(t *testing.T) {
	page, err := os.ReadFile("../../docs/in-cluster.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n# Role\n")
	text, _, ok := strings.Cut(rest, "```")
	role, cluster, both := strings.Cut(text, "# ClusterRole\n")
	if !ok || !both {
		t.Fatal("the page shows no rules")
	}
	documented := append(rulesIn(t, "Role", role), rulesIn(t, "ClusterRole", cluster)...)
	compareRights(t, documented, reconcile.SubmitPermissions())
}

func rulesIn(t *testing.T, kind, text string) (out []string) {
	t.Helper()
	var rules []rbacv1.PolicyRule
	if err := yaml.Unmarshal([]byte(text), &rules); err != nil {
		t.Fatal(err)
	}
	for _, r := range rules {
		for _, resource := range r.Resources {
			for _, verb := range r.Verbs {
				out = append(out, fmt.Sprintf("%s: %s %s %s", kind, verb, r.APIGroups[0], resource))
			}
		}
	}
	return out
}

func documentedRights(t *testing.T, path, begin string) (out []string) {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), begin)
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page shows no Role")
	}
	for _, doc := range strings.Split(text, "\n---\n") {
		var role struct {
			Kind  string              `json:"kind"`
			Rules []rbacv1.PolicyRule `json:"rules"`
		}
		if err := yaml.Unmarshal([]byte(doc), &role); err != nil {
			t.Fatal(err)
		}
		rules, err := yaml.Marshal(role.Rules)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, rulesIn(t, role.Kind, string(rules))...)
	}
	return out
}

func compareRights(t *testing.T, documented []string, wanted []server.Permission) {
	t.Helper()
	var asked []string
	for _, p := range wanted {
		kind := "Role"
		if p.Cluster {
			kind = "ClusterRole"
		}
		asked = append(asked, fmt.Sprintf("%s: %s %s %s", kind, p.Verb, p.Group, p.Resource))
	}
	slices.Sort(documented)
	slices.Sort(asked)
	if !slices.Equal(documented, asked) {
		t.Errorf("documented\n%s\nasked for\n%s", strings.Join(documented, "\n"), strings.Join(asked, "\n"))
	}
}

// A command that reaches the cluster has roles of its own.
func TestEveryCommandHasItsRights(t *testing.T) {
	p := &program{out: io.Discard, err: io.Discard, env: os.LookupEnv}
	var reaching []string
	for _, c := range p.app().Commands {
		if slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), "kubeconfig") }) {
			reaching = append(reaching, c.Name)
		}
	}
	slices.Sort(reaching)
	if known := slices.Sorted(maps.Keys(useOf)); !slices.Equal(reaching, known) {
		t.Errorf("the commands %v reach the cluster, and rbac knows %v", reaching, known)
	}
}
