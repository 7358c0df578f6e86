package helm

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
)

// faithful proves that a chart is the one a revision was made from: rendered
// with the revision's own values it gives the revision's own manifest. What
// does not fit is returned, one line each; nothing means proven.
//
// Helm keeps no subcharts in a release, and an upgrade with a chart that
// lacks one deletes its objects without a word, so this is asked before every
// upgrade.
func faithful(cfg *action.Configuration, rel *release.Release, fresh func() (*chart.Chart, error)) ([]string, error) {
	ch, err := fresh()
	if err != nil {
		return nil, err
	}
	lines := missingSubcharts(ch, rel)
	var first string
	for i, opts := range renderedAs(rel) {
		if i > 0 {
			if ch, err = fresh(); err != nil {
				return nil, err
			}
		}
		rendered, err := render(cfg, ch, rel.Config, opts)
		if err != nil {
			return append(lines, "the chart does not render with the release's own values: "+err.Error()), nil
		}
		if rendered == rel.Manifest {
			return lines, nil
		}
		if i == 0 {
			first = rendered
		}
	}
	// Charts may make up values (randAlphaNum, genCA, now). What differs
	// between two renders of the same input says nothing about the chart.
	if ch, err = later(fresh)(); err != nil {
		return nil, err
	}
	second, err := render(cfg, ch, rel.Config, renderedAs(rel)[0])
	if err != nil {
		return nil, err
	}
	differences, err := compareManifests(rel.Manifest, first, second)
	return append(lines, differences...), err
}

// renderedAs gives the release data a revision's templates may have seen. A
// rollback stores the manifest of an older revision under a new number.
func renderedAs(rel *release.Release) []chartutil.ReleaseOptions {
	numbers := []int{rel.Version}
	if m := rolledBack.FindStringSubmatch(rel.Info.Description); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			numbers = append(numbers, n)
		}
	}
	var out []chartutil.ReleaseOptions
	for _, n := range numbers {
		out = append(out, chartutil.ReleaseOptions{
			Name: rel.Name, Namespace: rel.Namespace, Revision: n, IsInstall: n == 1, IsUpgrade: n != 1,
		})
	}
	return out
}

var rolledBack = regexp.MustCompile(`(?i)(?:rollback to|back to revision) (\d+)`)

// missingSubcharts names the subcharts that Chart.yaml asks for and the
// archive lacks, with the objects an upgrade would delete.
func missingSubcharts(ch *chart.Chart, rel *release.Release) []string {
	var out []string
	for _, want := range ch.Metadata.Dependencies {
		if slices.ContainsFunc(ch.Dependencies(), func(have *chart.Chart) bool { return have.Name() == want.Name }) {
			continue
		}
		name := want.Name
		if want.Alias != "" {
			name = want.Alias
		}
		line := fmt.Sprintf("subchart %s is named in Chart.yaml and missing from the chart", name)
		if objects := objectsOf(rel.Manifest, ch.Name()+"/charts/"+name+"/"); len(objects) > 0 {
			line += "; an upgrade would delete " + strings.Join(objects, ", ")
		}
		out = append(out, line)
	}
	return out
}

func objectsOf(manifest, prefix string) []string {
	docs, err := parse(manifest)
	if err != nil {
		return nil
	}
	var out []string
	for _, d := range docs {
		if strings.HasPrefix(d.source, prefix) {
			out = append(out, d.ref())
		}
	}
	return out
}

// compareManifests says how the manifest of a release differs from what the
// chart renders; again is a second render of the same.
func compareManifests(stored, rendered, again string) ([]string, error) {
	var sets [3]map[string]document
	var order [3][]document
	for i, manifest := range []string{stored, rendered, again} {
		docs, err := parse(manifest)
		if err != nil {
			return nil, err
		}
		sets[i], order[i] = byKey(docs), docs
	}
	random := noChurn()
	random.compare(order[1], order[2])
	var out []string
	forgiven := maps.Clone(random.places)
	for _, was := range order[0] {
		now, there := sets[1][was.key()]
		if !there && forgiven[was.place()] > 0 {
			forgiven[was.place()]--
			continue
		}
		if !there {
			out = append(out, fmt.Sprintf("%s (%s) is in the release and not rendered by the chart; an upgrade would delete it", was.ref(), was.source))
			continue
		}
		out = append(out, compareObjects(was, now, random.fields[was.key()])...)
	}
	for _, now := range order[1] {
		if _, there := sets[0][now.key()]; !there && !random.names[now.key()] {
			out = append(out, fmt.Sprintf("%s (%s) is rendered by the chart and not in the release", now.ref(), now.source))
		}
	}
	return out, nil
}

func compareObjects(was, now document, random map[string]bool) []string {
	old, young := flatten(was.object), flatten(now.object)
	shower := shower{kind: was.kind()}
	var out []string
	for _, path := range differ(old, young) {
		// Our own upgrade of a stopped application stores replicas 0.
		held := isApplication(was.object) && (path == pathReplicas && show(old[path]) == "0" || path == pathSuspend && show(old[path]) == "true")
		if held || random[path] {
			continue
		}
		c := shower.change(path, old, young)
		out = append(out, fmt.Sprintf("%s %s: the release has %q, the chart renders %q", was.ref(), path, c.From, c.To))
	}
	return out
}
