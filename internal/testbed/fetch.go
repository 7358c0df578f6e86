package main

import (
	"context"
	"fmt"
	"os"

	"github.com/circleci-dr/circleci-dr/internal/testbed/host"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pgserver"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// fetch makes available what the unit tests need, without a cluster.
func fetch(ctx context.Context, args []string) error {
	if err := flags(args, nil); err != nil {
		return err
	}
	c, err := findCheckout()
	if err != nil {
		return err
	}
	r := progress.New(os.Stderr)
	defer r.Close()
	if err := host.Install(ctx, host.ForUnitTests, r); err != nil {
		return err
	}
	return fetchServers(ctx, c, r)
}

func fetchServers(ctx context.Context, c checkout, r *progress.Reporter) error {
	for _, major := range pgserver.Majors {
		err := r.Do(fmt.Sprintf("fetch PostgreSQL %d", major), func(t *progress.Task) error {
			_, err := c.servers().Fetch(ctx, major, func(s string) { t.Note("%s", s) })
			return err
		})
		if err != nil {
			return err
		}
	}
	for _, release := range mongoserver.Releases {
		err := r.Do("fetch MongoDB "+release, func(t *progress.Task) error {
			_, err := c.mongoServers().Fetch(ctx, release, func(s string) { t.Note("%s", s) })
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
