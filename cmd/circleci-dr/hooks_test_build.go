//go:build testhooks

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// testHook lets tests kill the process, or run a command, at a named point of
// an apply, so that no test has to guess the right moment with a sleep. It is
// only in binaries built with -tags testhooks.
var testHook = func(point string) {
	if os.Getenv("CIRCLECI_DR_TEST_KILL_AT") == point {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // the signal is on its way
	}
	at, command, ok := strings.Cut(os.Getenv("CIRCLECI_DR_TEST_RUN_AT"), "=")
	if !ok || at != point {
		return
	}
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "test hook at", point+":", err)
		os.Exit(99)
	}
}
