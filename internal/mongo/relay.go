package mongo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// relay is a socket of our own behind which a server is, for MongoDB's tools.
// They build their clients themselves, take no context and know no way to
// check a certificate's chain but not its name. Behind the relay they have the
// same TLS as we, and end when it closes. Nobody else may open the socket.
type relay struct {
	Path string

	listener net.Listener
	dial     func(ctx context.Context) (net.Conn, error)
	ctx      context.Context
	cancel   context.CancelFunc
	done     sync.WaitGroup
	mu       sync.Mutex
	lastErr  error
}

// newRelay opens a socket behind which the server's primary is.
func (s *server) newRelay(ctx context.Context) (*relay, error) {
	dir, err := os.MkdirTemp("", "mongo-") // only we may enter it
	if err != nil {
		return nil, fmt.Errorf("make a socket: %w", err)
	}
	r := &relay{Path: filepath.Join(dir, "s.sock"), dial: s.dialer()}
	if r.listener, err = (&net.ListenConfig{}).Listen(ctx, "unix", r.Path); err != nil {
		return nil, errors.Join(fmt.Errorf("make a socket: %w", err), os.RemoveAll(dir))
	}
	ctx, r.cancel = context.WithCancel(ctx)
	r.ctx = ctx
	context.AfterFunc(ctx, func() { _ = r.listener.Close() }) // it ends Accept, that is all
	r.done.Go(r.serve)
	return r, nil
}

// dialer opens connections to the server that takes writes.
func (s *server) dialer() func(ctx context.Context) (net.Conn, error) {
	address := s.endpoint.Hosts[0]
	if !s.direct && s.hello.PrimaryAt != "" {
		address = s.hello.PrimaryAt
	}
	plain := &net.Dialer{Timeout: connectTimeout}
	if s.tls == nil {
		return func(ctx context.Context) (net.Conn, error) { return plain.DialContext(ctx, "tcp", address) }
	}
	secure := &tls.Dialer{NetDialer: plain, Config: s.tls}
	return func(ctx context.Context) (net.Conn, error) { return secure.DialContext(ctx, "tcp", address) }
}

func (r *relay) serve() {
	for {
		near, err := r.listener.Accept()
		if err != nil {
			return // the relay was closed
		}
		r.done.Go(func() { r.pass(near) })
	}
}

// pass carries one connection until either side or the relay ends it.
func (r *relay) pass(near net.Conn) {
	defer func() { _ = near.Close() }()
	far, err := r.dial(r.ctx)
	if err != nil {
		r.mu.Lock()
		r.lastErr = err
		r.mu.Unlock()
		return
	}
	defer func() { _ = far.Close() }()
	stop := context.AfterFunc(r.ctx, func() { _, _ = near.Close(), far.Close() })
	defer stop()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(far, near) // how a connection ends is its users' business
		_ = far.Close()
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-ended
}

// err is why a connection could not be made, nil if all were.
func (r *relay) err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastErr
}

func (r *relay) close() error {
	r.cancel()
	r.done.Wait()
	return os.RemoveAll(filepath.Dir(r.Path))
}
