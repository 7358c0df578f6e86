package postgres

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// silencer passes connections on to a server until it is told to pass nothing
// any more, as a network that is cut: no connection is closed.
type silencer struct {
	to   string
	cut  chan struct{} // closed when it falls silent for the first time
	once sync.Once
	mute atomic.Bool
	// calls counts what was said to the server; after so many of them it falls
	// silent by itself, unless that is 0.
	calls, after atomic.Int64

	mu    sync.Mutex
	conns []net.Conn // of both sides
}

// newSilencer listens on an address in front of a server, and gives the server
// as it is reached through it.
func newSilencer(t *testing.T, address string, e *mover.Endpoint) (*silencer, *mover.Endpoint) {
	t.Helper()
	s := &silencer{to: net.JoinHostPort(e.Host, strconv.Itoa(e.Port)), cut: make(chan struct{})}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); s.hangUp() })
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

func (s *silencer) silence() { s.mute.Store(true); s.once.Do(func() { close(s.cut) }) }

// speak passes new connections on again; those that were cut stay so.
func (s *silencer) speak() { s.mute.Store(false) }

// hasPatience sets how long a server may keep silent, and be tried again.
func (m *job) hasPatience(d time.Duration) {
	m.patience = d
	for _, s := range []*server{m.source, m.target} {
		if s != nil {
			s.patience = d
		}
	}
}

// hangUp closes what was left open: a server has room for some sessions only.
func (s *silencer) hangUp() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

func (s *silencer) pass(client net.Conn) {
	server, err := net.Dial("tcp", s.to)
	if err != nil {
		_ = client.Close()
		return
	}
	s.mu.Lock()
	s.conns = append(s.conns, client, server)
	s.mu.Unlock()
	go s.pump(client, server, nil)
	s.pump(server, client, &s.calls)
}

