package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
	"github.com/circleci-dr/circleci-dr/internal/testbed/gobuild"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// kubernetesVersion is what the API server reports; kube/go.mod has the code.
const kubernetesVersion = "v1.34.2"

// obtained are the programs a boot needs.
type obtained struct {
	kube, coredns, pause, provisioner, mongosetup string

	fixture      string            // "" while there is no fixture application
	servers      map[int]string    // directories with bin, by major
	mongoServers map[string]string // directories with bin and lib, by release
}

// internalMongoDB is the release of the MongoDB inside the cluster.
const internalMongoDB = "4.4"

// obtain builds or fetches what is not in the cache.
func obtain(ctx context.Context, c checkout, r *progress.Reporter) (obtained, error) {
	var o obtained
	inImages := background(func() (obtained, error) { return obtainForImages(ctx, c, r) })
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
	provisioner, err := buildKept(ctx, c, r, "provisioner", "the volume provisioner")
	if err != nil {
		return o, err
	}
	images, err := inImages()
	o.provisioner, o.fixture, o.mongosetup = provisioner, images.fixture, images.mongosetup
	o.servers, o.mongoServers = images.servers, images.mongoServers
	return o, err
}

// obtainForImages is obtain for an existing cluster: only what is in images.
func obtainForImages(ctx context.Context, c checkout, r *progress.Reporter) (o obtained, err error) {
	servers := background(func() (serverDirs, error) { return findServers(ctx, c, r) })
	if o.fixture, err = buildFixture(ctx, c, r); err != nil {
		return o, err
	}
	if o.mongosetup, err = buildKept(ctx, c, r, "mongosetup", "the setup of MongoDB"); err != nil {
		return o, err
	}
	dirs, err := servers()
	o.servers, o.mongoServers = dirs.postgresql, dirs.mongodb
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

// serverDirs are where the database servers' programs are.
type serverDirs struct {
	postgresql map[int]string
	mongodb    map[string]string
}

func findServers(ctx context.Context, c checkout, r *progress.Reporter) (serverDirs, error) {
	dirs := serverDirs{postgresql: map[int]string{}, mongodb: map[string]string{}}
	if err := fetchServers(ctx, c, r); err != nil {
		return dirs, err
	}
	var err error
	for _, major := range pgserver.Majors {
		if dirs.postgresql[major], err = c.servers().Dir(ctx, major); err != nil {
			return dirs, err
		}
	}
	for _, release := range mongoserver.Releases {
		if dirs.mongodb[release], err = c.mongoServers().Dir(release); err != nil {
			return dirs, err
		}
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

// buildKept builds a program and keeps it by its content: a running one must
// not be overwritten, and an unchanged one not restarted.
func buildKept(ctx context.Context, c checkout, r *progress.Reporter, name, what string) (kept string, err error) {
	out := filepath.Join(productDir(c), name)
	err = r.Do("build "+what, func(t *progress.Task) error {
		return gobuild.Build(ctx, gobuild.Target{Dir: c.path(), Package: "./" + name}, out, func(s string) { t.Note("%s", s) })
	})
	if err != nil {
		return "", err
	}
	sum, err := cache.FileSum(out)
	if err != nil {
		return "", err
	}
	kept = filepath.Join(c.cache.Dir, "bin", name+"-"+sum[:16], name)
	err = cache.Once(ctx, kept, func(tmp string) error {
		data, err := os.ReadFile(out)
		if err != nil {
			return fmt.Errorf("keep %s: %w", what, err)
		}
		return os.WriteFile(tmp, data, 0o755)
	})
	return kept, err
}
