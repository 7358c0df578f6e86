package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// ErrEngineSilent means that an engine is over and its log does not tell how
// it ended; its record may.
var ErrEngineSilent = errors.New("the engine is over and its log holds no outcome")

// EngineDeadError means that an engine will not go on by itself.
type EngineDeadError struct {
	Run engine.HostedRun
	// Unborn tells that no pod of it ever ran, so that nothing was begun.
	Unborn bool
	Err    error
}

// Error gives the cause.
func (e *EngineDeadError) Error() string { return fmt.Sprintf("engine %s: %v", e.Run.Job, e.Err) }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *EngineDeadError) Unwrap() error { return e.Err }

// FollowEngine follows an engine's log, over pods that die and are replaced,
// until it tells its outcome. Cancelling ctx ends the following only.
func (c *Client) FollowEngine(ctx context.Context, run engine.HostedRun, progress mover.Progress) (json.RawMessage, error) {
	live, err := c.kube.BatchV1().Jobs(c.options.Namespace).Get(ctx, run.Job, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && string(live.UID) != run.UID {
		return nil, ErrEngineSilent
	}
	if err != nil {
		return nil, fmt.Errorf("follow engine %s: %w", run.Job, err)
	}
	f := c.follower(live, engineContainer, progress)
	f.free = c.deletePod
	f.died = func(why string) {
		text := fmt.Sprintf("pod %s: %s; the next one goes on", f.pod.Name, why)
		progress(engine.HostedEvent{Kind: engine.HostedNotes, Text: text}.Line())
	}
	last, err := f.follow(ctx)
	var stuck *stuckError
	var dead *deadError
	switch {
	case err == nil:
		if f.accompanied() { // no time to live begins to run
			err = c.discard(ctx, run.Job)
		}
		if err != nil {
			c.log.WarnContext(ctx, "remove an engine whose pod others keep", "job", run.Job, "error", err)
		}
		return last.Result, nil
	case errors.Is(err, errGone), errors.Is(err, errNoResult):
		return nil, ErrEngineSilent
	case errors.As(err, &dead):
		return nil, &EngineDeadError{Run: run, Err: err}
	case errors.As(err, &stuck):
		return nil, c.stuckEngine(ctx, run, stuck)
	}
	return nil, fmt.Errorf("follow engine %s: %w", run.Job, err)
}

// stuckEngine tells an engine that never ran from one whose next pod cannot
// start at the moment.
func (c *Client) stuckEngine(ctx context.Context, run engine.HostedRun, stuck *stuckError) error {
	err := fmt.Errorf("its pod does not start: %s", stuck.reason)
	live, lookErr := c.EngineOf(ctx, run.Job)
	if lookErr != nil {
		return withTrouble(err, "looking at the Job again", lookErr)
	}
	if live.Failed > 0 {
		return fmt.Errorf("follow engine %s: %w; %d pods of it ran before, and it goes on as soon as one can start", run.Job, err, live.Failed)
	}
	return &EngineDeadError{Run: run, Unborn: true, Err: err}
}

// Withdraw removes what is left of an engine that will not go on. The Job of
// one that ran stays, with the log of its last pod.
func (c *Client) Withdraw(ctx context.Context, dead *EngineDeadError) error {
	if dead.Unborn {
		if err := c.cleanup(ctx, dead.Run.Job); err != nil {
			return err
		}
	}
	return c.RemoveEngine(ctx, dead.Run)
}

// RemoveEngine removes everything an engine was given, but its Job.
func (c *Client) RemoveEngine(ctx context.Context, run engine.HostedRun) error {
	ctx = context.WithoutCancel(ctx)
	return errors.Join(c.RemoveEngineWork(ctx, run.Job), c.RemoveEngineRights(ctx))
}
