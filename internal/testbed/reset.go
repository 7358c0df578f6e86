package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/external"
)

// resettable is a server outside the cluster.
type resettable interface {
	Name() string
	Reset(ctx context.Context) error
}

// reset empties the servers outside the cluster: those named, or all.
func reset(ctx context.Context, names []string) error {
	if err := onlyOwn("empty the servers outside the cluster"); err != nil {
		return err
	}
	var known []string
	var chosen []resettable
	for _, s := range outsideServers() {
		known = append(known, s.Name())
		if len(names) == 0 || slices.Contains(names, s.Name()) {
			chosen = append(chosen, s)
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return fmt.Errorf("%w: there is no server %q; there are %s", errUsage, name, strings.Join(known, ", "))
		}
	}
	for _, s := range chosen {
		if err := s.Reset(ctx); err != nil {
			return err
		}
	}
	return nil
}

func outsideServers() (all []resettable) {
	for _, s := range external.Servers {
		all = append(all, s)
	}
	for _, s := range external.MongoServers {
		all = append(all, s)
	}
	return all
}
