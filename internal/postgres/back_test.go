package postgres

import (
	"context"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// leg is one move of a round trip.
func (p pair) leg(op mover.Operation, back bool, epoch, replaces int) mover.Request {
	req := p.request(op)
	req.Epoch, req.Replaces = epoch, replaces
	req.Move, req.Fence = "move-"+string('0'+rune(epoch)), "fence-"+string('0'+rune(epoch))
	if back {
		req.Source, req.Target = req.Target, req.Source
		req.OwnerMap = map[string]string{p.admin: pgtest.Superuser}
	}
	return req
}

func perform[T any](t *testing.T, req mover.Request) T {
	t.Helper()
	result, err := Run(context.Background(), req, nil)
	if err != nil {
		t.Fatalf("%s of %s: %v", req.Operation, req.Move, err)
	}
	return result.(T)
}

// TestThereAndBackAndThereAgain moves out to a server where we are no
// superuser, back onto the old internal one, and out again. Every leg carries
// what was written since, and no side is overwritten that did not lose its
// turn to the very source.
func TestThereAndBackAndThereAgain(t *testing.T) {
	t.Parallel()
	for _, major := range []int{12, 14} {
		p := newPair(t, major, major)
		p.source.Exec(t, "postgres", "create role app login password 'secret'; create role reporting bypassrls")
		p.source.Exec(t, "postgres", "create database main")
		p.source.Exec(t, "postgres", "create database dropped_outside")
		p.source.Exec(t, "dropped_outside", "create table t (id int)")
		p.source.Exec(t, "main", simple+"alter table jobs owner to app; grant select on steps to reporting")
		for epoch, back := range []bool{false, true, false} {
			epoch++
			replaces := 0
			if epoch > 1 {
				replaces = epoch - 1
				perform[mover.ReadResult](t, p.leg(mover.OpRead, back, epoch, 0))
			}
			to := p.target
			if back {
				to = p.source // which its fence holds until the commit
			}
			perform[mover.FenceResult](t, p.leg(mover.OpFence, back, epoch, 0))
			if replaces > 0 {
				_ = codeIs(t, p.leg(mover.OpCopy, back, epoch, 0), mover.CodeNotEmpty, targetSide)
				_ = codeIs(t, p.leg(mover.OpCopy, back, epoch, replaces+7), mover.CodeNotEmpty, targetSide)
			}
			if replaces > 0 && !back {
				to.Exec(t, "postgres", "create database somebody_elses") // since this side lost its turn
				to.Exec(t, "somebody_elses", "create table t (id int)")
				_ = codeIs(t, p.leg(mover.OpCopy, back, epoch, replaces), mover.CodeNotEmpty, targetSide)
				to.Exec(t, "postgres", "drop database somebody_elses")
			}
			perform[mover.CopyResult](t, p.leg(mover.OpCopy, back, epoch, replaces))
			proof := perform[mover.Proof](t, p.leg(mover.OpProve, back, epoch, replaces))
			if !proof.Equal() {
				t.Fatalf("%d, leg %d: not equal: %q (secure write %v)", major, epoch, differences(proof), proof.SecureWrite)
			}
			commit := p.leg(mover.OpCommit, back, epoch, replaces)
			commit.Counters = proof.Counters
			perform[struct{}](t, commit)
			if back {
				if got := to.Value(t, "main", "select current_setting('default_transaction_read_only')"); got != "on" {
					t.Errorf("%d, leg %d: the copy ended the fence of its target: read only is %s", major, epoch, got)
				}
				lifted := p.leg(mover.OpUnfence, false, epoch, 0) // the old internal side's own
				lifted.Fence = ""
				perform[mover.UnfenceResult](t, lifted)
				perform[mover.UnfenceResult](t, p.leg(mover.OpUnfence, back, epoch, 0))
			}
			rows := to.Value(t, "main", "select count(*) from jobs")
			if want := map[int]string{1: "5000", 2: "5001", 3: "5002"}[epoch]; rows != want {
				t.Fatalf("%d, leg %d: %s rows, want %s", major, epoch, rows, want)
			}
			to.Exec(t, "main", "insert into jobs (name) values ('written since')")
			if epoch == 1 {
				to.Exec(t, "postgres", "drop database dropped_outside")
			}
		}
		if got := p.source.Value(t, "postgres", "select rolbypassrls from pg_roles where rolname = 'reporting'"); got != "true" {
			t.Errorf("%d: BYPASSRLS of the internal role was lost on the way back", major)
		}
	}
}

// TestBackWithAwkwardData takes everything awkward out and back, from a server
// where we are no superuser. What such a role may not read is said before.
func TestBackWithAwkwardData(t *testing.T) {
	t.Parallel()
	p := newPair(t, 14, 14)
	fill(t, p.source)
	perform[mover.FenceResult](t, p.leg(mover.OpFence, false, 1, 0))
	perform[mover.CopyResult](t, p.leg(mover.OpCopy, false, 1, 0))
	// A table of an extension that is not its configuration is not carried.
	p.target.Exec(t, "main", `create table public.run_log (id int); revoke all on public.run_log from public;
		alter extension pgcrypto add table public.run_log`)
	commit := p.leg(mover.OpCommit, false, 1, 0)
	commit.Counters = perform[mover.Proof](t, p.leg(mover.OpProve, false, 1, 0)).Counters
	perform[struct{}](t, commit)

	lift := p.leg(mover.OpUnfence, false, 1, 0)
	perform[mover.UnfenceResult](t, lift)
	blocked := perform[mover.InspectResult](t, p.leg(mover.OpInspect, true, 2, 0)).Blocked
	want := []mover.UnsupportedObject{
		{Database: "main", Object: "table odd.closed", Reason: causes["no right"].why, Fix: causes["no right"].fix},
		{Database: "main", Object: "table odd.forced", Reason: causes["row security"].why, Fix: causes["row security"].fix},
	}
	if !slices.Equal(blocked, want) {
		t.Errorf("blocked: %+v, want %+v", blocked, want)
	}
	_ = codeIs(t, p.leg(mover.OpRead, true, 2, 0), mover.CodePrivilege, sourceSide)
	p.target.Exec(t, "main", "alter table odd.forced no force row level security; drop table odd.closed")

	perform[mover.FenceResult](t, p.leg(mover.OpFence, true, 2, 0))
	if read := perform[mover.ReadResult](t, p.leg(mover.OpRead, true, 2, 0)); read.Tables < 15 || read.Rows < 4000 {
		t.Errorf("read only %+v", read)
	}
	perform[mover.CopyResult](t, p.leg(mover.OpCopy, true, 2, 1))
	if proof := perform[mover.Proof](t, p.leg(mover.OpProve, true, 2, 1)); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

// TestNeverToAnOlderMajor refuses before anything is changed.
func TestNeverToAnOlderMajor(t *testing.T) {
	t.Parallel()
	p := newPair(t, 14, 12)
	p.source.Exec(t, "postgres", "create database main")
	do[mover.FenceResult](t, p, mover.OpFence)
	_ = codeIs(t, p.request(mover.OpCopy), mover.CodeUnsupported, targetSide)
	if got := p.target.Value(t, "postgres", "select count(*) from pg_database where datname = 'main'"); got != "0" {
		t.Error("the target was changed")
	}
}

// TestRestrictedExtensions asks a server what the role may install, and tries it.
func TestRestrictedExtensions(t *testing.T) {
	t.Parallel()
	for major, want := range map[int]bool{12: true, 14: false} {
		p := newPair(t, 12, major)
		p.source.Exec(t, "postgres", "create database main")
		p.source.Exec(t, "main", `create extension "uuid-ossp"`)
		target := do[mover.InspectResult](t, p, mover.OpInspect).Target.Database
		if got := len(target.Restricted["uuid-ossp"]) > 0; got != want {
			t.Errorf("PostgreSQL %d: restricted %v, want %v", major, got, want)
		}
		do[mover.FenceResult](t, p, mover.OpFence)
		if _, err := Run(t.Context(), p.request(mover.OpCopy), nil); (err != nil) != want {
			t.Errorf("PostgreSQL %d: the copy says %v", major, err)
		}
	}
}
