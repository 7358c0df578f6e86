package helm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"helm.sh/helm/v3/pkg/release"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Release reads the newest record of the release. It needs the right to list
// Secrets; who manages the release is also looked for on live workloads, and
// the evidence says so when those could not be read.
func (c *Client) Release(ctx context.Context) engine.Observed[server.Release] {
	got := c.Declared(ctx)
	return engine.Observed[server.Release]{Known: got.Known, Value: got.Value.Release, Why: got.Why}
}

// detach copies what the engine needs out of a record; values are its own with
// the chart's defaults in them, and said what they say of the datastores.
func detach(rel *release.Release, values map[string]any, said server.DeclaredValues) (server.Release, error) {
	sum, err := digest(rel.Config)
	if err != nil {
		return server.Release{}, err
	}
	out := server.Release{
		Name: rel.Name, Namespace: rel.Namespace, Revision: rel.Version,
		Status:      rel.Info.Status.String(),
		Description: newScrubber(rel.Config).text(rel.Info.Description),
		Chart:       rel.Chart.Metadata.Name, ChartVersion: rel.Chart.Metadata.Version, AppVersion: rel.Chart.Metadata.AppVersion,
		ConfigDigest: sum,
		Domain:       text(server.ValueAt(values, "global", "domainName")),
	}
	if out.Postgres, err = server.StoreOf(mover.PostgreSQL, said); err != nil {
		return out, err
	}
	if out.Mongo, err = mongo(values, said); err != nil {
		return out, err
	}
	out.Trust = trust(values)
	var ours []string
	for _, e := range server.Engines() {
		ours = append(ours, server.CredentialsName(e))
	}
	if out.Reads, err = secretReads(rel.Manifest, ours); err != nil {
		return out, err
	}
	return out, placement(values, &out)
}

// trust reads what the application is told to trust. What is no text is what the
// chart makes of it, and vouches for nobody.
func trust(values map[string]any) server.Trust {
	list := func(name string) (out []string, other bool) {
		value := server.ValueAt(values, "tls", name)
		all, isList := value.([]any)
		for _, v := range all {
			s := text(v)
			if other = other || s == ""; s != "" {
				out = append(out, s)
			}
		}
		return out, other || value != nil && !isList
	}
	var out server.Trust
	out.Certificates, out.Other = list("certificates")
	out.Imports, _ = list("import")
	if _, isBlock := values[server.TrustBlock].(map[string]any); !isBlock && values[server.TrustBlock] != nil {
		out.Other = true
	}
	return out
}

// placement reads the global values that say where pods run and with which
// registry logins. The values table has had two shapes for the latter.
func placement(values map[string]any, out *server.Release) error {
	secrets, _ := server.ValueAt(values, "global", "imagePullSecrets").([]any)
	for _, v := range secrets {
		name := text(v)
		if name == "" {
			item, _ := v.(map[string]any)
			name = text(item["name"])
		}
		if name == "" {
			return errors.New("global.imagePullSecrets holds something that is neither a name nor {name: …}")
		}
		out.ImagePullSecrets = append(out.ImagePullSecrets, name)
	}
	selector, _ := server.ValueAt(values, "global", "nodeSelector").(map[string]any)
	for name, v := range selector {
		if out.NodeSelector == nil {
			out.NodeSelector = map[string]string{}
		}
		out.NodeSelector[name] = show(v)
	}
	// The values table documents {} for "none", and a list otherwise.
	if list, ok := server.ValueAt(values, "global", "tolerations").([]any); ok && len(list) > 0 {
		data, err := json.Marshal(list)
		if err != nil {
			return fmt.Errorf("read global.tolerations: %w", err)
		}
		var tolerations []spec.Toleration
		if err := json.Unmarshal(data, &tolerations); err != nil {
			return fmt.Errorf("read global.tolerations: %w", err)
		}
		out.Tolerations = tolerations
	}
	return nil
}
