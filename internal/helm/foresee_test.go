package helm

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// serverChart is the chart of the testbed.
const serverChart = "../testbed/chart/circleci-server"

// edit changes one file of a chart: after the line that holds at, text is added.
type edit struct{ file, at, text string }

// edited is the server chart with edits.
func edited(t *testing.T, edits ...edit) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "circleci-server")
	if err := os.CopyFS(dir, os.DirFS(serverChart)); err != nil {
		t.Fatal(err)
	}
	for _, e := range edits {
		path := filepath.Join(dir, filepath.FromSlash(e.file))
		data, err := os.ReadFile(path)
		if err != nil && e.at != "" {
			t.Fatal(err)
		}
		text, found := string(data), e.at == ""
		var out strings.Builder
		for line := range strings.Lines(text) {
			out.WriteString(line)
			if !found && strings.Contains(line, e.at) {
				found = true
				out.WriteString(e.text)
			}
		}
		if e.at == "" {
			out.WriteString(e.text)
		}
		if !found {
			t.Fatalf("%s has no line with %q", e.file, e.at)
		}
		if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// outwards are the release's values once the datastores live outside.
func outwards(t *testing.T, engines ...mover.Engine) server.ReleaseChange {
	t.Helper()
	s := &spec.Spec{Datastores: spec.Datastores{
		PostgreSQL: &spec.PostgreSQL{Location: spec.External, External: &spec.PostgreSQLExternal{Host: "pg.example.com", Port: 15432, Username: "circleci"}},
		MongoDB:    &spec.MongoDB{Location: spec.External, External: &spec.MongoDBExternal{Hosts: []string{"m0.example.com:27018"}, Username: "circleci", ReplicaSet: "rs0"}},
	}}
	s = s.WithDefaults()
	set := map[string]any{}
	for _, e := range engines {
		maps.Copy(set, server.ValuesTree(server.DatastoreValues(s, e, "4.10.0")))
	}
	return server.ReleaseChange{Set: set, HoldAtZero: true, Description: "circleci-dr switch"}
}

// installed is a bench with revision 1 of a chart.
func installed(t *testing.T, dir string) *bench {
	t.Helper()
	return installedFrom(t, dir, dir, nil)
}

// installedFrom is a bench whose revision 1 was made from another chart, with
// more values.
func installedFrom(t *testing.T, was, dir string, set map[string]any) *bench {
	t.Helper()
	b := newBench(t, dir)
	install := action.NewInstall(b.cfg(t))
	install.ReleaseName, install.Namespace = "server", "ci"
	values, err := merge(map[string]any{
		"postgresql": map[string]any{"auth": map[string]any{"postgresPassword": secretValue}},
		"mongodb":    map[string]any{"auth": map[string]any{"rootPassword": secretValue, "password": secretValue}},
	}, set)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := install.Run(loadChart(t, was), values); err != nil {
		t.Fatal(err)
	}
	return b
}

// foresee is the preview of a change in a cluster where every object is as the
// manifest says, but for what live changes.
func (b *bench) foresee(t *testing.T, change server.ReleaseChange, live func(map[string]any)) []server.ObjectPreview {
	t.Helper()
	target, err := b.prepare(t.Context(), change)
	if err != nil {
		t.Fatal(err)
	}
	if len(target.unfaithful) > 0 {
		t.Fatalf("the chart is not the release's: %q", target.unfaithful)
	}
	manifest, err := newManifest(target, target.values, change.HoldAtZero, target.fresh)
	if err != nil {
		t.Fatal(err)
	}
	s := &sides{scrub: target.scrub}
	if s.churn, err = newChurn(target, manifest, change.HoldAtZero); err != nil {
		t.Fatal(err)
	}
	if s.trusting, err = newTrusting(target, manifest, change); err != nil {
		t.Fatal(err)
	}
	if s.rewriting, err = target.rewriting(change.Set); err != nil {
		t.Fatal(err)
	}
	old, young := documents(t, target.base.Manifest), documents(t, manifest)
	var out []server.ObjectPreview
	for _, key := range slices.Sorted(maps.Keys(young)) {
		d := young[key]
		p := server.ObjectPreview{Kind: d.kind(), Name: d.name(), Template: d.source, Layer: d.layer(), Action: "update"}
		was, there := old[key]
		if !there {
			p.Action, p.EveryTime, p.Trust = "create", s.churn.names[key], s.trusting.made[key]
			out = append(out, p)
			continue
		}
		now := runtime.DeepCopyJSON(was.object)
		if live != nil {
			live(now)
		}
		effectsOn(&p, judging{shower{kind: d.kind(), scrub: s.scrub}, s.rewriting, s.trusting.fields[key]}, s.churn.fields[key],
			forms{flatten(was.object), flatten(d.object), flatten(now), flatten(d.object)})
		if len(p.Rendered)+len(p.Drifted)+len(p.Renewed) > 0 {
			out = append(out, p)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(old)) {
		if d := old[key]; young[key].object == nil {
			out = append(out, server.ObjectPreview{Kind: d.kind(), Name: d.name(), Template: d.source, Action: "delete", EveryTime: s.churn.names[key]})
		}
	}
	return out
}

func documents(t *testing.T, manifest string) map[string]document {
	t.Helper()
	docs, err := parse(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return byKey(docs)
}

// others are the effects that are neither a setting of the datastores that move
// nor the hold.
func others(objects []server.ObjectPreview) []string {
	var out []string
	for _, o := range objects {
		if strings.Contains(o.Template, "/charts/") || o.EveryTime || o.Trust {
			continue
		}
		if o.Action != "update" {
			out = append(out, o.Action+" "+o.Kind+"/"+o.Name)
		}
		for _, c := range o.Rendered {
			if !c.Setting && c.Field != pathReplicas {
				out = append(out, o.Kind+"/"+o.Name+" "+c.Field+": "+c.From+" → "+c.To)
			}
		}
		for _, c := range o.Drifted {
			if c.Field != pathReplicas {
				out = append(out, o.Kind+"/"+o.Name+" "+c.Field+" drifted")
			}
		}
	}
	return out
}

// at gives the fields of one object that are settings of a datastore, with a
// star where its address changes, and those that are filled anew, with a mark
// where somebody may know what was there.
func at(objects []server.ObjectPreview, name string) (settings, renewed []string) {
	for _, o := range objects {
		if o.Kind+"/"+o.Name != name {
			continue
		}
		for _, c := range o.Rendered {
			if c.Setting {
				settings = append(settings, c.Field+strings.Repeat("*", len(c.Address)))
			}
		}
		for _, r := range o.Renewed {
			mark := ""
			if r.Credential {
				mark = "!"
			}
			renewed = append(renewed, r.Field+mark+strings.Repeat("*", len(r.Address)))
		}
	}
	return settings, renewed
}
