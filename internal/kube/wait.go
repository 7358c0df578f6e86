package kube

import (
	"context"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
)

// patience is how long something that should happen by itself may take.
type patience struct {
	look      time.Duration // between two looks
	settle    time.Duration // for deletions and controllers
	image     time.Duration // an image that cannot be pulled
	config    time.Duration // a Secret or mount that is not there
	schedule  time.Duration // no node; an autoscaler may bring one
	start     time.Duration // nothing wrong to be seen, but not running
	reconnect time.Duration // between two attempts to read a log
}

func defaultPatience() patience {
	return patience{
		look: 500 * time.Millisecond, settle: 5 * time.Minute, image: 45 * time.Second, config: 15 * time.Second,
		schedule: 3 * time.Minute, start: 10 * time.Minute, reconnect: time.Second,
	}
}

// waitFor looks until look finds nothing left to wait for, and says what was
// left when patience ends.
func (c *Client) waitFor(ctx context.Context, what string, look func(context.Context) (left string, err error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.patience.settle, fmt.Errorf("%s have passed", c.patience.settle))
	defer cancel()
	for {
		left, err := look(ctx)
		if err == nil && left == "" {
			return nil
		}
		if err != nil && !transient(err) {
			return err
		}
		if process.Pause(ctx, c.patience.look) != nil {
			if left == "" && err != nil {
				left = err.Error()
			}
			return fmt.Errorf("wait for %s: %w: %s", what, context.Cause(ctx), left)
		}
	}
}
