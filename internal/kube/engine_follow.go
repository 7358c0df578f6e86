package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// ErrEngineSilent means that an engine is over and its log does not tell how
// it ended; its record may.
var ErrEngineSilent = errors.New("the engine is over and its log holds no outcome")

// FollowEngine follows an engine's log, over pods that die and are replaced,
// until it tells its outcome. Cancelling ctx ends the following only. An
// engine whose first pod cannot start is removed again: it has begun nothing.
func (c *Client) FollowEngine(ctx context.Context, run reconcile.EngineRun, progress reconcile.Progress) (json.RawMessage, error) {
	live, err := c.kube.BatchV1().Jobs(c.options.Namespace).Get(ctx, run.Job, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && string(live.UID) != run.UID {
		return nil, ErrEngineSilent
	}
	if err != nil {
		return nil, fmt.Errorf("follow engine %s: %w", run.Job, err)
	}
	last, err := c.followContainer(ctx, live, engineContainer, progress)
	var stuck *stuckError
	var dead *deadError
	switch {
	case err == nil:
		return last.Result, nil
	case errors.Is(err, errGone), errors.Is(err, errNoResult):
		return nil, ErrEngineSilent
	case errors.As(err, &dead):
		err = withTrouble(err, "removing what it was handed", c.RemoveEngine(ctx, run))
	case errors.As(err, &stuck):
		err = c.withdrawEngine(ctx, run, stuck)
	}
	return nil, fmt.Errorf("follow engine %s: %w", run.Job, err)
}

// withdrawEngine removes an engine none of whose pods ever ran.
func (c *Client) withdrawEngine(ctx context.Context, run reconcile.EngineRun, stuck *stuckError) error {
	err := fmt.Errorf("its pod does not start: %s", stuck.reason)
	live, lookErr := c.EngineOf(ctx, run.Job)
	switch {
	case lookErr != nil:
		return withTrouble(err, "looking at the Job again", lookErr)
	case live.Failed > 0:
		return fmt.Errorf("%w; %d pods of it ran before, so the Job stays and goes on when one can start", err, live.Failed)
	}
	if lookErr = c.cleanup(ctx, run.Job); lookErr == nil {
		lookErr = c.RemoveEngine(ctx, run)
	}
	return withTrouble(fmt.Errorf("%w; nothing was begun and the Job was removed", err), "removing it", lookErr)
}

// RemoveEngine removes everything an engine was given, but its Job.
func (c *Client) RemoveEngine(ctx context.Context, run reconcile.EngineRun) error {
	ctx = context.WithoutCancel(ctx)
	return errors.Join(c.RemoveEngineWork(ctx, run.Job), c.RemoveEngineRights(ctx))
}
