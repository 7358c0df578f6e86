package helm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Declared reads the newest record of the release with what its values say of
// the datastores. No secret is in it.
func (c *Client) Declared(ctx context.Context) engine.Observed[server.DeclaredRelease] {
	got, err := within(ctx, func() (server.DeclaredRelease, error) {
		var out server.DeclaredRelease
		s, err := c.open()
		if err != nil {
			return out, err
		}
		all, err := c.history(s)
		if err != nil {
			return out, err
		}
		if out, err = declaredIn(all[0]); err != nil {
			return out, newScrubber(all[0].Config).err(fmt.Errorf("read helm release %s revision %d: %w", all[0].Name, all[0].Version, err))
		}
		out.Release.Manager, out.Release.Evidence, out.Release.ManagerObject, err = manager(ctx, s.Configuration, c.opts.Namespace, all[0])
		return out, err
	})
	switch {
	case errors.Is(err, errNoRelease):
		return engine.NotThere[server.DeclaredRelease]()
	case err != nil:
		return engine.CouldNot[server.DeclaredRelease](err)
	}
	return engine.Found(got)
}

func declaredIn(rel *release.Release) (server.DeclaredRelease, error) {
	var out server.DeclaredRelease
	values, err := chartutil.CoalesceValues(rel.Chart, rel.Config)
	if err != nil {
		return out, fmt.Errorf("merge chart defaults: %w", err)
	}
	if values, err = named(rel, values); err != nil {
		return out, err
	}
	if out.Values, err = declared(values); err != nil {
		return out, err
	}
	out.Release, err = detach(rel, values, out.Values)
	return out, err
}

// declared finds what values say of the datastores, the chart's defaults in
// them. Of a password it only tells that there is one.
func declared(values map[string]any) (server.DeclaredValues, error) {
	var out server.DeclaredValues
	if _, ok := values["postgresql"].(map[string]any); !ok {
		return out, errors.New("its values have no postgresql block: is this a CircleCI Server release?")
	}
	secrets := server.ValuesSecrets()
	for _, path := range append(server.ValuesPaths(), secrets...) {
		fact := server.ValuesFact{Path: path, File: "the release's values", Value: server.ValueAt(values, strings.Split(path, ".")...)}
		if fact.Value == nil || fact.Value == "" && slices.Contains(secrets, path) {
			continue
		}
		if slices.Contains(secrets, path) {
			fact.Value = nil
		}
		out.Facts = append(out.Facts, fact)
	}
	return out, nil
}

// mongo is the release's MongoDB. A chart without a block for it has none of
// its own to move.
func mongo(values map[string]any, said server.DeclaredValues) (server.ReleaseStore, error) {
	if _, ok := values["mongodb"].(map[string]any); !ok {
		return server.ReleaseStore{Internal: true, FullName: "mongodb"}, nil
	}
	return server.StoreOf(mover.MongoDB, said)
}
