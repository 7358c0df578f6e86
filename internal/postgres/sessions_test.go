package postgres

import (
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// TestCopyMeetsSessionsItMayNotEnd copies again onto a target where a
// superuser, whom a managed service's admin may not end, is connected.
func TestCopyMeetsSessionsItMayNotEnd(t *testing.T) {
	p := newPair(t, 12, 14)
	p.source.Exec(t, "postgres", "create database main")
	p.source.Exec(t, "main", simple)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)

	conn, err := p.target.Connect(t.Context(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "set application_name = 'night watch'"); err != nil {
		t.Fatal(err)
	}
	err = codeIs(t, p.request(reconcile.OpCopy), reconcile.CodeFailed, targetSide)
	for _, want := range []string{`drop database "main"`, "role postgres", "night watch", "run it again"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}

	// One that ends by itself within a moment is waited for.
	go func() {
		time.Sleep(time.Second)
		_ = conn.Close(t.Context())
	}()
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	if proof := do[reconcile.Proof](t, p, reconcile.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}
