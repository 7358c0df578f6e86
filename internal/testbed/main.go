// Command testbed runs a real one-node Kubernetes and the database servers
// around it on this machine, for the demo and the tests: up, down, status,
// env, logs, image, fetch. It knows the commands; the work is in the packages
// beside it. Nothing of the product may import any of this.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// The commands of the fixture need the Helm SDK, which takes minutes to compile
// on a fresh machine. So they are behind the build tag fixture, and the program
// that "go run" makes builds the whole one, showing its progress, when one of
// them is asked for: see whole.go and fixture.go.

// command is one thing the testbed can be told to do.
type command struct {
	name, args, help string
	run              func(ctx context.Context, args []string) error
}

var commands = append([]command{
	{"up", "[--without-product]", "boot everything that is not running; a second up changes nothing", up},
	{"down", "[--purge]", "stop everything and leave nothing behind; --purge also drops the imported images", down},
	{"status", "[--json]", "list every part with its state", status},
	{"env", "[--json]", "print what tests and people need as shell exports", env},
	{"logs", "[part]", "print the end of every log, or one log whole", logs},
	{"image", "", "build and import the product's image, print its name", importImage},
	{"fetch", "", "only fetch what unit tests need: database servers, a C compiler", fetch},
	{"reset", "[server …]", "empty the external PostgreSQL and MongoDB servers, or those named", reset},
}, fixtureCommands()...)

const existingHelp = "look whether the cluster of TESTBED_KUBECONFIG has what the tests need; up does it too"

// errUsage marks an error that deserves the usage text.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, err)
		usage()
		os.Exit(64)
	case err != nil:
		fmt.Fprintf(os.Stderr, "testbed: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: a command is missing", errUsage)
	}
	i := slices.IndexFunc(commands, func(c command) bool { return c.name == args[0] })
	if i < 0 {
		return fmt.Errorf("%w: there is no command %q", errUsage, args[0])
	}
	return commands[i].run(ctx, args[1:])
}

func usage() {
	fmt.Fprintln(os.Stderr, "\ngo -C internal/testbed run . COMMAND")
	for _, c := range commands {
		fmt.Fprintf(os.Stderr, "  %-24s %s\n", strings.TrimSpace(c.name+" "+c.args), c.help)
	}
}

// flags reads switches that take no value; anything else is a usage error.
func flags(args []string, known map[string]*bool) error {
	for _, a := range args {
		f, ok := known[a]
		if !ok {
			return fmt.Errorf("%w: %q is not understood here", errUsage, a)
		}
		*f = true
	}
	return nil
}
