package helm

import (
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
)

// capabilities asks the cluster what it is, as the SDK would, and leaves the
// answer in cfg so that the SDK does not ask again.
func capabilities(cfg *action.Configuration) (*chartutil.Capabilities, error) {
	if cfg.Capabilities != nil {
		return cfg.Capabilities, nil
	}
	client, err := cfg.RESTClientGetter.ToDiscoveryClient()
	if err != nil {
		return nil, err
	}
	client.Invalidate()
	version, err := client.ServerVersion()
	if err != nil {
		return nil, fmt.Errorf("ask the cluster for its version: %w", err)
	}
	apis, err := action.GetVersionSet(client)
	if err != nil {
		return nil, fmt.Errorf("ask the cluster for its kinds: %w", err)
	}
	cfg.Capabilities = &chartutil.Capabilities{
		APIVersions: apis,
		KubeVersion: chartutil.KubeVersion{Version: version.GitVersion, Major: version.Major, Minor: version.Minor},
		HelmVersion: chartutil.DefaultCapabilities.HelmVersion,
	}
	return cfg.Capabilities, nil
}

// rendered is what a chart gives for an install or upgrade.
type rendered struct {
	manifest string
	hooks    []*release.Hook
}

// render gives the manifest that an install or upgrade of the chart would
// store, hooks left out. It uses up the chart. Templates may look objects up
// in the cluster, as they may in a real upgrade.
func render(cfg *action.Configuration, ch *chart.Chart, config map[string]any, opts chartutil.ReleaseOptions) (string, error) {
	all, err := renderAll(cfg, ch, config, opts)
	return all.manifest, err
}

// renderAll is render with the hooks.
func renderAll(cfg *action.Configuration, ch *chart.Chart, config map[string]any, opts chartutil.ReleaseOptions) (rendered, error) {
	config, err := plain(config)
	if err != nil {
		return rendered{}, err
	}
	if err := chartutil.ProcessDependenciesWithMerge(ch, config); err != nil {
		return rendered{}, fmt.Errorf("choose subcharts: %w", err)
	}
	caps, err := capabilities(cfg)
	if err != nil {
		return rendered{}, err
	}
	values, err := chartutil.ToRenderValues(ch, config, opts, caps)
	if err != nil {
		return rendered{}, err
	}
	files, err := newEngine(cfg, ch, values)
	if err != nil {
		return rendered{}, err
	}
	for name := range files {
		if strings.HasSuffix(name, "NOTES.txt") {
			delete(files, name)
		}
	}
	hooks, manifests, err := releaseutil.SortManifests(files, nil, releaseutil.InstallOrder)
	if err != nil {
		return rendered{}, err
	}
	var out strings.Builder
	for _, m := range manifests {
		fmt.Fprintf(&out, "---\n# Source: %s\n%s\n", m.Name, m.Content)
	}
	return rendered{out.String(), hooks}, nil
}

func newEngine(cfg *action.Configuration, ch *chart.Chart, values chartutil.Values) (map[string]string, error) {
	if cfg.RESTClientGetter == nil {
		return engine.Render(ch, values)
	}
	config, err := cfg.RESTClientGetter.ToRESTConfig()
	if err != nil {
		return nil, err
	}
	return engine.RenderWithClient(ch, values, config)
}
