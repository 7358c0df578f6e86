// Package tempserver starts a PostgreSQL server for one test and removes it
// afterwards. It knows the server's programs; it knows nothing of what a test
// puts into it.
package tempserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/tree"
	"github.com/jackc/pgx/v5"
)

// nobody is who the server runs as when the test runs as root, which
// PostgreSQL refuses.
const nobody = 65534

// Start starts a server of the given major on a socket of its own and returns
// the settings of its superuser. The two roles with passwords that seed makes
// must give them; everybody else is trusted.
func Start(t testing.TB, major int) *pgx.ConnConfig {
	t.Helper()
	store, err := cache.Open()
	if err != nil {
		t.Fatal(err)
	}
	module, err := tree.Find()
	if err != nil {
		t.Fatal(err)
	}
	source := pgserver.Source{Cache: store, Extension: filepath.Join(module, "seed", "extension")}
	programs, err := source.Fetch(t.Context(), major, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	dir := makeDir(t)
	start(t, filepath.Join(programs, "bin"), dir)
	config, err := pgx.ParseConfig("host=" + dir + " user=postgres dbname=postgres")
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func makeDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pg-") //nolint:usetesting // short: the path of a socket may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const access = `local all circle_app scram-sha-256
local all circle_legacy md5
local all all trust
`

func start(t testing.TB, bin, dir string) {
	t.Helper()
	data := filepath.Join(dir, "data")
	run(t, command(t.Context(), filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8", "-A", "trust", "-N"))
	if err := os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte(access), 0o644); err != nil {
		t.Fatal(err)
	}
	options := fmt.Sprintf("-c listen_addresses='' -c unix_socket_directories=%s -c fsync=off -c max_wal_size=2GB", dir)
	ctl := filepath.Join(bin, "pg_ctl")
	run(t, command(t.Context(), ctl, "start", "-w", "-D", data, "-l", filepath.Join(dir, "log"), "-o", options))
	t.Cleanup(func() {
		// The test's own context has ended by now.
		run(t, command(context.WithoutCancel(t.Context()), ctl, "stop", "-w", "-m", "immediate", "-D", data))
	})
}

func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8"}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	return cmd
}

// run waits for the program alone: a server it leaves behind keeps a pipe open.
func run(t testing.TB, cmd *exec.Cmd) {
	t.Helper()
	out, err := os.CreateTemp(t.TempDir(), "out-"+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		t.Fatalf("%s: %v\n%s", filepath.Base(cmd.Path), err, said)
	}
}
