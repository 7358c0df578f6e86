// Package tempmongo starts a MongoDB server for one test and removes it
// afterwards. It knows the server's program; it knows nothing of what a test
// puts into it.
package tempmongo

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cache"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoadmin"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/tree"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Start starts a server of the given release, with the given flags, on a
// socket of its own, and returns the settings of a connection to it.
func Start(t testing.TB, release string, flags ...string) *options.ClientOptions {
	t.Helper()
	program := fetch(t, release)
	dir, err := os.MkdirTemp("", "mongo-") //nolint:usetesting // short: the path of a socket may have 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	socket, data, log := filepath.Join(dir, "s.sock"), filepath.Join(dir, "data"), filepath.Join(dir, "log")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(program, "bin", "mongod"), append([]string{"--dbpath=" + data, "--logpath=" + log,
		"--bind_ip=" + socket, "--unixSocketPrefix=" + dir, "--wiredTigerCacheSizeGB=0.25",
		"--setParameter=diagnosticDataCollectionEnabled=false"}, flags...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "LD_LIBRARY_PATH=" + filepath.Join(program, "lib")}
	// With the test killed it must not stay.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the signal comes when the thread ends, not the process
	t.Cleanup(runtime.UnlockOSThread)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // its data goes too
		_ = cmd.Wait()
	})
	o := mongoadmin.Options(socket)
	client, err := mongo.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(t.Context()) //nolint:errcheck // nothing is left to send
	if err := mongoadmin.Try(t.Context(), time.Minute, func(ctx context.Context) error { return mongoadmin.Ping(ctx, client) }); err != nil {
		said, _ := os.ReadFile(log)
		t.Fatalf("start MongoDB %s: %v\n%s", release, err, said)
	}
	return o
}

func fetch(t testing.TB, release string) string {
	t.Helper()
	store, err := cache.Open()
	if err != nil {
		t.Fatal(err)
	}
	module, err := tree.Find()
	if err != nil {
		t.Fatal(err)
	}
	source := mongoserver.Source{Cache: store, PostgreSQL: pgserver.Source{Cache: store, Extension: filepath.Join(module, "seed", "extension")}}
	program, err := source.Fetch(t.Context(), release, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	return program
}
