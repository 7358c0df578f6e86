package kube

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

const (
	leaseName    = "circleci-dr"
	annotPurpose = "circleci-dr/purpose"
)

// beat is the rhythm of the lease. Its period is what a dead holder costs the
// next one.
type beat struct{ period, renew, look time.Duration }

// ErrLeaseLost is the cause of a lease's context that ended because the lease
// was taken, removed, or could not be renewed in time.
var ErrLeaseLost = engine.ErrLeaseLost

// HeldError means somebody else who is alive holds the lease.
type HeldError struct{ Holder engine.LeaseHolder }

// Error names the holder and the way out.
func (e *HeldError) Error() string {
	return fmt.Sprintf("the lease is held by %s (%s, since %s); wait until it is done, or run `circleci-dr unlock` if it never will be",
		e.Holder.Owner, e.Holder.Purpose, e.Holder.Since.Format(time.RFC3339))
}

// LeaseOptions says what the lease is wanted for.
type LeaseOptions struct {
	Purpose string
	// Wait is how long to wait for a holder that is alive; zero means not at
	// all. Finding out whether one is takes up to the holder's own period.
	Wait time.Duration
	// OnHeld is called once if somebody holds the lease, before waiting.
	OnHeld func(engine.LeaseHolder)
}

// Acquire takes the lease. The context it returns ends, with ErrLeaseLost as
// its cause, when the lease is lost, and carries one that does so even after an
// interruption; release gives it back, and until then it
// is renewed even if ctx ends. No clock is ever
// compared with another machine's.
func (c *Client) Acquire(ctx context.Context, o LeaseOptions) (context.Context, func(), error) {
	id := make([]byte, 4)
	if _, err := rand.Read(id); err != nil {
		return nil, nil, fmt.Errorf("take the lease: %w", err)
	}
	h := &holding{client: c, identity: c.options.Owner + "#" + hex.EncodeToString(id), purpose: o.Purpose}
	if err := h.take(ctx, o); err != nil {
		return nil, nil, fmt.Errorf("take the lease: %w", err)
	}
	held, cancel := context.WithCancelCause(ctx)
	lease, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	// Renewing goes on until the lease is given back, also when the caller's
	// context ends: an interrupted run may still be bringing service back.
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.keep(beating, func(cause error) { lose(cause); cancel(cause) })
	}()
	release := func() {
		cancel(errReleased)
		lose(errReleased)
		stop()
		<-done
		h.giveBack(ctx)
	}
	return engine.WithLease(held, lease), release, nil
}

var errReleased = errors.New("the lease was given back")

// holding is one process's hold on the lease.
type holding struct {
	client            *Client
	identity, purpose string
	// renewed is when the last successful renewal was sent.
	renewed time.Time
}

// take looks until the lease is free, was not renewed for a whole period, or
// its holder has shown that it is alive.
func (h *holding) take(ctx context.Context, o LeaseOptions) error {
	var seen watched
	begun := time.Now()
	answered := begun // when the API server last gave a sensible answer
	for {
		sent := time.Now()
		live, err := h.client.leases().Get(ctx, leaseName, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			_, err = h.client.leases().Create(ctx, h.write(&coordinationv1.Lease{}), metav1.CreateOptions{})
		case err == nil && seen.free(live, sent):
			_, err = h.client.leases().Update(ctx, h.write(live), metav1.UpdateOptions{})
		case err == nil:
			if seen.looks == 1 && o.OnHeld != nil {
				o.OnHeld(holder(live))
			}
			if seen.alive && time.Since(begun) >= o.Wait {
				return &HeldError{holder(live)}
			}
			err = errHeld
		}
		switch {
		case err == nil:
			h.renewed = sent
			return nil
		case errors.Is(err, errHeld), raced(err):
			answered = time.Now()
		case !transient(err) || time.Since(answered) > h.client.beat.period:
			return err
		}
		if err := process.Pause(ctx, h.client.beat.look); err != nil {
			return err
		}
	}
}

var errHeld = errors.New("held")

// raced tells whether somebody else was faster.
func raced(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err)
}

// watched is what was seen of another's lease, by our own clock only.
type watched struct {
	mark  string
	since time.Time
	looks int
	alive bool
}

// free takes one look at the lease: it is free without a holder, or after a
// whole period of the holder's own without any change.
func (w *watched) free(live *coordinationv1.Lease, now time.Time) bool {
	w.looks++
	mark := text(live.Spec.HolderIdentity) + "\n" + renewTime(live).String()
	if mark != w.mark {
		w.alive = w.mark != ""
		w.mark, w.since = mark, now
	}
	return text(live.Spec.HolderIdentity) == "" || now.Sub(w.since) >= period(live)
}

// write fills in ourselves as the holder.
func (h *holding) write(live *coordinationv1.Lease) *coordinationv1.Lease {
	out := live.DeepCopy()
	now := metav1.NowMicro()
	out.Name = leaseName
	out.Labels = h.client.ours()
	out.Annotations = map[string]string{annotPurpose: h.purpose}
	out.Spec.HolderIdentity = &h.identity
	out.Spec.AcquireTime, out.Spec.RenewTime = &now, &now
	out.Spec.LeaseDurationSeconds = pointer(int32(max(1, h.client.beat.period/time.Second)))
	out.Spec.LeaseTransitions = pointer(transitions(live) + 1)
	return out
}
