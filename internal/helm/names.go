package helm

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// A datastore inside is called what its subchart makes of the values: what
// fullnameOverride says, and without it a name made of the release's and the
// subchart's (reconcile.FullName). Everything else goes by one value, so what the
// release has rendered, or else what the rule gives, is put there.

const fullnameOverride = "fullnameOverride"

// named are the values of a release in which every datastore's block says what
// it is called.
func named(rel *release.Release, values map[string]any) (map[string]any, error) {
	out := maps.Clone(values)
	for _, e := range server.Engines() {
		store := string(e) // the alias of its subchart, and the name of its block
		block, ok := values[store].(map[string]any)
		if !ok {
			continue
		}
		name, err := calledIn(rel, store, block)
		if err != nil {
			return nil, err
		}
		if name != "" {
			block = maps.Clone(block)
			block[fullnameOverride] = name
			out[store] = block
		}
	}
	return out, nil
}

// calledIn is the name of a datastore's workload and Service, or empty where
// neither the manifest nor the values tell.
func calledIn(rel *release.Release, store string, block map[string]any) (string, error) {
	if name, err := workloadOf(rel.Manifest, store); name != "" || err != nil {
		return name, err
	}
	full, part := text(block[fullnameOverride]), text(block["nameOverride"])
	// A user may have taken the chart's own value away.
	if full == "" && part == "" && server.ValueAt(rel.Chart.Values, store, fullnameOverride) == nil {
		return "", nil
	}
	return server.FullName(rel.Name, full, part, mover.Engine(store)), nil
}

// workloadOf finds the workload of a datastore among what its subchart has
// rendered. Read replicas, arbiters and exporters have longer names.
func workloadOf(manifest, store string) (string, error) {
	var names []string
	for _, part := range releaseutil.SplitManifests(manifest) {
		if !strings.Contains(sourceOf(part), "/charts/"+store+"/") {
			continue
		}
		docs, err := parse(part)
		if err != nil {
			return "", err
		}
		for _, d := range docs {
			if k := d.kind(); (k == "StatefulSet" || k == "Deployment") && d.name() != "" {
				names = append(names, d.name())
			}
		}
	}
	if len(names) == 0 {
		return "", nil
	}
	return slices.MinFunc(names, func(a, b string) int { return cmp.Or(len(a)-len(b), cmp.Compare(a, b)) }), nil
}

// storeName is what a datastore of a release is called.
func storeName(rel *release.Release, store string) (string, error) {
	values, err := chartutil.CoalesceValues(rel.Chart, rel.Config)
	if err != nil {
		return "", fmt.Errorf("merge chart defaults: %w", err)
	}
	block, _ := values[store].(map[string]any)
	name, err := calledIn(rel, store, block)
	return cmp.Or(name, store), err
}
