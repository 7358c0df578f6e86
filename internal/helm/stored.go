package helm

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// secretLimit is how much data a Secret holds (k8s.io/api/core/v1,
// MaxSecretSize).
const secretLimit = 1 << 20

// stored measures the record that the upgrade will store and lists the hooks in
// it.
func (t *target) stored(change server.ReleaseChange) (server.RecordSize, []server.Hook, error) {
	ch, err := t.fresh()
	if err != nil {
		return server.RecordSize{}, nil, err
	}
	all, err := renderAll(t.Configuration, ch, t.values, chartutil.ReleaseOptions{
		Name: t.base.Name, Namespace: t.base.Namespace, Revision: t.newest.Version + 1, IsUpgrade: true,
	})
	if err != nil {
		return server.RecordSize{}, nil, fmt.Errorf("render the chart with the new values: %w", err)
	}
	now := helmtime.Time{Time: time.Unix(1<<31, 0)}
	size, err := encodedSize(&release.Release{
		Name: t.base.Name, Namespace: t.base.Namespace, Version: t.newest.Version + 1, Chart: ch, Config: t.values, Manifest: all.manifest, Hooks: all.hooks,
		Info: &release.Info{FirstDeployed: now, LastDeployed: now, Status: release.StatusDeployed, Description: change.Description, Notes: t.base.Info.Notes},
	})
	out := server.RecordSize{Bytes: size, Limit: secretLimit}
	if size > secretLimit {
		out.Large = largest(ch, all.manifest)
	}
	return out, hooksOf(all), err
}

// encodedSize is the length of a record as Helm's driver writes it: JSON, gzip,
// base64 (helm.sh/helm/v3/pkg/storage/driver, encodeRelease).
func encodedSize(rel *release.Release) (int64, error) {
	body, err := json.Marshal(rel)
	if err != nil {
		return 0, fmt.Errorf("measure the release record: %w", err)
	}
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return 0, fmt.Errorf("measure the release record: %w", err)
	}
	return int64(base64.StdEncoding.EncodedLen(packed.Len())), nil
}

// largest names the three largest parts of a record.
func largest(ch *chart.Chart, manifest string) []string {
	type part struct {
		name string
		size int
	}
	parts := []part{{"the manifest", len(manifest)}}
	for _, f := range slices.Concat(ch.Files, ch.Templates) {
		parts = append(parts, part{f.Name, len(f.Data)})
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.name, b.name)) })
	var out []string
	for _, p := range parts[:min(3, len(parts))] {
		out = append(out, p.name+" "+mover.Bytes(int64(p.size)))
	}
	return out
}
