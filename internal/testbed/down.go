package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/external"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// down stops everything, whoever booted it, and leaves nothing behind but the
// caches.
func down(ctx context.Context, args []string) error {
	var purge bool
	if err := flags(args, map[string]*bool{"--purge": &purge}); err != nil {
		return err
	}
	c, err := findCheckout()
	if err != nil {
		return err
	}
	if err := onlyOwn("take the testbed down"); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("take the testbed down: it needs root")
	}
	r := progress.New(os.Stderr)
	defer r.Close()
	unlock, err := lock(ctx, r)
	if err != nil {
		return err
	}
	defer unlock()
	state, found, err := cluster.Find()
	if err != nil {
		return err
	}
	if found != cluster.None && state.Checkout != c.root {
		r.Say("this testbed was booted by %s", state.Checkout)
	}
	if err := r.Do("take the testbed down", func(*progress.Task) error { return removeAll(ctx) }); err != nil {
		return err
	}
	if purge {
		return r.Do("drop the imported images", func(*progress.Task) error {
			if err := os.RemoveAll(storeDir(c)); err != nil {
				return fmt.Errorf("drop the imported images: %w", err)
			}
			return nil
		})
	}
	return nil
}

// removeAll removes the servers outside and the cluster, live or dead.
func removeAll(ctx context.Context) error {
	state, _, err := cluster.Find()
	if err != nil {
		return err
	}
	if err := errors.Join(external.Stop(ctx), cluster.Remove(ctx, state.Store)); err != nil {
		return fmt.Errorf("take the testbed down: %w; run down again", err)
	}
	return nil
}

// onlyOwn refuses what makes no sense with an existing cluster.
func onlyOwn(what string) error {
	if cluster.Existing() == "" {
		return nil
	}
	return fmt.Errorf("%s: %s is set, and the cluster it names is not the testbed's own; unset it", what, cluster.Variable)
}
