// Command frontend is the application of the fixture release. One static
// binary plays every role of the application layer: the frontend, which
// numbers rows in PostgreSQL and documents in MongoDB and can tell when one was
// lost, and the other services, which hold a session with both and read. It
// knows its environment and two databases; it knows no cluster.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fixture:", err)
		os.Exit(1)
	}
}

const usage = "usage: fixture serve --role NAME | fixture hook --version V | fixture count"

func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	role := flags.String("role", "", "the service to play")
	version := flags.String("version", "", "the version that is being installed")
	address := flags.String("listen", ":8080", "address of the status page")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; %s", flags.Arg(0), usage)
	}
	log := slog.New(slog.NewJSONHandler(out, nil))
	switch args[0] {
	case "serve":
		return serve(ctx, log, *role, *address)
	case "hook":
		log.InfoContext(ctx, "pre-upgrade checks passed", "version", *version)
		return nil
	case "count":
		return printCount(ctx, out)
	}
	return fmt.Errorf("unknown command %q; %s", args[0], usage)
}
