package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/progress"
)

// lockName is an abstract Unix socket: the kernel lets one process of the
// machine hold it, frees it however that process ends, and leaves no file.
const lockName = "@circleci-dr-testbed"

// lock waits until no other up, down or image runs on this machine.
func lock(ctx context.Context, r *progress.Reporter) (unlock func(), err error) {
	err = r.Do("wait for another testbed command to end", func(t *progress.Task) error {
		for {
			l, err := new(net.ListenConfig).Listen(ctx, "unix", lockName)
			if err == nil {
				unlock = func() { _ = l.Close() } // the end of the process would do
				return nil
			}
			if !errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("lock the testbed: %w", err)
			}
			t.Note("process %d holds the lock", holder(ctx))
			select {
			case <-ctx.Done():
				return fmt.Errorf("lock the testbed: %w", ctx.Err())
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	return unlock, err
}

// holder is the process that holds the lock, 0 when it has just let go.
func holder(ctx context.Context) int {
	c, err := new(net.Dialer).DialContext(ctx, "unix", lockName)
	if err != nil {
		return 0
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return 0
	}
	pid := 0
	err = raw.Control(func(fd uintptr) {
		if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	if err != nil {
		return 0
	}
	return pid
}
