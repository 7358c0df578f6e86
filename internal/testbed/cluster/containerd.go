package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
)

// ctr runs containerd's client in the namespace of the kubelet.
func ctr(ctx context.Context, stdin io.Reader, args ...string) ([]string, error) {
	cmd := exec.CommandContext(ctx, "ctr", append([]string{"-a", containerdSocket(), "-n", "k8s.io"}, args...)...)
	cmd.Stdin = stdin
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run ctr %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return strings.Fields(string(out)), nil
}

// readyContainerd waits for containerd and imports the images. A store that a
// crash left unreadable is dropped: all of it can be imported again.
func (c *Cluster) readyContainerd(ctx context.Context, fresh bool, importImages func(context.Context) error) error {
	answers := func(ctx context.Context) error {
		if _, err := os.Stat(containerdSocket()); err != nil {
			return err // without starting a process every time
		}
		_, err := ctr(ctx, nil, "version")
		return err
	}
	err := c.await(ctx, "containerd", 30*time.Second, []string{partContainerd}, answers)
	if err == nil {
		// With an unreadable store it answers, but lacks the services that use it.
		_, err = ctr(ctx, nil, "containers", "ls", "-q")
	}
	if err != nil && fresh && ctx.Err() == nil {
		c.Report.Say("containerd cannot use the images it kept, dropping them: %v", err)
		if err := c.dropStore(ctx); err != nil {
			return err
		}
		err = c.await(ctx, "containerd with an empty store", 30*time.Second, []string{partContainerd}, answers)
	}
	if err != nil {
		return err
	}
	if fresh {
		if err := removeContainers(ctx); err != nil {
			return err
		}
	}
	return importImages(ctx)
}

func (c *Cluster) dropStore(ctx context.Context) error {
	if err := Parts().Stop(ctx, partContainerd, syscall.SIGKILL, 5*time.Second); err != nil {
		return err
	}
	if err := errors.Join(unmountBelow(c.Store), os.RemoveAll(c.Store), os.MkdirAll(c.Store, 0o700)); err != nil {
		return fmt.Errorf("drop the image store: %w", err)
	}
	return c.ensure(ctx, c.ground())
}

// removeContainers removes the containers that are recorded.
func removeContainers(ctx context.Context) error {
	tasks, err := ctr(ctx, nil, "tasks", "ls", "-q")
	errs := []error{err}
	for _, id := range tasks {
		_, err := ctr(ctx, nil, "tasks", "rm", "-f", id)
		// It may end between the two calls, which is what is wanted.
		if err != nil && !strings.Contains(err.Error(), "not found") {
			errs = append(errs, err)
		}
	}
	containers, err := ctr(ctx, nil, "containers", "ls", "-q")
	errs = append(errs, err)
	for _, id := range containers {
		_, err := ctr(ctx, nil, "containers", "rm", id)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Store keeps images from boot to boot.
type Store struct{ Dir string }

// imported is the file that says which content an image name has in the store.
func (s Store) imported(name string) string {
	return filepath.Join(s.Dir, "imported", strings.NewReplacer("/", "_", ":", "_").Replace(name))
}

// Has says whether the store has an image of that name and content.
func (s Store) Has(ctx context.Context, name, digest string) (bool, error) {
	data, err := os.ReadFile(s.imported(name))
	if err != nil || string(data) != digest {
		return false, nil // not imported, or another content
	}
	names, err := ctr(ctx, nil, "images", "ls", "-q")
	return slices.Contains(names, "docker.io/"+name), err
}

// Import imports the image that write writes. The note of it is made last and
// after a sync, so a crash costs another import and never a broken image.
func (s Store) Import(ctx context.Context, name, digest string, write func(io.Writer) error) error {
	note := s.imported(name)
	if err := os.MkdirAll(filepath.Dir(note), 0o700); err != nil {
		return fmt.Errorf("import %s: %w", name, err)
	}
	if err := os.Remove(note); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("import %s: %w", name, err)
	}
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(write(w)) }() // never fails; ctr sees write's error as a cut stream
	_, err := ctr(ctx, r, "images", "import", "-")
	_ = r.Close() // lets the writer go when ctr ended early; it never fails
	if err != nil {
		return fmt.Errorf("import %s: %w", name, err)
	}
	if err := cache.Sync(s.Dir); err != nil {
		return err
	}
	return writeFile(note, []byte(digest), 0o600)
}

// mountEtcd puts etcd's data on a tmpfs, where its many syncs are free.
func mountEtcd() error {
	dir := path("etcd")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make etcd's directory: %w", err)
	}
	points, err := mountsBelow(dir)
	if err != nil || len(points) > 0 {
		return err
	}
	if err := syscall.Mount("circleci-dr-testbed", dir, "tmpfs", 0, "size=2g,mode=700"); err != nil {
		return fmt.Errorf("mount a tmpfs for etcd: %w", err)
	}
	return nil
}
