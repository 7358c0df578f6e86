package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordination "k8s.io/client-go/kubernetes/typed/coordination/v1"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// keep renews the lease until ctx ends, and ends ctx when the lease is lost:
// at once when it is another's, else well before others may take it.
func (h *holding) keep(ctx context.Context, lose context.CancelCauseFunc) {
	b := h.client.beat
	next := b.renew
	for process.Pause(ctx, next) == nil {
		limit := h.renewed.Add(b.period * 4 / 5)
		err := h.renew(ctx, min(b.renew, time.Until(limit)))
		switch {
		case err == nil:
			next = b.renew
			continue
		case errors.Is(err, ErrLeaseLost):
			lose(err)
			return
		case !time.Now().Before(limit):
			lose(fmt.Errorf("%w: it could not be renewed in time: %w", ErrLeaseLost, err))
			return
		}
		next = min(b.look, time.Until(limit))
	}
}

func (h *holding) renew(ctx context.Context, patience time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	sent := time.Now()
	live, err := h.mine(ctx)
	if err != nil {
		return err
	}
	now := metav1.NowMicro()
	live.Spec.RenewTime = &now
	_, err = h.client.leases().Update(ctx, live, metav1.UpdateOptions{})
	if err == nil {
		h.renewed = sent
	}
	return err
}

// mine reads the lease and fails with ErrLeaseLost if it is not ours.
func (h *holding) mine(ctx context.Context) (*coordinationv1.Lease, error) {
	live, err := h.client.leases().Get(ctx, leaseName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: it was removed", ErrLeaseLost)
	}
	if err != nil {
		return nil, err
	}
	if text(live.Spec.HolderIdentity) != h.identity {
		return nil, fmt.Errorf("%w: %s took it", ErrLeaseLost, holder(live).Owner)
	}
	return live, nil
}

// leaseTime is how long a lease lasts that is not renewed; giveBackTime is for
// giving it back.
const (
	leaseTime    = 15 * time.Second
	giveBackTime = 10 * time.Second
)

// giveBack removes our lease. If that fails, the next one waits a period.
func (h *holding) giveBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBackTime)
	defer cancel()
	live, err := h.mine(ctx)
	if err == nil {
		err = h.client.removeLease(ctx, live)
	}
	if err != nil && !errors.Is(err, ErrLeaseLost) {
		h.client.log.WarnContext(ctx, "give the lease back", "error", err)
	}
}

// Holder reads who holds the lease, alive or not: whether a holder still
// lives shows only over time.
func (c *Client) Holder(ctx context.Context) engine.Observed[engine.LeaseHolder] {
	live, err := c.leases().Get(ctx, leaseName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err), err == nil && text(live.Spec.HolderIdentity) == "":
		return engine.NotThere[engine.LeaseHolder]()
	case err != nil:
		return engine.CouldNot[engine.LeaseHolder](fmt.Errorf("read Lease %s: %w", leaseName, err))
	}
	return engine.Found(holder(live))
}

// Unlock removes the lease of the holder that was shown to the user; one that
// another has taken since is left alone.
func (c *Client) Unlock(ctx context.Context, shown engine.LeaseHolder) error {
	for {
		live, err := c.leases().Get(ctx, leaseName, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("unlock: %w", err)
		}
		if now := holder(live); now.Owner != shown.Owner || !now.Since.Equal(shown.Since) {
			return fmt.Errorf("unlock: the lease is no longer held by %s: %w", shown.Owner, &HeldError{now})
		}
		err = c.removeLease(ctx, live)
		if apierrors.IsConflict(err) {
			continue // it was renewed in between; whose it is, is read again
		}
		return describe(err, "unlock")
	}
}

func (c *Client) removeLease(ctx context.Context, live *coordinationv1.Lease) error {
	err := c.leases().Delete(ctx, leaseName, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &live.UID, ResourceVersion: &live.ResourceVersion},
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

func (c *Client) leases() coordination.LeaseInterface {
	return c.kube.CoordinationV1().Leases(c.options.Namespace)
}

func holder(live *coordinationv1.Lease) engine.LeaseHolder {
	owner, _, _ := strings.Cut(text(live.Spec.HolderIdentity), "#")
	out := engine.LeaseHolder{
		Owner: owner, Purpose: live.Annotations[annotPurpose], Renewed: renewTime(live),
		Seconds: int(period(live) / time.Second),
	}
	if live.Spec.AcquireTime != nil {
		out.Since = live.Spec.AcquireTime.UTC()
	}
	return out
}

func renewTime(live *coordinationv1.Lease) time.Time {
	if live.Spec.RenewTime == nil {
		return time.Time{}
	}
	return live.Spec.RenewTime.UTC()
}

// period is the holder's own; a record without one gets the usual.
func period(live *coordinationv1.Lease) time.Duration {
	if s := live.Spec.LeaseDurationSeconds; s != nil && *s > 0 {
		return time.Duration(*s) * time.Second
	}
	return leaseTime
}

func transitions(live *coordinationv1.Lease) int32 {
	if live.Spec.LeaseTransitions == nil {
		return 0
	}
	return *live.Spec.LeaseTransitions
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
