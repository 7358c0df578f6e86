package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
	"github.com/circleci-dr/circleci-dr/internal/testbed/gobuild"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// kubernetesVersion is what the API server reports; kube/go.mod has the code.
const kubernetesVersion = "v1.34.2"

// obtained are the programs a boot needs.
type obtained struct {
	kube, coredns, pause, provisioner string
	fixture                           string         // "" while there is no fixture application
	servers                           map[int]string // directories with bin, by major
}

// obtain builds or fetches what is not in the cache.
func obtain(ctx context.Context, c checkout, r *progress.Reporter) (obtained, error) {
	var o obtained
	servers := background(func() (map[int]string, error) { return serverDirs(ctx, c, r) })
	targets := []struct {
		what, name string
		target     gobuild.Target
		into       *string
	}{
		{"build the pod sandbox", "pause", gobuild.Target{Dir: c.path(), Package: "./images/pause"}, &o.pause},
		{"build CoreDNS", "coredns", gobuild.Target{Dir: c.path("coredns"), Package: "."}, &o.coredns},
		{"build Kubernetes " + kubernetesVersion, "kube", gobuild.Target{Dir: c.path("kube"), Package: ".", LDFlags: versionFlags()}, &o.kube},
	}
	for _, t := range targets {
		err := r.Do(t.what, func(task *progress.Task) (err error) {
			*t.into, err = gobuild.Cached(ctx, c.cache, t.name, t.target, func(s string) { task.Note("%s", s) })
			return err
		})
		if err != nil {
			return o, err
		}
	}
	var err error
	if o.fixture, err = buildFixture(ctx, c, r); err != nil {
		return o, err
	}
	if o.provisioner, err = buildProvisioner(ctx, c, r); err != nil {
		return o, err
	}
	o.servers, err = servers()
	return o, err
}

// versionFlags give the components the version that a release build has.
func versionFlags() string {
	flags := ""
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += fmt.Sprintf(" -X %[1]s.gitVersion=%[2]s -X %[1]s.gitMajor=1 -X %[1]s.gitMinor=34", p, kubernetesVersion)
	}
	return flags
}

func serverDirs(ctx context.Context, c checkout, r *progress.Reporter) (map[int]string, error) {
	if err := fetchServers(ctx, c, r); err != nil {
		return nil, err
	}
	dirs := map[int]string{}
	for _, major := range pgserver.Majors {
		dir, err := c.servers().Dir(ctx, major)
		if err != nil {
			return nil, err
		}
		dirs[major] = dir
	}
	return dirs, nil
}

// buildFixture builds the application of the fixture chart, of which the
// folder frontend holds the command. Its inputs are more than that folder, so
// it is always built through go, which knows what changed.
func buildFixture(ctx context.Context, c checkout, r *progress.Reporter) (string, error) {
	if mains, err := filepath.Glob(c.path("frontend", "*.go")); err != nil || len(mains) == 0 {
		return "", err
	}
	out := filepath.Join(productDir(c), "fixture")
	err := r.Do("build the fixture application", func(t *progress.Task) error {
		return gobuild.Build(ctx, gobuild.Target{Dir: c.path(), Package: "./frontend"}, out, func(s string) { t.Note("%s", s) })
	})
	return out, err
}

// buildProvisioner builds the volume provisioner and keeps it by its content:
// a running one must not be overwritten, and an unchanged one not restarted.
func buildProvisioner(ctx context.Context, c checkout, r *progress.Reporter) (kept string, err error) {
	out := filepath.Join(productDir(c), "provisioner")
	err = r.Do("build the volume provisioner", func(t *progress.Task) error {
		return gobuild.Build(ctx, gobuild.Target{Dir: c.path(), Package: "./provisioner"}, out, func(s string) { t.Note("%s", s) })
	})
	if err != nil {
		return "", err
	}
	sum, err := cache.FileSum(out)
	if err != nil {
		return "", err
	}
	kept = filepath.Join(c.cache.Dir, "bin", "provisioner-"+sum[:16], "provisioner")
	err = cache.Once(ctx, kept, func(tmp string) error {
		data, err := os.ReadFile(out)
		if err != nil {
			return fmt.Errorf("keep the volume provisioner: %w", err)
		}
		return os.WriteFile(tmp, data, 0o755)
	})
	return kept, err
}
