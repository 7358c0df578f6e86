package helm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/storage/driver"
	"k8s.io/client-go/rest"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Options say which release and where its chart is.
type Options struct {
	// Config reaches the cluster; see Kubeconfig for one made from a file.
	Config *rest.Config
	// Namespace and Release name the release.
	Namespace, Release string
	// Chart is a directory, a .tgz or an oci:// reference. Empty means the
	// chart kept in the release, which is only good when it has no subcharts.
	Chart string
	// Version is the version the spec asks for; empty means the deployed one.
	// Upgrades never change the version, so another one is an error.
	Version string
	// MaxHistory is how many revisions Helm keeps; 0 means 10.
	MaxHistory int
	// HookTimeout is how long one hook may take; 0 means hookTime.
	HookTimeout time.Duration
	// Log gets Helm's own lines at debug level; nil means nowhere.
	Log *slog.Logger
}

// hookTime is how long one hook of the chart may take.
const hookTime = 15 * time.Minute

// Client works on one release. It satisfies reconcile.Releases and
// reconcile.Switcher.
type Client struct {
	opts   Options
	source chartSource
	// config makes a fresh SDK configuration for one operation.
	config func(*talk) (*action.Configuration, error)
}

// operation is one call: its own SDK configuration and its own ear, so
// that reads which run side by side do not mix.
type operation struct {
	*action.Configuration
	talk *talk
}

func (c *Client) open() (*operation, error) {
	t := newTalk(c.opts.Log)
	cfg, err := c.config(t)
	if err != nil {
		return nil, fmt.Errorf("reach the cluster of helm release %s: %w", c.opts.Release, err)
	}
	return &operation{Configuration: cfg, talk: t}, nil
}

var (
	_ server.Releases = (*Client)(nil)
	_ server.Switcher = (*Client)(nil)
)

// New gives a client. It reads nothing from the cluster yet.
func New(opts Options) (*Client, error) {
	switch {
	case opts.Config == nil:
		return nil, errors.New("open helm release: no cluster was given")
	case opts.Namespace == "" || opts.Release == "":
		return nil, errors.New("open helm release: namespace and release name are required")
	}
	if err := chartutil.ValidateReleaseName(opts.Release); err != nil {
		return nil, fmt.Errorf("open helm release %q: %w", opts.Release, err)
	}
	if opts.MaxHistory == 0 {
		opts.MaxHistory = 10
	}
	if opts.HookTimeout == 0 {
		opts.HookTimeout = hookTime
	}
	silence()
	get := newGetter(opts.Config, opts.Namespace)
	config := func(t *talk) (*action.Configuration, error) {
		cfg := &action.Configuration{}
		return cfg, cfg.Init(get, opts.Namespace, "secret", t.line)
	}
	return &Client{opts: opts, source: chartSource{ref: opts.Chart}, config: config}, nil
}

// errNoRelease means the read worked and there is no such release.
var errNoRelease = errors.New("no such helm release")

// history gives every revision, newest first. A record that Helm could not
// decode is an error: Helm itself skips it and would take an older one for
// the newest.
func (c *Client) history(s *operation) ([]*release.Release, error) {
	all, err := s.Releases.History(c.opts.Release)
	if bad := s.talk.undecodable(); bad > 0 {
		return nil, fmt.Errorf("read helm release %s: %d of its records cannot be decoded; look at the Secrets with label owner=helm,name=%s", c.opts.Release, bad, c.opts.Release)
	}
	if errors.Is(err, driver.ErrReleaseNotFound) || (err == nil && len(all) == 0) {
		return nil, errNoRelease
	}
	if err != nil {
		return nil, fmt.Errorf("read helm release %s in namespace %s: %w", c.opts.Release, c.opts.Namespace, err)
	}
	releaseutil.Reverse(all, releaseutil.SortByRevision)
	for _, rel := range all {
		if rel.Info == nil || rel.Chart == nil || rel.Chart.Metadata == nil {
			return nil, fmt.Errorf("read helm release %s: the record of revision %d has no status or no chart", c.opts.Release, rel.Version)
		}
	}
	return all, nil
}

// baseline is the revision Helm compares an upgrade with: the newest deployed
// one, or the newest when none is deployed.
func baseline(all []*release.Release) *release.Release {
	for _, rel := range all {
		if rel.Info.Status == release.StatusDeployed {
			return rel
		}
	}
	return all[0]
}

// within runs f, and returns early when ctx ends: the SDK's own reads take no
// context. f must only read.
func within[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
