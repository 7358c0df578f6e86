package helm

import (
	"bytes"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/postrender"
	"sigs.k8s.io/yaml"
)

// holdAtZero is a post-renderer that stops the application layer in the
// manifest itself: Helm compares live objects with the manifest, so an
// application that was only scaled to zero by hand comes back with any
// upgrade. Hooks never pass through it.
type holdAtZero struct{}

var _ postrender.PostRenderer = holdAtZero{}

// Run sets replicas of every application workload to 0 and suspends its
// CronJobs. Everything else stays byte for byte, Helm's source comments included.
func (holdAtZero) Run(rendered *bytes.Buffer) (*bytes.Buffer, error) {
	held, err := hold(rendered.String())
	if err != nil {
		return nil, fmt.Errorf("hold the application at zero: %w", err)
	}
	return bytes.NewBufferString(held), nil
}

func hold(manifest string) (string, error) {
	docs, err := parse(manifest)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	for _, d := range docs {
		body := d.text
		if isApplication(d.object) {
			if body, err = atZero(d); err != nil {
				return "", err
			}
		}
		fmt.Fprintf(&out, "---\n%s\n", strings.TrimRight(body, "\n"))
	}
	return out.String(), nil
}

func atZero(d document) (string, error) {
	spec, ok := d.object["spec"].(map[string]any)
	if !ok {
		return "", fmt.Errorf("%s has no spec", d.ref())
	}
	if text(d.object["kind"]) == kindCronJob {
		spec["suspend"] = true
	} else {
		spec["replicas"] = int64(0)
	}
	data, err := yaml.Marshal(d.object)
	if err != nil {
		return "", fmt.Errorf("write %s: %w", d.ref(), err)
	}
	if d.source == "" {
		return string(data), nil
	}
	return "# Source: " + d.source + "\n" + string(data), nil
}
