package helm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/spec"
)

// Release reads the newest record of the release. It needs the right to list
// Secrets; who manages the release is also looked for on live workloads, and
// the evidence says so when those could not be read.
func (c *Client) Release(ctx context.Context) reconcile.Observed[reconcile.Release] {
	got, err := within(ctx, func() (reconcile.Release, error) {
		s, err := c.open()
		if err != nil {
			return reconcile.Release{}, err
		}
		all, err := c.history(s)
		if err != nil {
			return reconcile.Release{}, err
		}
		out, err := detach(all[0])
		if err != nil {
			return reconcile.Release{}, newScrubber(all[0].Config).err(fmt.Errorf("read helm release %s revision %d: %w", all[0].Name, all[0].Version, err))
		}
		out.Manager, out.Evidence, out.ManagerObject, err = manager(ctx, s.Configuration, c.opts.Namespace, all[0])
		return out, err
	})
	switch {
	case errors.Is(err, errNoRelease):
		return reconcile.NotThere[reconcile.Release]()
	case err != nil:
		return reconcile.CouldNot[reconcile.Release](err)
	}
	return reconcile.Found(got)
}

// detach copies what the engine needs out of a record.
func detach(rel *release.Release) (reconcile.Release, error) {
	sum, err := digest(rel.Config)
	if err != nil {
		return reconcile.Release{}, err
	}
	values, err := chartutil.CoalesceValues(rel.Chart, rel.Config)
	if err != nil {
		return reconcile.Release{}, fmt.Errorf("merge chart defaults: %w", err)
	}
	out := reconcile.Release{
		Name: rel.Name, Namespace: rel.Namespace, Revision: rel.Version,
		Status:      rel.Info.Status.String(),
		Description: newScrubber(rel.Config).text(rel.Info.Description),
		Chart:       rel.Chart.Metadata.Name, ChartVersion: rel.Chart.Metadata.Version, AppVersion: rel.Chart.Metadata.AppVersion,
		ConfigDigest: sum,
		Domain:       text(reconcile.ValueAt(values, "global", "domainName")),
	}
	if out.Postgres, err = postgres(values); err != nil {
		return out, err
	}
	if out.Mongo, err = mongo(values); err != nil {
		return out, err
	}
	out.Trust = trust(values)
	ours := []string{reconcile.CredentialsName(reconcile.PostgreSQL), reconcile.CredentialsName(reconcile.MongoDB)}
	if out.Reads, err = secretReads(rel.Manifest, ours); err != nil {
		return out, err
	}
	return out, placement(values, &out)
}

// postgres reads the postgresql block, defaults applied.
func postgres(values map[string]any) (reconcile.ReleaseStore, error) {
	block, ok := values["postgresql"].(map[string]any)
	if !ok {
		return reconcile.ReleaseStore{}, errors.New("its values have no postgresql block: is this a CircleCI Server release?")
	}
	out := reconcile.ReleaseStore{
		Host:           text(block["postgresqlHost"]),
		Username:       text(reconcile.ValueAt(block, "auth", "username")),
		ExistingSecret: text(reconcile.ValueAt(block, "auth", "existingSecret")),
		FullName:       text(block["fullnameOverride"]),
	}
	if out.FullName == "" {
		out.FullName = "postgresql"
	}
	var err error
	if out.Internal, err = flag(block, "postgresql.internal"); err != nil {
		return out, err
	}
	if out.SecureMode, err = flag(block, "postgresql.secureMode"); err != nil {
		return out, err
	}
	if port := show(block["postgresqlPort"]); port != "" {
		if out.Port, err = strconv.Atoi(port); err != nil {
			return out, fmt.Errorf("postgresql.postgresqlPort is %q, not a number", port)
		}
	}
	return out, nil
}

// mongo reads the mongodb block, defaults applied. A chart without one has no
// MongoDB of its own to move.
func mongo(values map[string]any) (reconcile.ReleaseStore, error) {
	block, ok := values["mongodb"].(map[string]any)
	if !ok {
		return reconcile.ReleaseStore{Internal: true, FullName: "mongodb"}, nil
	}
	out := reconcile.ReleaseStore{
		Username:       text(reconcile.ValueAt(block, "auth", "username")),
		ExistingSecret: text(reconcile.ValueAt(block, "auth", "existingSecret")),
		FullName:       text(block["fullnameOverride"]),
	}
	if out.FullName == "" {
		out.FullName = "mongodb"
	}
	for _, host := range strings.Split(text(block["hosts"]), ",") {
		host = strings.TrimSpace(host)
		switch _, _, err := net.SplitHostPort(host); {
		case host == "":
		case err != nil:
			out.Hosts = append(out.Hosts, net.JoinHostPort(strings.Trim(host, "[]"), "27017"))
		default:
			out.Hosts = append(out.Hosts, host)
		}
	}
	var err error
	if out.Internal, err = flag(block, "mongodb.internal"); err != nil {
		return out, err
	}
	out.SecureMode, err = flag(block, "mongodb.ssl")
	return out, err
}

// trust reads what the application is told to trust. What is no text is what the
// chart makes of it, and vouches for nobody.
func trust(values map[string]any) reconcile.Trust {
	list := func(name string) (out []string, other bool) {
		value := reconcile.ValueAt(values, "tls", name)
		all, isList := value.([]any)
		for _, v := range all {
			s := text(v)
			if other = other || s == ""; s != "" {
				out = append(out, s)
			}
		}
		return out, other || value != nil && !isList
	}
	var out reconcile.Trust
	out.Certificates, out.Other = list("certificates")
	out.Imports, _ = list("import")
	if _, isBlock := values[reconcile.TrustBlock].(map[string]any); !isBlock && values[reconcile.TrustBlock] != nil {
		out.Other = true
	}
	return out
}

// flag reads a boolean by its path, absent meaning false; anything else is no
// answer.
func flag(block map[string]any, path string) (bool, error) {
	_, name, _ := strings.Cut(path, ".")
	switch v := block[name].(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	}
	return false, fmt.Errorf("%s is not true or false", path)
}

// placement reads the global values that say where pods run and with which
// registry logins. The values table has had two shapes for the latter.
func placement(values map[string]any, out *reconcile.Release) error {
	secrets, _ := reconcile.ValueAt(values, "global", "imagePullSecrets").([]any)
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
	selector, _ := reconcile.ValueAt(values, "global", "nodeSelector").(map[string]any)
	for name, v := range selector {
		if out.NodeSelector == nil {
			out.NodeSelector = map[string]string{}
		}
		out.NodeSelector[name] = show(v)
	}
	// The values table documents {} for "none", and a list otherwise.
	if list, ok := reconcile.ValueAt(values, "global", "tolerations").([]any); ok && len(list) > 0 {
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