func (s *silencer) pump(to, from net.Conn, count *atomic.Int64) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && count != nil && count.Add(1) == s.after.Load() {
			s.silence()
		}
		if s.mute.Load() {
			_, _ = io.Copy(io.Discard, from) // neither passed on nor closed
			return
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
	do[mover.FenceResult](t, p, mover.OpFence)
	req := p.request(mover.OpCopy)
	network, through := newSilencer(t, "127.0.0.1:0", req.Target)
	req.Target = through
	m, err := newJob(req, func(e mover.Event) {
		if e.Phase == "rows" {
			network.silence()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	m.hasPatience(time.Second)
	_, err = m.run(t.Context())
	var known *mover.Error
	if !errors.As(err, &known) || known.Code != mover.CodeUnreachable || known.Side != targetSide || !strings.Contains(err.Error(), "has not answered for 1s") {
		t.Errorf("the copy ended with %v", err)
	}
	// The cut over, the next mover takes over what is left and ends it.
	do[mover.CopyResult](t, p, mover.OpCopy)
	if proof := do[mover.Proof](t, p, mover.OpProve); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

// TestUnfenceWaitsForASourceThatRestarts: nothing listens at first.
func TestUnfenceWaitsForASourceThatRestarts(t *testing.T) {
	t.Parallel()
	p := newPair(t, 12, 14)
	fill(t, p.source)
	do[mover.FenceResult](t, p, mover.OpFence)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	req := p.request(mover.OpUnfence)
	to, waited := req.Source, 0
	away := *to
	away.Host, away.Port = "127.0.0.1", l.Addr().(*net.TCPAddr).Port
	req.Source = &away
	result, err := Run(t.Context(), req, func(e mover.Event) {
		if strings.HasPrefix(e.Message, "waiting for the source to answer") {
			if waited++; waited == 1 {
				newSilencer(t, address, to)
			}
		}
	})
	if lifted, ok := result.(mover.UnfenceResult); err != nil || !ok || lifted.Lifted == nil || waited != 1 {
		t.Errorf("unfence after %d waits: %+v, %v", waited, result, err)
	}
}

// undoing is what makes an operation have all its work to do again.
var undoing = map[mover.Operation]mover.Operation{
	mover.OpFence: mover.OpUnfence, mover.OpUnfence: mover.OpFence,
	mover.OpCommit: mover.OpWithdraw, mover.OpWithdraw: mover.OpCommit,
}

// TestNoCallIsWithoutALimit: a whole move is made, and on the way each operation
// again and again, with a side that falls silent at another call each time: takes
// what is said, says nothing, and closes nothing. Each ends by itself.
// Nearly all of its time is waiting, so that several pairs of servers share the
// calls. POSTGRES_SILENCES=4 tries every call, with as many pairs; without it
// three pairs try some.
func TestNoCallIsWithoutALimit(t *testing.T) {
	pairs, every := 3, os.Getenv("POSTGRES_SILENCES")
	if every != "" {
		if _, err := fmt.Sscan(every, &pairs); err != nil || pairs < 1 {
			t.Fatalf("POSTGRES_SILENCES=%s is no number of pairs of servers", every)
		}
	}
	t.Parallel()
	var all silences
	t.Run("pairs", func(t *testing.T) {
		for share := range pairs {
			t.Run(fmt.Sprint(share), func(t *testing.T) {
				t.Parallel()
				silently(t, &all, func(call int64) bool { return call%int64(pairs) == int64(share) }, every != "")
			})
		}
	})
	tried, reached := 0, 0
	for _, op := range outage {
		for _, side := range []string{sourceSide, targetSide} {
			if n := all.of[[2]string{string(op), side}]; n != [2]int{} {
				t.Logf("silence: %s: the %s fell silent at %d calls, of %d that were tried", op, side, n[1], n[0])
				tried, reached = tried+n[0], reached+n[1]
			}
		}
	}
	t.Logf("silence: in all: %d calls, of %d that were tried; each ended", reached, tried)
	if tried < 24 || reached < tried*3/4 {
		t.Errorf("%d calls were tried, and %d came as far", tried, reached)
	}
}

// outage are the operations of one, in their order.
var outage = []mover.Operation{mover.OpFence, mover.OpCopy, mover.OpProve, mover.OpCommit, mover.OpWithdraw, mover.OpUnfence}

// silences counts, by operation and side, how many calls were tried and at how
// many the side fell silent.
type silences struct {
	mu sync.Mutex
	of map[[2]string][2]int
}

func (s *silences) count(op mover.Operation, side string, reached bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[[2]string][2]int{}
	}
	key := [2]string{string(op), side}
	n := s.of[key]
	n[0]++
	if reached {
		n[1]++
	}
	s.of[key] = n
}

// silently makes a move and tries those of its calls that are ours: every one, or
// every one of a short operation and a few of a long one.
func silently(t *testing.T, all *silences, ours func(call int64) bool, every bool) {
	t.Helper()
	p := newPair(t, 12, 15)
	p.source.Exec(t, "postgres", "create database conductor_production")
	p.source.Exec(t, "conductor_production", simple)
	for _, op := range outage {
		said := map[string]int64{}
		for _, side := range []string{sourceSide, targetSide} {
			req := p.request(op)
			s := through(t, &req, side)
			if _, err := Run(t.Context(), req, nil); err != nil {
				t.Fatalf("%s: %v", op, err)
			}
			said[side] = s.calls.Load()
		}
		for side, calls := range said {
			step := int64(1)
			if !every {
				step += calls / someCalls
			}
			for n := int64(1); n <= calls; n += step {
				if !ours(n) {
					continue
				}
				t.Run(fmt.Sprintf("%s %s %d of %d", op, side, n, calls), func(t *testing.T) {
					all.count(op, side, fallsSilent(t, p, op, side, n))
				})
			}
		}
		if before, ok := undoing[op]; ok {
			p.again(t, before)
		}
		p.again(t, op)
	}
}

// someCalls is at how many calls of one operation a side falls silent at most,
// unless all are tried.
const someCalls = 3

// through puts a silencer before one side of a request.
func through(t *testing.T, req *mover.Request, side string) *silencer {
	t.Helper()
	e := &req.Source
	if side == targetSide {
		e = &req.Target
	}
	if *e == nil {
		return nil
	}
	s, there := newSilencer(t, "127.0.0.1:0", *e)
	*e = there
	return s
}

func (p pair) again(t *testing.T, op mover.Operation) {
	t.Helper()
	if _, err := Run(t.Context(), p.request(op), nil); err != nil {
		t.Fatalf("%s: %v", op, err)
	}
}

// fallsSilent runs an operation while one side falls silent at its n-th call,
// wants it to end by itself, and tells whether it came as far. On a machine that
// is busy a server may be taken for silent before; then it has more time.
func fallsSilent(t *testing.T, p pair, op mover.Operation, side string, n int64) bool {
	t.Helper()
	for patience := 600 * time.Millisecond; patience < 20*time.Second; patience *= 5 {
		if fallsSilentWithin(t, p, op, side, n, patience) {
			return true
		}
	}
	return false
}

func fallsSilentWithin(t *testing.T, p pair, op mover.Operation, side string, n int64, patience time.Duration) bool {
	t.Helper()
	if before, ok := undoing[op]; ok {
		p.again(t, before)
	}
	req := p.request(op)
	s := through(t, &req, side)
	s.after.Store(n)
	m, err := newJob(req, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.hasPatience(patience)
	ended := make(chan error, 1)
	go func() {
		_, err := m.run(t.Context())
		ended <- err
	}()
	select {
	case err = <-ended:
	case <-time.After(2 * time.Minute): // the limit, a session's end, and a machine that is busy
		t.Fatal("it waits for ever")
	}
	select {
	case <-s.cut:
	default:
		return false
	}
	var known *mover.Error
	if err != nil && (!errors.As(err, &known) || known.Code != mover.CodeUnreachable) {
		t.Errorf("ended with %v", err)
	}
	return true
}

// A server that is only away, or full, has answered; one that says nothing has not.
func TestOnlySilenceIsSilence(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().(*net.TCPAddr)
	s := &server{side: targetSide, endpoint: mover.Endpoint{Host: "127.0.0.1", Port: address.Port}}
	if err := s.answers(t.Context(), 100*time.Millisecond); err == nil {
		t.Error("a server that says nothing has answered")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.answers(t.Context(), 5*time.Second); err != nil {
		t.Errorf("a refused connection is no answer: %v", err)
	}
}
