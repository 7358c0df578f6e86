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
	"github.com/circleci-dr/circleci-dr/spec"
)

// Somebody copies the Role out of the documentation: it must give exactly what
// preflight asks for.
func TestTheDocumentedRightsAreTheOnesAskedFor(t *testing.T) {
	page, err := os.ReadFile("../../docs/moving-postgresql.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\napiVersion: rbac.authorization.k8s.io/v1")
	text, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page shows no Role")
	}
	var documented, asked []string
	for _, doc := range strings.Split(text, "\n---\n") {
		var role struct {
			Kind  string              `json:"kind"`
			Rules []rbacv1.PolicyRule `json:"rules"`
		}
		if err := yaml.Unmarshal([]byte(doc), &role); err != nil {
			t.Fatal(err)
		}
		for _, r := range role.Rules {
			for _, resource := range r.Resources {
				for _, verb := range r.Verbs {
					documented = append(documented, fmt.Sprintf("%s: %s %s %s", role.Kind, verb, r.APIGroups[0], resource))
				}
			}
		}
	}
	for _, p := range reconcile.Permissions(&spec.Spec{Server: &spec.Server{}}) {
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
