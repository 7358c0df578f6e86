// Package network gives the testbed one bridge that is the node's address, the
// pods' gateway and the DNS address at once, and takes it away again. It knows
// links, routes, nftables and kernel settings; every change it makes is undone
// by Remove, and nothing from the testbed leaves the machine.
package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Plan is the network to make.
type Plan struct {
	Bridge   string
	Address  string // of the bridge, with its prefix length
	Services string // the range of service addresses
	// Saved is the file that keeps the kernel settings as they were before.
	Saved string
}

// guardTable drops what would cross between the bridge and the outside.
const guardTable = "circleci-dr-testbed"

// tables are all nftables tables that a booted testbed has; kube-proxy makes
// the first two.
var tables = []string{"ip kube-proxy", "ip6 kube-proxy", "inet " + guardTable}

// Ensure makes what is missing.
func (p Plan) Ensure(ctx context.Context) error {
	if err := p.saveSettings(); err != nil {
		return err
	}
	if err := p.applySettings(ctx); err != nil {
		return err
	}
	if !linkExists(p.Bridge) {
		if err := run(ctx, "ip", "link", "add", p.Bridge, "type", "bridge"); err != nil {
			return err
		}
	}
	for _, args := range [][]string{
		{"addr", "replace", p.Address, "dev", p.Bridge},
		{"link", "set", p.Bridge, "up"},
		// An unassigned service address must not leave through the default route.
		{"route", "replace", p.Services, "dev", p.Bridge},
	} {
		if err := run(ctx, "ip", args...); err != nil {
			return err
		}
	}
	return p.guard(ctx)
}

// Exists says whether the bridge is there.
func (p Plan) Exists() bool { return linkExists(p.Bridge) }

func linkExists(name string) bool {
	_, err := os.Stat(filepath.Join("/sys/class/net", name))
	return err == nil
}

func (p Plan) guard(ctx context.Context) error {
	// Declared, deleted and declared again in one transaction: never a moment
	// without it, never a rule twice.
	rules := fmt.Sprintf(`table inet %[1]s
delete table inet %[1]s
table inet %[1]s {
  chain forward {
    type filter hook forward priority -10; policy accept;
    iifname "%[2]s" oifname != "%[2]s" drop
    oifname "%[2]s" iifname != "%[2]s" drop
  }
}
`, guardTable, p.Bridge)
	cmd := exec.CommandContext(ctx, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("load the firewall table: %w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// ServicesReady says whether kube-proxy has programmed the given address.
func ServicesReady(ctx context.Context, address string) bool {
	out, err := exec.CommandContext(ctx, "nft", "list", "table", "ip", "kube-proxy").Output()
	return err == nil && strings.Contains(string(out), address)
}

// Remove takes everything away: pod links, the bridge, tables, namespaces,
// and puts the kernel settings back. It goes on after an error.
func (p Plan) Remove(ctx context.Context) error {
	errs := []error{removeNamespaces()}
	ports, err := filepath.Glob(filepath.Join("/sys/class/net", p.Bridge, "brif", "*"))
	errs = append(errs, err)
	for _, port := range ports {
		name := filepath.Base(port)
		// It goes by itself when its namespace does, so only what is left matters.
		if err := run(ctx, "ip", "link", "del", name); err != nil && linkExists(name) {
			errs = append(errs, err)
		}
	}
	if linkExists(p.Bridge) {
		errs = append(errs, run(ctx, "ip", "link", "del", p.Bridge))
	}
	errs = append(errs, removeTables(ctx), p.restoreSettings())
	return errors.Join(errs...)
}

func removeTables(ctx context.Context) error {
	out, err := exec.CommandContext(ctx, "nft", "list", "tables").Output()
	if errors.Is(err, exec.ErrNotFound) {
		return nil // then nothing of ours made one
	}
	if err != nil {
		return fmt.Errorf("list the firewall tables: %w", err)
	}
	var errs []error
	for _, t := range tables {
		if strings.Contains(string(out), "table "+t+"\n") {
			errs = append(errs, run(ctx, "nft", append([]string{"delete", "table"}, strings.Fields(t)...)...))
		}
	}
	return errors.Join(errs...)
}

// removeNamespaces removes the network namespaces of pods. All that carry the
// container runtime's prefix are ours: a machine has one cluster.
func removeNamespaces() error {
	files, err := filepath.Glob("/run/netns/cni-*")
	errs := []error{err}
	for _, f := range files {
		if err := syscall.Unmount(f, syscall.MNT_DETACH); err != nil && !errors.Is(err, syscall.EINVAL) {
			errs = append(errs, fmt.Errorf("unmount %s: %w", f, err))
		}
		if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("remove a network namespace: %w", err))
		}
	}
	return errors.Join(errs...)
}

func run(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
