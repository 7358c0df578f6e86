//go:build fixture

package main

import (
	"context"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/fixture"
)

// fixtureCommands are the commands that need the Helm SDK.
func fixtureCommands() []command {
	list := []command{
		{"demo", "", "boot, install, and move both databases out of the release by plan and apply", demo},
		{"demo-back", "", "move the databases of the demo back into the cluster", demoBack},
		{"existing", "", existingHelp, existing},
	}
	for _, c := range fixture.Commands() {
		if c.Name == "install" {
			c.Run = withOwn(c.Run)
		}
		list = append(list, command{c.Name, c.Args, c.Help, c.Run})
	}
	return list
}

// withOwn runs a command that needs images of this checkout: in the testbed's
// own cluster they are those of the checkout that booted it.
func withOwn(run func(context.Context, []string) error) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		if cluster.Existing() != "" {
			return run(ctx, args)
		}
		c, err := findCheckout()
		if err != nil {
			return err
		}
		if err := c.owns("install the fixture release"); err != nil {
			return err
		}
		return run(ctx, args)
	}
}
