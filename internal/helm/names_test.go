package helm

import (
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

type block = map[string]any

// What the release has rendered is the name; without it the charts' own rule.
func TestWhatADatastoreIsCalled(t *testing.T) {
	usual := block{"fullnameOverride": "postgresql"}
	for name, row := range map[string]struct {
		release        string
		chart, given   block
		manifest, want string
	}{
		"the chart's own name":             {"server", usual, usual, "", "postgresql"},
		"a name of its own":                {"server", usual, block{"fullnameOverride": "ci-db"}, "", "ci-db"},
		"a chart that names nothing":       {"server", nil, block{}, "", ""},
		"the chart's name taken away":      {"farm", usual, block{}, "", "farm-postgresql"},
		"and emptied":                      {"farm", usual, block{"fullnameOverride": ""}, "", "farm-postgresql"},
		"a part of the name":               {"farm", usual, block{"fullnameOverride": "", "nameOverride": "db"}, "", "farm-db"},
		"a part that the release has":      {"ci-db-farm", usual, block{"fullnameOverride": "", "nameOverride": "db"}, "", "ci-db-farm"},
		"longer than a name may be":        {"a-release-of-fifty-three-characters-which-is-the-limit", usual, block{}, "", "a-release-of-fifty-three-characters-which-is-the-limit-postgres"},
		"cut off at a dash":                {"server", usual, block{"fullnameOverride": "a-name-whose-sixty-third-character-is-a-dash-which-is-left-out--x"}, "", "a-name-whose-sixty-third-character-is-a-dash-which-is-left-out"},
		"what was rendered, over the rule": {"server", usual, usual, subchartOf("postgresql", "StatefulSet/by-another-rule-read", "StatefulSet/by-another-rule"), "by-another-rule"},
		"a Deployment":                     {"server", usual, usual, subchartOf("postgresql", "Deployment/db"), "db"},
		"another subchart's":               {"server", usual, usual, subchartOf("redis", "StatefulSet/redis"), "postgresql"},
		"not a workload":                   {"server", usual, usual, subchartOf("postgresql", "Service/db-headless"), "postgresql"},
	} {
		defaults := block{}
		if row.chart != nil {
			defaults["postgresql"] = row.chart
		}
		rel := &release.Release{Name: row.release, Manifest: row.manifest, Chart: &chart.Chart{Values: defaults}}
		values, err := named(rel, block{"postgresql": row.given, "mongodb": "no block"})
		if err != nil {
			t.Fatal(err)
		}
		if got := text(values["postgresql"].(block)[fullnameOverride]); got != row.want {
			t.Errorf("%s: got %q, want %q", name, got, row.want)
		}
	}
}

func subchartOf(subchart string, objects ...string) (manifest string) {
	for _, ref := range objects {
		kind, name, _ := strings.Cut(ref, "/")
		manifest += "---\n# Source: circleci-server/charts/" + subchart + "/templates/x.yaml\nkind: " + kind + "\nmetadata: {name: " + name + "}\n"
	}
	return manifest
}

// A release whose datastores have names of their own is read and upgraded by
// those, there and back: of a move nothing but settings changes.
func TestAReleaseThatNamesItsDatastores(t *testing.T) {
	b := installedFrom(t, serverChart, serverChart, block{
		"postgresql": block{"fullnameOverride": "ci-db", "postgresqlHost": "ci-db", "replicaCount": nil},
		"mongodb":    block{"fullnameOverride": "", "nameOverride": "documents", "hosts": "server-documents:27017", "replicaCount": nil},
		"services":   block{"frontend": block{"replicas": nil}},
	})
	got := b.Release(t.Context())
	if !got.Is() || got.Value.Postgres.FullName != "ci-db" || got.Value.Mongo.FullName != "server-documents" {
		t.Fatalf("got %+v", got)
	}
	target, err := b.prepare(t.Context(), outwards(t, mover.PostgreSQL, mover.MongoDB))
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := target.secretsOf(block{"postgresql": block{}})
	if err != nil || !slices.Equal(secrets, []string{"circleci-dr-postgresql"}) {
		t.Errorf("the application reads %v, %v", secrets, err)
	}
	if name, err := storeName(target.base, "mongodb"); name != "server-documents" || err != nil {
		t.Errorf("MongoDB is called %s, %v", name, err)
	}
	objects := b.foresee(t, outwards(t, mover.PostgreSQL, mover.MongoDB), nil)
	if left := others(objects); len(left) > 0 || len(objects) < 10 {
		t.Errorf("of %d objects these change otherwise: %q", len(objects), left)
	}
}
