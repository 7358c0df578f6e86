//go:build linux

package postgres

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/pgtest"
	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/jackc/pgx/v5"
)

// Where nothing answers, another attempt is made from another port.
func TestDialBeginsAnew(t *testing.T) {
	t.Parallel()
	port := fullServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 2*dialTry+time.Second)
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		conn, err := dial(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			err = conn.Close()
		}
		failed <- err
	}()
	from := map[string]bool{}
	for {
		for _, p := range asking(t, port) {
			from[p] = true
		}
		select {
		case err := <-failed:
			if err == nil || ctx.Err() == nil || len(from) < 2 {
				t.Errorf("attempts were made from %v, and ended with %v", from, err)
			}
			return
		default:
			_ = process.Pause(t.Context(), 100*time.Millisecond)
		}
	}
}

// fullServer listens and takes nobody: its backlog is full, so that the kernel drops
// what asks for a connection.
func fullServer(t *testing.T) (port int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port = at.(*syscall.SockaddrInet4).Port
	for range 2 { // one fills the backlog, the other one finds it full
		if conn, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), 200*time.Millisecond); err == nil {
			t.Cleanup(func() { _ = conn.Close() })
		}
	}
	return port
}

// asking are the local ports of connections to a port that were asked for and not
// answered (state 2 of /proc/net/tcp).
func asking(t *testing.T, port int) (from []string) {
	t.Helper()
	raw, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if f := strings.Fields(line); len(f) > 3 && f[3] == "02" && strings.HasSuffix(f[2], fmt.Sprintf(":%04X", port)) {
			from = append(from, f[1])
		}
	}
	return from
}

// A server that has answered before and is cut off while a session begins is tried
// again; one that never has is not.
func TestSessionsOutliveACut(t *testing.T) {
	t.Parallel()
	s := pgtest.New(t, 14)
	silent, through := newSilencer(t, "127.0.0.1:0", endpoint(s, pgtest.Superuser))
	known, err := newServer(sourceSide, through, "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := known.with(t.Context(), maintenance, func(*pgx.Conn) error { return nil }); err != nil {
		t.Fatal(err)
	}
	silent.silence()
	opened := make(chan error, 1)
	go func() {
		opened <- known.with(t.Context(), maintenance, func(*pgx.Conn) error { return nil })
	}()
	if err := process.Pause(t.Context(), connectTimeout/2); err != nil { // in the first attempt
		t.Fatal(err)
	}
	silent.speak()
	if err := <-opened; err != nil {
		t.Errorf("cut for a while: %v", err)
	}
	silent.silence()
	stranger, err := newServer(sourceSide, through, "test")
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := stranger.with(t.Context(), maintenance, func(*pgx.Conn) error { return nil }); err == nil || time.Since(begun) > 2*connectTimeout-time.Second {
		t.Errorf("a stranger's silence was waited for %s: %v", time.Since(begun), err)
	}
}
