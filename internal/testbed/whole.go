//go:build !fixture

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/circleci-dr/circleci-dr/internal/testbed/gobuild"
	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// fixtureCommands are the commands of the whole program, which runs them.
func fixtureCommands() []command {
	return []command{
		{"demo", "", "boot, install, and move both databases out of the release by plan and apply", whole("demo")},
		{"demo-back", "", "move the databases of the demo back into the cluster", whole("demo-back")},
		{"install", "[flags]", "install the fixture release and fill its databases", whole("install")},
		{"uninstall", "[flags]", "remove the fixture release with its namespace and volumes", whole("uninstall")},
		{"clear", "", "take down fixture releases that are at work on the servers outside", whole("clear")},
		{"count", "[flags]", "count what the frontend wrote, lost and doubled", whole("count")},
		{"chart", "[flags]", "pack the fixture chart and print the archive's path", whole("chart")},
		{"existing", "", existingHelp, whole("existing")},
	}
}

func existing(ctx context.Context, args []string) error { return whole("existing")(ctx, args) }

// whole builds the program with all commands and becomes it.
func whole(name string) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		c, err := findCheckout()
		if err != nil {
			return err
		}
		out := filepath.Join(productDir(c), "testbed")
		r := progress.New(os.Stderr)
		err = r.Do("build the fixture's commands", func(t *progress.Task) error {
			target := gobuild.Target{Dir: c.path(), Package: ".", Tags: "fixture"}
			return gobuild.Build(ctx, target, out, func(s string) { t.Note("%s", s) })
		})
		r.Close()
		if err != nil {
			return err
		}
		err = syscall.Exec(out, append([]string{out, name}, args...), os.Environ())
		return fmt.Errorf("run %s: %w", out, err)
	}
}
