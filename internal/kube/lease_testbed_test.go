//go:build testbed

package kube

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// contender is a client with a quick rhythm.
func (b *bed) contender(owner string) *Client {
	c := b.client(func(o *Options) { o.Owner = owner })
	c.beat = beat{period: 3 * time.Second, renew: 300 * time.Millisecond, look: 50 * time.Millisecond}
	return c
}

func TestLeaseIsHeldAndGivenBack(t *testing.T) {
	b := newBed(t)
	first, second := b.contender("anna@laptop/1"), b.contender("ci@runner/2")
	held, release, err := first.Acquire(t.Context(), LeaseOptions{Purpose: "apply of plan 7f3a"})
	if err != nil {
		t.Fatal(err)
	}
	var shown []engine.LeaseHolder
	_, _, err = second.Acquire(t.Context(), LeaseOptions{Purpose: "apply", OnHeld: func(h engine.LeaseHolder) { shown = append(shown, h) }})
	var refused *HeldError
	if !errors.As(err, &refused) {
		t.Fatalf("the second got %v, want a HeldError", err)
	}
	if len(shown) != 1 || shown[0].Owner != "anna@laptop/1" || shown[0].Purpose != "apply of plan 7f3a" || shown[0].Seconds != 3 {
		t.Errorf("was shown %+v", shown)
	}
	if want := "take the lease: the lease is held by anna@laptop/1 (apply of plan 7f3a, since "; !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
	if held.Err() != nil {
		t.Errorf("the holder lost it: %v", context.Cause(held))
	}
	release()
	if got := first.Holder(t.Context()); !got.IsNot() {
		t.Errorf("after the release the lease is %+v", got)
	}
	_, release, err = second.Acquire(t.Context(), LeaseOptions{Purpose: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestLeaseOfADeadHolderIsTaken(t *testing.T) {
	b := newBed(t)
	// Taken, and nothing renews it or gives it back.
	dead := &holding{client: b.contender("dead@laptop/1"), identity: "dead@laptop/1#0", purpose: "apply"}
	if err := dead.take(t.Context(), LeaseOptions{}); err != nil {
		t.Fatal(err)
	}
	second := b.contender("ci@runner/2")
	_, release, err := second.Acquire(t.Context(), LeaseOptions{Purpose: "resume"})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if got := second.Holder(t.Context()); !got.Is() || got.Value.Owner != "ci@runner/2" || got.Value.Purpose != "resume" {
		t.Errorf("the holder is %+v", got)
	}
}

// An interrupted run may still be bringing service back: its lease stands
// until it gives it back itself.
func TestLeaseOutlivesAnInterruption(t *testing.T) {
	b := newBed(t)
	ctx, interrupt := context.WithCancel(t.Context())
	_, release, err := b.contender("anna@laptop/1").Acquire(ctx, LeaseOptions{Purpose: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	interrupt()
	second := b.contender("ci@runner/2")
	var refused *HeldError
	// It waits for more than a whole period, in which a dead one is taken over.
	if _, _, err := second.Acquire(t.Context(), LeaseOptions{Purpose: "resume", Wait: 5 * time.Second}); !errors.As(err, &refused) {
		t.Fatalf("the second got %v, want a HeldError", err)
	}
	release()
	_, release, err = second.Acquire(t.Context(), LeaseOptions{Purpose: "resume"})
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestLeaseIsWaitedFor(t *testing.T) {
	b := newBed(t)
	_, release, err := b.contender("anna@laptop/1").Acquire(t.Context(), LeaseOptions{Purpose: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	_, second, err := b.contender("ci@runner/2").Acquire(t.Context(), LeaseOptions{
		Purpose: "apply", Wait: time.Minute, OnHeld: func(engine.LeaseHolder) { go release() },
	})
	if err != nil {
		t.Fatal(err)
	}
	second()
}

func TestLostLeaseStopsTheWork(t *testing.T) {
	b := newBed(t)
	first, admin := b.contender("anna@laptop/1"), b.contender("root@jump/3")
	held, release, err := first.Acquire(t.Context(), LeaseOptions{Purpose: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	shown := admin.Holder(t.Context()).Value
	other := shown
	other.Owner = "somebody@else/9"
	var refused *HeldError
	if err := admin.Unlock(t.Context(), other); !errors.As(err, &refused) || refused.Holder.Owner != "anna@laptop/1" {
		t.Errorf("unlocking what was not shown gave %v", err)
	}
	if err := admin.Unlock(t.Context(), shown); err != nil {
		t.Fatal(err)
	}
	<-held.Done()
	if cause := context.Cause(held); !errors.Is(cause, ErrLeaseLost) || cause.Error() != ErrLeaseLost.Error()+": it was removed" {
		t.Errorf("it ended because of %v", cause)
	}
}

func TestLeaseIsLostWithTheAPIServer(t *testing.T) {
	b := newBed(t)
	p, path := throughProxy(t)
	c := b.client(func(o *Options) { o.Kubeconfig = path })
	c.beat = beat{period: 3 * time.Second, renew: 300 * time.Millisecond, look: 50 * time.Millisecond}
	held, release, err := c.Acquire(t.Context(), LeaseOptions{Purpose: "apply"})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	_ = p.listener.Close()
	p.cut()
	<-held.Done()
	if cause := context.Cause(held); !errors.Is(cause, ErrLeaseLost) || !strings.HasPrefix(cause.Error(), ErrLeaseLost.Error()+": it could not be renewed in time: ") {
		t.Errorf("it ended because of %v", cause)
	}
}
