package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// mountsBelow lists the mount points at dir and below it, deepest first.
func mountsBelow(dir string) ([]string, error) {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("list the mounts: %w", err)
	}
	var points []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		if len(fields) < 5 {
			continue
		}
		if p := unescape(fields[4]); p == dir || strings.HasPrefix(p, dir+"/") {
			points = append(points, p)
		}
	}
	slices.SortFunc(points, func(a, b string) int { return strings.Compare(b, a) })
	return points, nil
}

// unescape undoes what the kernel does to odd characters in a mount point.
func unescape(p string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(p)
}

func unmountBelow(dir string) error {
	points, err := mountsBelow(dir)
	errs := []error{err}
	for _, p := range points {
		if err := syscall.Unmount(p, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOENT) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", p, err))
		}
	}
	return errors.Join(errs...)
}

// removeStrays removes what the kubelet, the shims and the CNI plugins put at
// places that cannot be changed. Directories go only when that empties them.
func removeStrays() error {
	errs := []error{os.RemoveAll("/var/lib/kubelet/device-plugins")}
	remove := func(pattern string, ours func(string) bool) {
		files, err := filepath.Glob(pattern)
		errs = append(errs, err)
		for _, f := range files {
			if !ours(f) {
				continue
			}
			if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("remove what the testbed left: %w", err))
			}
		}
	}
	remove("/var/log/containers/*", func(f string) bool {
		target, err := os.Readlink(f)
		return err == nil && strings.HasPrefix(target, RunDir+"/")
	})
	remove("/var/lib/cni/results/circleci-dr-testbed-*", func(string) bool { return true })
	// The loopback results do not name their network; a machine has one cluster.
	remove("/var/lib/cni/results/cni-loopback-*", func(string) bool { return true })
	sockets, err := os.ReadFile("/proc/net/unix")
	errs = append(errs, err)
	remove("/run/containerd/s/*", func(f string) bool {
		return err == nil && !bytes.Contains(sockets, []byte(f)) // nobody listens
	})
	for _, dir := range []string{
		"/var/lib/kubelet", "/var/log/containers", "/var/log/pods", "/var/lib/cni/results", "/var/lib/cni",
		"/run/netns", "/run/containerd/s", "/run/containerd/io.containerd.runtime.v2.task", "/run/containerd",
	} {
		// Not empty means that something else uses it; not there is fine too.
		if err := syscall.Rmdir(dir); err != nil && !slices.Contains([]error{syscall.ENOTEMPTY, syscall.ENOENT, syscall.EEXIST}, err) {
			errs = append(errs, fmt.Errorf("remove %s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}
