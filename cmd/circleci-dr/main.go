// Command circleci-dr is a declarative disaster-recovery tool for self-hosted
// CircleCI. This package knows flags, wiring, signals and exit codes; what is
// decided and done lives in reconcile and the adapters.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/urfave/cli/v2"
)

func main() {
	os.Exit(realMain(os.Args, os.Stdout, os.Stderr))
}

// realMain runs one command and gives its exit code. Only main exits, so that
// what a command deferred is done.
func realMain(args []string, stdout, stderr io.Writer) int {
	p := &program{out: stdout, err: stderr, args: args[1:], env: os.LookupEnv}
	ctx, stop := withSignals(stderr, p.onSignal)
	defer stop()
	err := p.app().RunContext(ctx, args)
	var unknown cli.ExitCoder
	if errors.As(err, &unknown) { // only help makes one, of a command there is none of
		err = usagef("%s", unknown)
	}
	return p.exit(ctx, err)
}

// errInterrupted is the cause of a context that a first signal ended.
var errInterrupted = errors.New("interrupted")

// onSignal says what the first signal does.
func (p *program) onSignal() string {
	if p.following.Load() {
		return "interrupted: no longer following; the engine in the cluster goes on"
	}
	return "interrupted: stopping at the next safe point; once more leaves at once"
}

// withSignals ends the context at the first signal and the process at the
// second one.
func withSignals(stderr io.Writer, say func() string) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
		case <-done:
			return
		}
		fmt.Fprintln(stderr, "circleci-dr: "+say())
		cancel(errInterrupted)
		select {
		case <-signals:
			os.Exit(codeInterrupted)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}
