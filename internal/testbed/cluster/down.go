package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/host"
	"github.com/circleci-dr/circleci-dr/internal/testbed/proc"
)

// Remove takes the cluster away with everything it left on the machine. It
// works on what a crash left too, goes on after an error, and may run twice.
// store is where the images are; they stay.
func Remove(ctx context.Context, store string) error {
	parts := Parts()
	var errs []error
	step := func(err error) { errs = append(errs, err) }
	// Nothing here is worth a graceful end: all of its data goes too.
	for _, name := range []string{partKubelet, partProvisioner, partProxy, partDNS, partScheduler, partControllers, partAPIServer, partEtcd} {
		step(parts.Stop(ctx, name, syscall.SIGKILL, 5*time.Second))
	}
	step(killPods(ctx))
	if _, state := parts.Find(partContainerd); state == proc.Running {
		short, cancel := context.WithTimeout(ctx, 10*time.Second)
		// What it cannot remove now, the next boot removes.
		if err := removeContainers(short); err != nil {
			fmt.Fprintf(os.Stderr, "testbed: containers stay recorded until the next boot: %v\n", err)
		}
		cancel()
	}
	step(parts.Stop(ctx, partContainerd, syscall.SIGKILL, 5*time.Second))
	step(parts.KillMarked(ctx, 10*time.Second)) // shims, and parts whose record is lost
	step(unmountBelow(RunDir))
	if store != "" {
		step(unmountBelow(store))
	}
	step(plan().Remove(ctx))
	step(removeCgroups(ctx))
	step(removeStrays())
	if err := errors.Join(errs...); err != nil {
		return err // the directory stays: it is what a second down works from
	}
	// A directory under a mount would take the mounted files with it.
	if points, err := mountsBelow(RunDir); err != nil {
		return err
	} else if len(points) > 0 {
		return fmt.Errorf("remove %s: %d mounts are still there, the first is %s", RunDir, len(points), points[0])
	}
	if err := os.RemoveAll(RunDir); err != nil {
		return fmt.Errorf("remove the runtime directory: %w", err)
	}
	return nil
}

// podGroups are the control groups of the pods, one per hierarchy.
func podGroups() ([]string, error) {
	return filepath.Glob(filepath.Join(host.CgroupRoot, "*", "kubepods"))
}

// killPods kills what runs in the pods' control groups; it needs no containerd.
func killPods(ctx context.Context) error {
	root := filepath.Join(host.CgroupRoot, "pids", "kubepods")
	return proc.KillAll(ctx, 10*time.Second, "kill the pods", func() ([]int, error) { return groupProcesses(root) })
}

func groupProcesses(root string) ([]int, error) {
	var pids []int
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a group that went away during the walk
		}
		if err != nil || entry.Name() != "cgroup.procs" {
			return err
		}
		data, err := os.ReadFile(file) //nolint:gosec // nobody makes links among control groups
		if err != nil {
			return nil // the same
		}
		for _, word := range strings.Fields(string(data)) {
			if pid, err := strconv.Atoi(word); err == nil {
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids, err
}

// removeCgroups removes the pods' control groups, deepest first. The kernel
// lets go of one only when its last process is reaped.
func removeCgroups(ctx context.Context) error {
	for end := time.Now().Add(10 * time.Second); ; {
		groups, err := podGroups()
		if err != nil || len(groups) == 0 {
			return err
		}
		for _, g := range groups {
			if err := removeGroup(g); err != nil && (time.Now().After(end) || ctx.Err() != nil) {
				return fmt.Errorf("remove the pods' control groups: %w", err)
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func removeGroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() {
			if err := removeGroup(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return syscall.Rmdir(dir) // its files are the kernel's and go with it
}
