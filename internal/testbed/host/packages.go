// Package host knows what the testbed needs of the machine it runs on: rights,
// control groups, room, Debian packages. It installs packages; everything else
// that is missing it names, all of it at once and before any work.
package host

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// Need is a program or file and the Debian package that has it.
type Need struct {
	// Path is an absolute path, or a name looked up in PATH.
	Path string
	// Package is the Debian package to install when Path is missing.
	Package string
}

// ForServers is what fetching the database servers takes, and what mongod
// needs to run.
var ForServers = []Need{
	{"mvn", "maven"},
	{"xz", "xz-utils"},
	{"tar", "tar"},
	{"/usr/lib/postgresql/15/bin/postgres", "postgresql-15"},
	{"/usr/lib/postgresql/15/bin/psql", "postgresql-client-15"},
	{"pip3", "python3-pip"},
	{"/usr/lib/x86_64-linux-gnu/libcurl.so.4", "libcurl4"},
}

// ForUnitTests is what the unit tests take: the race detector is in C, and
// completions are tried in their own shells.
var ForUnitTests = append([]Need{
	{"zsh", "zsh"},
	{"fish", "fish"},
	{"gcc", "gcc"},
	{"/usr/include/stdlib.h", "libc6-dev"},
}, ForServers...)

// ForCluster is what the whole testbed takes.
var ForCluster = append([]Need{
	{"/usr/bin/etcd", "etcd-server"},
	{"/usr/bin/containerd", "containerd"},
	{"/usr/bin/containerd-shim-runc-v2", "containerd"},
	{"/usr/sbin/runc", "runc"},
	{"/usr/lib/cni/bridge", "containernetworking-plugins"},
	{"/usr/sbin/nft", "nftables"},
	{"ip", "iproute2"},
	{"kubectl", "kubernetes-client"}, // the commands of docs/break-glass.md
	{"/etc/ssl/certs/ca-certificates.crt", "ca-certificates"},
}, ForServers...)

// Install installs the packages of the needs that are missing.
func Install(ctx context.Context, needs []Need, r *progress.Reporter) error {
	packages := missing(needs)
	if len(packages) == 0 {
		return nil
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("these packages are missing: %[1]s; run as root: apt-get install %[1]s", strings.Join(packages, " "))
	}
	return r.Do("install "+strings.Join(packages, " "), func(t *progress.Task) error {
		t.Note("apt-get update")
		if err := apt(ctx, "update"); err != nil {
			return err
		}
		t.Note("apt-get install")
		if err := apt(ctx, append([]string{"install", "--no-install-recommends"}, packages...)...); err != nil {
			return err
		}
		if left := missing(needs); len(left) > 0 {
			return fmt.Errorf("these packages were installed and lack what is needed of them: %s", strings.Join(left, " "))
		}
		return nil
	})
}

func missing(needs []Need) []string {
	var packages []string
	for _, n := range needs {
		var err error
		if filepath.IsAbs(n.Path) {
			_, err = os.Stat(n.Path)
		} else {
			_, err = exec.LookPath(n.Path)
		}
		if err != nil && !slices.Contains(packages, n.Package) {
			packages = append(packages, n.Package)
		}
	}
	return packages
}

func apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", append([]string{"-q", "-y", "-o", "DPkg::Lock::Timeout=120"}, args...)...)
	// Run level 1 keeps the packages from starting their own services: the
	// testbed brings its own configuration.
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run apt-get %s: %w\n%s", args[0], err, lastLines(out.String(), 15))
	}
	return nil
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	if len(lines) > n {
		lines = lines[len(lines)-n:]
	}
	return strings.Join(lines, "\n")
}
