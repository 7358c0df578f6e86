package postgres

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/movertest"
	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestMoveAwkwardToSuperuserOverTLS moves to a server where we may do all:
// nothing is adapted, and passwords are compared.
func TestMoveAwkwardToSuperuserOverTLS(t *testing.T) {
	t.Parallel()
	p := pair{source: pgtest.New(t, 14), target: pgtest.NewWith(t, pgtest.Options{Major: 15, TLS: true}), admin: pgtest.Superuser}
	fill(t, p.source)
	inspected := do[mover.InspectResult](t, p, mover.OpInspect)
	if inspected.Target.Error != "" || inspected.Target.Database.TLSVersion != "TLSv1.3" || len(inspected.Blocked) > 0 ||
		len(inspected.Target.Database.Presented) != 1 || inspected.Target.Database.Presented[0].Chain == "" || inspected.Target.Database.Presented[0].System || len(inspected.Source.Database.Presented) > 0 {
		t.Fatalf("inspected target %+v, blocked %+v", inspected.Target, inspected.Blocked)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	copied := do[mover.CopyResult](t, p, mover.OpCopy)
	if want := []string{"role postgres exists on the target and keeps its own attributes and password"}; !slices.Equal(copied.Adapted, want) {
		t.Errorf("adapted for a superuser: %q, want %q", copied.Adapted, want)
	}
	proof := do[mover.Proof](t, p, mover.OpProve)
	if !proof.Equal() || proof.Compared["roles whose password cannot be read"] != 0 {
		t.Errorf("not equal: %q, compared %v", differences(proof), proof.Compared)
	}
	p.target.Exec(t, "postgres", "alter role app password 'another'")
	proof = do[mover.Proof](t, p, mover.OpProve)
	if got := differences(proof); len(got) != 1 || got[0] != ": role app: password verifier differs" {
		t.Errorf("changed password gives %q", got)
	}
}

// TestWideRowsNeedLittleMemory copies a row of 128 MB.
func TestWideRowsNeedLittleMemory(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", `create table wide (id int, raw bytea); alter table wide alter raw set storage external;
		insert into wide values (1, decode(repeat('00ff5c2e', 32 << 20), 'hex'))`)
	do[mover.FenceResult](t, p, mover.OpFence)
	for _, op := range []mover.Operation{mover.OpCopy, mover.OpProve} {
		cmd, lines := movertest.Start(t, p.request(op))
		for lines.Scan() {
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		const bar = 200 << 10 // KiB
		if rss := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss; rss > bar {
			t.Errorf("%s took %d KiB, more than %d", op, rss, bar)
		} else {
			t.Logf("%s took %d KiB", op, rss)
		}
	}
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

// TestSchemaPublic moves databases whose schema public was changed, which a
// server up to 14 lets nobody do but a superuser.
func TestSchemaPublic(t *testing.T) {
	t.Parallel()
	for _, to := range []int{14, 15} {
		p := newPair(t, 12, to)
		p.source.Exec(t, "postgres", "create role app")
		for _, sql := range []string{"revoke create on schema public from public; create table t (id int)", "alter schema public owner to app; grant usage on schema public to app", "drop schema public", "select 1"} {
			name := "db" + string('a'+rune(len(p.source.Value(t, "postgres", "select repeat('x', count(*)::int) from pg_database"))))
			p.source.Exec(t, "postgres", "create database "+name)
			p.source.Exec(t, name, sql)
		}
		inspected := do[mover.InspectResult](t, p, mover.OpInspect)
		kept := 0
		for _, line := range inspected.Adapted {
			if strings.HasPrefix(line, "schema public of database ") {
				kept++
			}
		}
		if want := map[int]int{14: 3, 15: 0}[to]; kept != want {
			t.Errorf("to %d: %d databases keep their schema public, want %d: %q", to, kept, want, inspected.Adapted)
		}
		do[mover.FenceResult](t, p, mover.OpFence)
		do[mover.CopyResult](t, p, mover.OpCopy)
		if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
			t.Errorf("to %d: not equal: %q", to, differences(proof))
		}
	}
}
