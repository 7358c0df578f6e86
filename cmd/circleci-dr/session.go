package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/helm"
	"github.com/circleci-dr/circleci-dr/internal/kube"
	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/internal/values"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// session is a loaded spec and the connections to what it names.
type session struct {
	spec      *spec.Spec
	kube      *kube.Client
	release   *helm.Client
	providers server.Providers
	// chart packs the release's chart, where it is on this machine.
	chart    func() ([]byte, error)
	readOnly bool
}

// access is how far a command may reach.
type access struct {
	readOnly bool // refuses every mutating verb
	here     bool // what the plan says would be done by this very process
	// patience is how long an API server may be away.
	patience time.Duration
}

// open loads the spec, connects, and finds out whether the API server can be
// asked anything.
func (p *program) open(ctx context.Context, o common, a access) (*session, error) {
	s, err := p.load(o, o.output == "json")
	if err != nil {
		return nil, err
	}
	for _, n := range s.Notes() {
		fmt.Fprintln(p.err, n.String())
	}
	if s.Server == nil {
		return &session{spec: s}, nil
	}
	override(s, o)
	if s.Server.KubeContext == "" {
		return nil, usagef("%s names no server.kubeContext and there is no --kube-context; whatever is current is never used", o.file)
	}
	chart := s.Server.Chart
	if chart != "" && o.chart == "" && !strings.Contains(chart, "://") {
		chart = besideSpec(chart, o.file)
	}
	ses, err := connect(s, p.kubeOptions(s, o, a), chart)
	if err != nil {
		return nil, err
	}
	ses.readOnly = a.readOnly
	ses.providers.Values = values.New(filepath.Dir(o.file), s.Server.Values)
	if a.here {
		ses.providers.Patient = p.patient
	}
	return ses, p.reach(ctx, ses.kube, o.kubeconfig, s.Server.KubeContext, a.patience)
}

// connect ties the adapters together for a spec.
func connect(s *spec.Spec, options kube.Options, chart string) (*session, error) {
	var release *helm.Client
	// Our pods must be able to start wherever the release's pods can.
	options.Defaults = func(ctx context.Context) (spec.Mover, error) {
		rel := release.Release(ctx)
		if !rel.Is() {
			return spec.Mover{}, errors.New(rel.Why)
		}
		return spec.Mover{ImagePullSecrets: rel.Value.ImagePullSecrets, NodeSelector: rel.Value.NodeSelector, Tolerations: rel.Value.Tolerations}, nil
	}
	var client *kube.Client
	options.Redactor = redactorOf(func(ctx context.Context, see func(string)) error {
		if err := client.EachSecret(ctx, passwordsOf(s), see); err != nil {
			return err
		}
		_, err := release.Revisions(ctx, see)
		return err
	}, time.Now)
	client, err := kube.New(options)
	if err != nil {
		return nil, &unreachable{err}
	}
	release, err = helm.New(helm.Options{
		Config: client.Config(), Namespace: s.Server.Namespace, Release: s.Server.Release, Chart: chart, Version: s.Server.Version,
	})
	if err != nil {
		return nil, err
	}
	return &session{spec: s, kube: client, release: release, chart: release.Archive, providers: server.Providers{
		Outside: engine.Outside{Records: client, Now: time.Now, Wait: process.Pause, At: testHook},
		Cluster: client, Releases: release, Switcher: release, Workloads: client, Neighbours: client, Stores: client, Passwords: client,
		Movers: client, Access: client, Leases: client, Starts: client, Authorities: client, Roads: client, Reconcilers: client,
		Tool: toolVersion(),
	}}, nil
}

// override lets flags win over the spec; the digest of the spec follows, so
// that a plan knows what it was made with.
func override(s *spec.Spec, o common) {
	for _, f := range []struct {
		flag string
		to   *string
	}{{o.kubeContext, &s.Server.KubeContext}, {o.chart, &s.Server.Chart}, {o.image, &s.Mover.Image}} {
		if f.flag != "" {
			*f.to = f.flag
		}
	}
}

func (p *program) kubeOptions(s *spec.Spec, o common, a access) kube.Options {
	return kube.Options{
		Kubeconfig: o.kubeconfig, Context: s.Server.KubeContext, Namespace: s.Server.Namespace, Release: s.Server.Release,
		Name: s.Name, Mover: s.Mover, Image: publishedImage(), Dir: filepath.Dir(o.file), Env: p.env, Owner: owner(), Version: toolVersion(), ReadOnly: a.readOnly,
	}
}

// owner names this run to whoever finds its lease.
func owner() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host + "/" + strconv.Itoa(os.Getpid())
}

// patient says why this process is itself a job of the installation it would
// stop: CircleCI sets CIRCLECI and CIRCLE_BUILD_URL in every job.
func (p *program) patient(rel server.Release) string {
	if v, ok := p.env("CIRCLECI"); !ok || v == "" || v == "false" {
		return ""
	}
	build, _ := p.env("CIRCLE_BUILD_URL")
	u, err := url.Parse(build)
	if err != nil || rel.Domain == "" || !strings.EqualFold(u.Hostname(), rel.Domain) {
		return ""
	}
	return "CIRCLE_BUILD_URL is on " + rel.Domain
}

// errNoServer is what commands that need a cluster say about a services
// machine.
func errNoServer(o common) error {
	return &hint{errors.New(o.file + " describes a services machine, which this version does not act on"),
		"plan and status show what is declared"}
}
