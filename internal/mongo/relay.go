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
	"sync/atomic"
	"time"
)

// relay is a socket of our own behind which a server is, for MongoDB's tools.
// They build their clients themselves, take no context and know no way to
// check a certificate's chain but not its name. Behind the relay they have the
// same TLS as we, and end when it closes. Nobody else may open the socket.
type relay struct {
	Path string

	listener net.Listener
	dial     func(ctx context.Context) (net.Conn, error)
	patience time.Duration
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
	r := &relay{Path: filepath.Join(dir, "s.sock"), dial: s.dialer(), patience: s.limits.batch}
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
	plain := &net.Dialer{Timeout: s.limits.connect}
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
		r.failed(err)
		return
	}
	defer func() { _ = far.Close() }()
	stop := context.AfterFunc(r.ctx, func() { _, _ = near.Close(), far.Close() })
	defer stop()
	asked := &question{}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(far, io.TeeReader(near, asked)) // how a connection ends is its users' business
		_ = far.Close()
	}()
	go r.watch(asked, ended, func() { _, _ = near.Close(), far.Close() })
	_, _ = io.Copy(near, asked.answered(far))
	_ = near.Close()
	<-ended
}

// watch ends a connection whose server owes an answer for too long: the tools
// would wait for it for ever.
func (r *relay) watch(asked *question, ended <-chan struct{}, end func()) {
	tick := time.NewTicker(r.patience / 4)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			if asked.open() > r.patience {
				r.failed(fmt.Errorf("the server has not answered for %s: %w", r.patience, context.DeadlineExceeded))
				end()
				return
			}
		}
	}
}

func (r *relay) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastErr = err
}

// question knows since when a connection waits for an answer: since the last
// byte that was sent, until the first one that comes back.
type question struct{ since atomic.Int64 }

func (q *question) Write(p []byte) (int, error) {
	q.since.Store(time.Now().UnixNano())
	return len(p), nil
}

func (q *question) open() time.Duration {
	since := q.since.Load()
	if since == 0 {
		return 0
	}
	return time.Since(time.Unix(0, since))
}

// answered is what the server says, which ends the waiting.
func (q *question) answered(from io.Reader) io.Reader { return answers{from, q} }

type answers struct {
	from     io.Reader
	question *question
}

func (a answers) Read(p []byte) (int, error) {
	n, err := a.from.Read(p)
	a.question.since.Store(0)
	return n, err
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
