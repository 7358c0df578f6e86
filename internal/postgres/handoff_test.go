package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestCommitAfterAHandOff: the tool that applied the values has started the
// application, which writes to the target while the commit is made.
func TestCommitAfterAHandOff(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database app")
	p.source.Exec(t, "app", simple)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	proof := do[mover.Proof](t, p, mover.OpProve)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	conn, err := p.target.Connect(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if _, err := conn.Exec(t.Context(), "insert into jobs (name) values ('a')"); err != nil {
				t.Errorf("the application: %v", err)
				return
			}
			time.Sleep(20 * time.Millisecond) // as often as it writes
		}
	}()
	commit := p.request(mover.OpCommit)
	commit.Counters = proof.Counters
	codeIs(t, commit, mover.CodeMoved, targetSide)
	commit.HandedOff = true
	if _, err := Run(t.Context(), commit, nil); err != nil {
		t.Errorf("commit: %v", err)
	}
	stop()
	<-done
	_ = conn.Close(t.Context()) // only written with
}
