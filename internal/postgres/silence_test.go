package postgres

import (
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// silencer passes connections on to a server until it is told to pass nothing
// any more, as a network that is cut: no connection is closed.
type silencer struct {
	to   string
	cut  chan struct{}
	once sync.Once
}

// newSilencer listens on an address in front of a server, and gives the server
// as it is reached through it.
func newSilencer(t *testing.T, address string, e *reconcile.Endpoint) (*silencer, *reconcile.Endpoint) {
	t.Helper()
	s := &silencer{to: net.JoinHostPort(e.Host, strconv.Itoa(e.Port)), cut: make(chan struct{})}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // the test is over
			}
			go s.pass(conn)
		}
	}()
	through := *e
	through.Host, through.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	return s, &through
}

func (s *silencer) silence() { s.once.Do(func() { close(s.cut) }) }

func (s *silencer) pass(client net.Conn) {
	server, err := net.Dial("tcp", s.to)
	if err != nil {
		_ = client.Close()
		return
	}
	go s.pump(client, server)
	s.pump(server, client)
}

func (s *silencer) pump(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		select {
		case <-s.cut:
			_, _ = io.Copy(io.Discard, from) // neither passed on nor closed
			return
		default:
		}
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			_, _ = to.Close(), from.Close() // one of them is gone already
			return
		}
	}
}

// TestTargetFallsSilent: a network that is cut in the copy gives no error, and
// is given up all the same.
func TestTargetFallsSilent(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	req := p.request(reconcile.OpCopy)
	network, through := newSilencer(t, "127.0.0.1:0", req.Target)
	req.Target = through
	m, err := newMover(req, func(e reconcile.MoverEvent) {
		if e.Phase == "rows" {
			network.silence()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	m.patience = time.Second
	_, err = m.run(t.Context())
	var known *reconcile.MoverError
	if !errors.As(err, &known) || known.Code != reconcile.CodeUnreachable || known.Side != targetSide || !strings.Contains(err.Error(), "has not answered for 1s") {
		t.Errorf("the copy ended with %v", err)
	}
	// The cut over, the next mover takes over what is left and ends it.
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	if proof := do[reconcile.Proof](t, p, reconcile.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

// TestUnfenceWaitsForASourceThatRestarts: nothing listens at first.
func TestUnfenceWaitsForASourceThatRestarts(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	req := p.request(reconcile.OpUnfence)
	to, waited := req.Source, 0
	away := *to
	away.Host, away.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	req.Source = &away
	result, err := Run(t.Context(), req, func(e reconcile.MoverEvent) {
		if strings.HasPrefix(e.Message, "waiting for the source to answer") {
			if waited++; waited == 1 {
				newSilencer(t, address, to)
			}
		}
	})
	if lifted, ok := result.(reconcile.UnfenceResult); err != nil || !ok || lifted.Lifted == nil || waited != 1 {
		t.Errorf("unfence after %d waits: %+v, %v", waited, result, err)
	}
}
