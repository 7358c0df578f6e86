package main

import (
	"context"

	"github.com/circleci-dr/circleci-dr/internal/testbed/external"
)

// reset empties the servers outside the cluster.
func reset(ctx context.Context, args []string) error {
	if err := flags(args, nil); err != nil {
		return err
	}
	if err := onlyOwn("empty the servers outside the cluster"); err != nil {
		return err
	}
	for _, s := range external.Servers {
		if err := s.Reset(ctx); err != nil {
			return err
		}
	}
	for _, s := range external.MongoServers {
		if err := s.Reset(ctx); err != nil {
			return err
		}
	}
	return nil
}
