//go:build fixture

package main

import "github.com/circleci-dr/circleci-dr/internal/testbed/fixture"

// fixtureCommands are the commands that need the Helm SDK.
func fixtureCommands() []command {
	list := []command{{"demo", "", "boot, install, and move PostgreSQL out of the release by plan and apply", demo}, {"existing", "", existingHelp, existing}}
	for _, c := range fixture.Commands() {
		list = append(list, command{c.Name, c.Args, c.Help, c.Run})
	}
	return list
}
