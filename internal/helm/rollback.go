package helm

import (
	"context"
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/release"
)

// Rollback goes back to what a revision stored. It is Helm's own rollback,
// which needs no chart, runs no upgrade hooks against databases that are
// fenced, compares with the newest revision whatever became of it, and so
// removes what a cut-off upgrade created. With hold the stored manifest is
// read with the application at zero.
//
// A pending revision of ours is taken over; somebody else's is an error.
func (c *Client) Rollback(ctx context.Context, revision int, hold bool) error {
	var s *operation
	all, err := within(ctx, func() ([]*release.Release, error) {
		var err error
		if s, err = c.open(); err != nil {
			return nil, err
		}
		return c.history(s)
	})
	if err != nil {
		return fmt.Errorf("roll back helm release %s: %w", c.opts.Release, err)
	}
	var configs []map[string]any
	for _, rel := range all {
		configs = append(configs, rel.Config)
	}
	scrub := newScrubber(configs...)
	s.talk.hide(scrub)
	return scrub.err(c.rollback(ctx, s, all, revision, hold))
}

func (c *Client) rollback(ctx context.Context, s *operation, all []*release.Release, revision int, held bool) error {
	target := find(all, revision)
	if target == nil {
		return fmt.Errorf("roll back helm release %s: revision %d is not in its history (helm keeps %d)", c.opts.Release, revision, c.opts.MaxHistory)
	}
	newest := all[0]
	if settled, err := isBack(newest, target, held); err != nil {
		return err
	} else if settled {
		// The record says so; an object that somebody deleted says otherwise.
		if whole, err := complete(s, newest); err != nil || whole {
			return err
		}
	}
	if busy(newest) {
		if !isOurs(newest) {
			return fmt.Errorf("roll back helm release %s: %w", c.opts.Release, c.pendingError(newest, baseline(all)))
		}
		if err := markCutOff(s, newest); err != nil {
			return fmt.Errorf("roll back helm release %s: %w", c.opts.Release, err)
		}
	}
	store := signed{Driver: s.Releases.Driver, description: marked(fmt.Sprintf("back to revision %d", revision))}
	if held {
		store.holdRevision = revision
	}
	s.Releases.Driver = store
	back := action.NewRollback(s.Configuration)
	back.Version = revision
	back.MaxHistory = c.opts.MaxHistory
	back.Timeout = c.opts.HookTimeout
	if err := back.Run(c.opts.Release); err != nil {
		return c.outcome(ctx, s, "roll back", c.closeFailed(s, newest.Version+1, err))
	}
	return c.outcome(ctx, s, "roll back", nil)
}

// closeFailed marks the new revision failed where Helm left it pending, as it
// does when a rollback hook fails; nobody could change the release otherwise.
func (c *Client) closeFailed(s *operation, revision int, cause error) error {
	rel, err := s.Releases.Get(c.opts.Release, revision)
	if err != nil || !busy(rel) || !isOurs(rel) {
		return cause
	}
	rel.Info.Status = release.StatusFailed
	if err := s.Releases.Update(rel); err != nil {
		return fmt.Errorf("%w (and revision %d stays %s: %w)", cause, revision, release.StatusPendingRollback, err)
	}
	return cause
}

func find(all []*release.Release, revision int) *release.Release {
	for _, rel := range all {
		if rel.Version == revision {
			return rel
		}
	}
	return nil
}

// isBack tells whether the newest revision is deployed and already says what
// a rollback would write.
func isBack(newest, target *release.Release, held bool) (bool, error) {
	if newest.Info.Status != release.StatusDeployed {
		return false, nil
	}
	have, err := digest(newest.Config)
	if err != nil {
		return false, err
	}
	want, err := digest(target.Config)
	if err != nil || have != want {
		return false, err
	}
	manifest := target.Manifest
	if held {
		if manifest, err = hold(manifest); err != nil {
			return false, err
		}
	}
	return newest.Manifest == manifest, nil
}

// complete tells whether every object of a revision is live.
func complete(s *operation, rel *release.Release) (bool, error) {
	infos, err := s.KubeClient.Build(strings.NewReader(rel.Manifest), false)
	if err != nil {
		return false, fmt.Errorf("read the objects of revision %d: %w", rel.Version, err)
	}
	live, err := readLive(infos)
	return len(live) == len(infos), err
}
