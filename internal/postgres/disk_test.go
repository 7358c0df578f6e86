package postgres

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestTargetOutOfDisk: a target that has no room left is found by a rehearsal with
// rows, and ends the copy with an error that says so. With more room the same copy begins anew and is whole.
func TestTargetOutOfDisk(t *testing.T) {
	t.Parallel()
	disk, err := os.MkdirTemp("", "small-disk-") //nolint:usetesting // the server's user cannot enter what t.TempDir makes
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=130m,mode=0755"); err != nil {
		t.Fatalf("make a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, syscall.MNT_DETACH); err != nil {
			t.Errorf("remove the small disk: %v", err)
		}
		if err := os.Remove(disk); err != nil {
			t.Error(err)
		}
	})
	dir := filepath.Join(disk, "server")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := pair{source: pgtest.New(t, 12), target: pgtest.NewWith(t, pgtest.Options{Major: 14, Dir: dir, Settings: map[string]string{
		"max_wal_size": "32MB", "wal_level": "minimal", "max_wal_senders": "0"}}), admin: pgtest.Superuser}
	p.source.Exec(t, "postgres", "create database app")
	p.source.Exec(t, "app", simple+`create table big as select g as id, string_agg(md5((g * 100 + i)::text), '') as text from generate_series(1, 40000) g, generate_series(1, 60) i group by g;`)
	rehearsed := dressed(t, p.dressed())
	if n := len(rehearsed.Differences); n != 1 || rehearsed.Ended != mover.LimitTargetDisk {
		t.Fatalf("the rehearsal with rows found %+v", rehearsed)
	}
	if d := rehearsed.Differences[0]; !strings.Contains(d.What, "copy table public.big") || !strings.Contains(d.What, "there is no room left") || d.Fix != biggerDisk {
		t.Errorf("the rehearsal with rows found %+v", d)
	}
	if n := p.target.Value(t, "postgres", leftOfRehearsals); n != "0" {
		t.Errorf("%s things of the rehearsal are left", n)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	err = codeIs(t, p.request(mover.OpCopy), mover.CodeFailed, "target")
	if !strings.Contains(err.Error(), "copy table public.big") || !strings.Contains(err.Error(), "Check free disk space") {
		t.Errorf("got %v", err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=900m,mode=0755"); err != nil {
		t.Fatalf("make the disk bigger: %v", err)
	}
	do[mover.CopyResult](t, p, mover.OpCopy)
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}
