package helm

import (
	"fmt"
	"maps"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// trusting is what an upgrade changes only because it changes tls.certificates.
// The chart itself says so: it is rendered once more without.
type trusting struct {
	// made are the keys of objects that would not be there.
	made map[string]bool
	// fields are leaves as they would be otherwise, by the object's key and the
	// leaf's path; nil for one that would not be there.
	fields map[string]map[string]any
}

// newTrusting compares the upgrade's manifest with that of the same upgrade
// without its change of tls.certificates.
func newTrusting(t *target, manifest string, change server.ReleaseChange) (trusting, error) {
	out := trusting{made: map[string]bool{}, fields: map[string]map[string]any{}}
	if _, changes := change.Set[server.TrustBlock]; !changes {
		return out, nil
	}
	rest := maps.Clone(change.Set)
	delete(rest, server.TrustBlock)
	values, err := merge(t.base.Config, rest)
	if err != nil {
		return out, err
	}
	other, err := newManifest(t, values, change.HoldAtZero, t.fresh)
	if err != nil {
		return out, fmt.Errorf("render the chart without the changed tls.certificates: %w", err)
	}
	with, err := parse(manifest)
	if err != nil {
		return out, err
	}
	without, err := parse(other)
	if err != nil {
		return out, err
	}
	before := byKey(without)
	for _, d := range with {
		was, there := before[d.key()]
		if !there {
			out.made[d.key()] = true
			continue
		}
		out.add(d.key(), flatten(was.object), flatten(d.object))
	}
	return out, nil
}

func (t trusting) add(key string, was, is fields) {
	for _, path := range differ(was, is) {
		if t.fields[key] == nil {
			t.fields[key] = map[string]any{}
		}
		t.fields[key][path] = was[path]
	}
}
