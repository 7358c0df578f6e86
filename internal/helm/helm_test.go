package helm

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	kubefake "helm.sh/helm/v3/pkg/kube/fake"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
)

const fixture = "testdata/fixture"

// secretValue is planted in values and must never come out.
const secretValue = "canary-pw-7391"

// bench is a release in Helm's in-memory store, under a cluster that takes
// everything and has nothing.
type bench struct {
	*Client
	store driver.Driver
	log   *bytes.Buffer
}

func newBench(t *testing.T, chartRef string) *bench {
	t.Helper()
	memory := driver.NewMemory()
	memory.SetNamespace("ci")
	b := &bench{store: memory, log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.Client = &Client{
		opts:   Options{Namespace: "ci", Release: "server", Chart: chartRef, MaxHistory: 10, Log: log},
		source: chartSource{ref: chartRef},
	}
	b.config = func(t *talk) (*action.Configuration, error) {
		caps := *chartutil.DefaultCapabilities
		return &action.Configuration{
			Releases:     storage.Init(b.store),
			KubeClient:   &kubefake.PrintingKubeClient{Out: io.Discard, LogOutput: io.Discard},
			Capabilities: &caps,
			Log:          t.line,
		}, nil
	}
	return b
}

func (b *bench) operation(t *testing.T) *operation {
	t.Helper()
	s, err := b.open()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bench) cfg(t *testing.T) *action.Configuration {
	t.Helper()
	return b.operation(t).Configuration
}

// install makes revision 1 with these values.
func (b *bench) install(t *testing.T, values map[string]any) {
	t.Helper()
	install := action.NewInstall(b.cfg(t))
	install.ReleaseName, install.Namespace = "server", "ci"
	if _, err := install.Run(loadChart(t, fixture), values); err != nil {
		t.Fatal(err)
	}
}

// put stores a revision that copies the newest one, changed.
func (b *bench) put(t *testing.T, change func(*release.Release)) {
	t.Helper()
	cfg := b.cfg(t)
	last, err := cfg.Releases.Last("server")
	if err != nil {
		t.Fatal(err)
	}
	next, info := *last, *last.Info
	next.Info = &info
	next.Version++
	change(&next)
	if err := cfg.Releases.Create(&next); err != nil {
		t.Fatal(err)
	}
}

// revisions gives status and description of every revision, oldest first.
func (b *bench) revisions(t *testing.T) []string {
	t.Helper()
	all, err := b.history(b.operation(t))
	if err != nil {
		t.Fatal(err)
	}
	return describeAll(all)
}

func describeAll(newestFirst []*release.Release) []string {
	var out []string
	for _, rel := range slices.Backward(newestFirst) {
		out = append(out, string(rel.Info.Status)+": "+rel.Info.Description)
	}
	return out
}

func (b *bench) newest(t *testing.T) *release.Release {
	t.Helper()
	rel, err := b.cfg(t).Releases.Last("server")
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

func loadChart(t *testing.T, dir string) *chart.Chart {
	t.Helper()
	ch, err := loader.LoadDir(filepath.FromSlash(dir))
	if err != nil {
		t.Fatal(err)
	}
	return ch
}

// unreadable is a store that cannot be read.
type unreadable struct{ driver.Driver }

var errForbidden = errors.New(`secrets is forbidden: User "ci" cannot list resource "secrets"`)

func (unreadable) Query(map[string]string) ([]*release.Release, error) { return nil, errForbidden }
