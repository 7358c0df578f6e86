package helm

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"helm.sh/helm/v3/pkg/releaseutil"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// document is one YAML document of a rendered manifest.
type document struct {
	text   string
	source string // from Helm's own `# Source:` line
	object map[string]any
}

// parse splits a manifest. Documents without an object are left out.
func parse(manifest string) ([]document, error) {
	parts := releaseutil.SplitManifests(manifest)
	names := slices.Collect(maps.Keys(parts))
	sort.Sort(releaseutil.BySplitManifestsOrder(names))
	var docs []document
	for _, name := range names {
		d := document{text: parts[name], source: sourceOf(parts[name])}
		data, err := yaml.YAMLToJSON([]byte(d.text))
		if err != nil {
			return nil, fmt.Errorf("read rendered manifest %s: %w", d.source, err)
		}
		// This decoder keeps whole numbers whole; the ordinary one would write
		// 1000000 back as 1e+06.
		if err := json.Unmarshal(data, &d.object); err != nil {
			return nil, fmt.Errorf("read rendered manifest %s: not an object", d.source)
		}
		if len(d.object) > 0 {
			docs = append(docs, d)
		}
	}
	return docs, nil
}

func sourceOf(text string) string {
	for line := range strings.Lines(text) {
		if source, found := strings.CutPrefix(line, "# Source: "); found {
			return strings.TrimSpace(source)
		}
	}
	return ""
}

func (d document) kind() string  { return text(server.ValueAt(d.object, "kind")) }
func (d document) name() string  { return text(server.ValueAt(d.object, "metadata", "name")) }
func (d document) layer() string { return layerOf(d.object) }

// ref is how a person names the object: Kind/name.
func (d document) ref() string { return d.kind() + "/" + d.name() }

// key tells objects of a manifest apart, across versions of their API.
func (d document) key() string {
	group, _, grouped := strings.Cut(text(server.ValueAt(d.object, "apiVersion")), "/")
	if !grouped {
		group = ""
	}
	return strings.Join([]string{group, d.kind(), text(server.ValueAt(d.object, "metadata", "namespace")), d.name()}, "/")
}

// layerOf is an object's layer. A CronJob's is also said by the pods that it
// starts.
func layerOf(object map[string]any) string {
	layer := text(server.ValueAt(object, "metadata", "labels", "layer"))
	if layer != "" || text(object["kind"]) != kindCronJob {
		return layer
	}
	job := []string{"spec", "jobTemplate"}
	for _, at := range [][]string{job, append(job, "spec", "template")} {
		if layer == "" {
			layer = text(server.ValueAt(object, append(at[:len(at):len(at)], "metadata", "labels", "layer")...))
		}
	}
	return layer
}

func text(v any) string {
	s, _ := v.(string)
	return s
}

// byKey finds documents by their key.
func byKey(docs []document) map[string]document {
	out := make(map[string]document, len(docs))
	for _, d := range docs {
		out[d.key()] = d
	}
	return out
}

const kindCronJob = "CronJob"

// isApplication tells whether the object is a workload of the application
// layer, which is what a quiesce stops.
func isApplication(object map[string]any) bool {
	kind := text(server.ValueAt(object, "kind"))
	return (kind == "Deployment" || kind == "StatefulSet" || kind == kindCronJob) && layerOf(object) == "application"
}
