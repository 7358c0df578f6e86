package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// A statement may rightly take hours without a word: an index, the digest of a
// table. So no statement has a limit of its own; what has one is the silence of
// a server. TCP's keepalive notices a network that is cut. It does not notice a
// balancer, or a server, that takes connections and says nothing any more. So
// each side is asked for a word all the while, beside the work.

// pulses is how often a server is asked for a word within the time that it may
// keep silent. It is asked anew each time: what waits to be sent again on a
// network that was cut comes later and later.
const pulses = 6

// askTLS is the question whether a server speaks TLS, which comes before any
// session: it needs no password, and none of the server's connections
// (PostgreSQL's documentation, "Message Formats", SSLRequest).
var askTLS = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// listen gives a context that ends when one side has said nothing for as long as
// it may. An inspection tells of each side by itself, and its Job has three
// minutes.
func (m *job) listen(ctx context.Context) (context.Context, func()) {
	heard, cancel := context.WithCancelCause(ctx)
	for _, s := range []*server{m.source, m.target} {
		if s != nil && m.req.Operation != mover.OpInspect {
			go s.listen(heard, m.patience, cancel)
		}
	}
	return heard, func() { cancel(nil) }
}

func (s *server) listen(ctx context.Context, patience time.Duration, cancel context.CancelCauseFunc) {
	beat, heard := patience/pulses, time.Now()
	for process.Pause(ctx, beat) == nil {
		err := s.answers(ctx, beat)
		switch {
		case err == nil:
			heard = time.Now()
		case ctx.Err() == nil && time.Since(heard) > patience+beat: // a cut may begin right after an answer
			cancel(failf(s.side, mover.CodeUnreachable, "the %s has not answered for %s: %w", s.side, patience, err))
			return
		}
	}
}

// answers gives an error when a server says nothing for so long. One that refuses
// the connection or ends it has answered: what that means is for the work to say.
func (s *server) answers(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(s.endpoint.Host, strconv.Itoa(s.endpoint.Port)))
	if err == nil {
		defer func() { _ = conn.Close() }() // nothing was begun
		err = exchange(ctx, conn)
	}
	if unresolved := new(net.DNSError); errors.As(err, &unresolved) {
		return nil // who has an address needs none: that the name is silent says nothing of the server
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return err
	}
	return nil
}

// exchange asks and waits for the first byte of the answer.
func exchange(ctx context.Context, conn net.Conn) error {
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := conn.Write(askTLS); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 1))
	return err
}
