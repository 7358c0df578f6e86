package helm

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// target is an upgrade made ready: what it starts from, with which chart and
// which values.
type target struct {
	*operation
	newest *release.Release
	// base is the revision Helm compares live objects with.
	base   *release.Release
	values map[string]any
	// fresh loads the chart anew; digest names its content.
	fresh  func() (*chart.Chart, error)
	digest string
	// unfaithful says why the chart is not the one the release was made from.
	unfaithful []string
	scrub      scrubber
}

// prepare reads the release, merges the values and proves the chart.
func (c *Client) prepare(ctx context.Context, change server.ReleaseChange) (*target, error) {
	s, err := c.open()
	if err != nil {
		return nil, err
	}
	all, err := c.history(s)
	if err != nil {
		return nil, err
	}
	t := &target{operation: s, newest: all[0], base: baseline(all)}
	t.scrub = newScrubber(t.newest.Config, t.base.Config, change.Set)
	s.talk.hide(t.scrub)
	if t.values, err = merge(t.base.Config, change.Set); err != nil {
		return nil, t.scrub.err(err)
	}
	if err := c.chart(ctx, t, all, change.Set); err != nil {
		return nil, t.scrub.err(err)
	}
	return t, nil
}

// chart finds the chart of the deployed version and compares it with the
// release.
func (c *Client) chart(ctx context.Context, t *target, all []*release.Release, set map[string]any) error {
	meta := t.base.Chart.Metadata
	if c.opts.Version != "" && c.opts.Version != meta.Version {
		return fmt.Errorf("the spec says version %s, deployed is %s: no step changes the version; set server.version to %s, or upgrade first", c.opts.Version, meta.Version, meta.Version)
	}
	if c.source.ref == "" {
		return c.keptChart(t, all, set)
	}
	t.fresh = func() (*chart.Chart, error) { return c.source.load(ctx, meta.Name, meta.Version) }
	ch, err := t.fresh()
	if err != nil {
		return err
	}
	t.digest = chartDigest(ch)
	t.unfaithful, err = faithful(t.Configuration, t.base, t.fresh)
	return err
}

// errNeedsChart is why a release without a chart archive cannot be changed.
var errNeedsChart = errors.New("set server.chart (or --chart) to the chart's oci:// reference, archive or directory")

// keptChart uses the chart that Helm keeps in the release, which never has
// its subcharts: only a chart that never had any is whole.
func (c *Client) keptChart(t *target, all []*release.Release, set map[string]any) error {
	kept := t.base.Chart
	if names := subcharts(kept, all); len(names) > 0 {
		return fmt.Errorf("helm keeps no subcharts in a release, and %s %s has %s: %w", kept.Name(), kept.Metadata.Version, strings.Join(names, ", "), errNeedsChart)
	}
	// Helm also forgets the names of subcharts that were switched off, so the
	// kept chart may lack what a switch would bring.
	if name := switchesOn(t.base.Config, set); name != "" {
		return fmt.Errorf("the chart kept in the release may lack the subchart that %s switches on: %w", name, errNeedsChart)
	}
	t.fresh = func() (*chart.Chart, error) {
		ch, _, err := storedChart(kept)
		return ch, err
	}
	_, sum, err := storedChart(kept)
	if err != nil {
		return err
	}
	t.digest = sum
	if t.unfaithful, err = faithful(t.Configuration, t.base, t.fresh); err != nil {
		return err
	}
	if len(t.unfaithful) > 0 {
		return fmt.Errorf("the chart kept in the release does not give the release's own manifest (%s): %w", t.unfaithful[0], errNeedsChart)
	}
	return nil
}

// subcharts names the subcharts of a kept chart that any revision, or the
// chart's lock file, still remembers.
func subcharts(kept *chart.Chart, all []*release.Release) []string {
	found := map[string]bool{}
	remember := func(deps []*chart.Dependency) {
		for _, d := range deps {
			found[d.Name] = true
		}
	}
	if kept.Lock != nil {
		remember(kept.Lock.Dependencies)
	}
	for _, rel := range all {
		if rel.Chart.Name() == kept.Name() && rel.Chart.Metadata.Version == kept.Metadata.Version {
			remember(rel.Chart.Metadata.Dependencies)
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// switchesOn finds a switch (internal, enabled) that set turns on.
func switchesOn(config, set map[string]any) string {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		switch v := set[name].(type) {
		case map[string]any:
			below, _ := config[name].(map[string]any)
			if found := switchesOn(below, v); found != "" {
				return name + "." + found
			}
		case bool:
			if v && config[name] != true && (name == "internal" || name == "enabled") {
				return name
			}
		}
	}
	return ""
}
