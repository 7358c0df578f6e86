package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

// chunkSize is how much is read from the source at a time. Chunks are what
// bounds our memory: a row of any width passes through in pieces, which is
// why we read the wire ourselves. (pgconn.CopyTo holds a whole row.)
const (
	chunkSize = 128 << 10
	chunkRing = 4
)

// wire is one session of ours on which COPY is read or written frame by frame.
type wire struct{ pg *pgconn.PgConn }

// exec runs statements that return nothing we need.
func (w *wire) exec(ctx context.Context, sql string) error {
	_, err := w.pg.Exec(ctx, sql).ReadAll()
	return err
}

// begin opens a transaction that sees what an exported snapshot sees.
func (w *wire) begin(ctx context.Context, snapshot string) error {
	if err := w.exec(ctx, beginUnder(snapshot)); err != nil {
		return fmt.Errorf("use snapshot: %w", err)
	}
	return nil
}

// close ends the session; see closeConn.
func (w *wire) close(ctx context.Context) {
	ctx, cancel := leaving(ctx)
	defer cancel()
	_ = w.pg.Close(ctx)
}

// hijacked takes the socket out of pgconn, runs f on it and gives it back. An
// error of f leaves the protocol in an unknown state, so the socket is closed.
func (w *wire) hijacked(ctx context.Context, f func(net.Conn) (txStatus byte, err error)) error {
	if err := w.pg.SyncConn(ctx); err != nil {
		return err
	}
	hc, err := w.pg.Hijack()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = hc.Conn.SetDeadline(time.Unix(1, 0)) })
	status, err := f(hc.Conn)
	if !stop() || err != nil {
		_ = hc.Conn.Close()
		w.pg = closedConn(hc)
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
		return err
	}
	hc.TxStatus = status
	w.pg, err = pgconn.Construct(hc)
	return err
}

// closedConn stands in for a session that was lost inside hijacked, so that a
// later close does not meet nil.
func closedConn(hc *pgconn.HijackedConn) *pgconn.PgConn {
	pg, err := pgconn.Construct(hc)
	if err != nil {
		return &pgconn.PgConn{}
	}
	return pg
}

// readTable runs a COPY … TO STDOUT and digests its rows; sink, which may be
// nil, gets the CopyData frames as they came, in pieces it must not keep.
func (w *wire) readTable(ctx context.Context, query string, asBinary bool, sink func([]byte) error) (digest, int64, error) {
	var frames frameReader
	err := w.hijacked(ctx, func(conn net.Conn) (byte, error) {
		if err := sendQuery(conn, query); err != nil {
			return 0, err
		}
		frames = newFrameReader(asBinary)
		frames.reads = true
		in, out := make([]byte, chunkSize), make([]byte, 0, chunkSize+5)
		for !frames.ready {
			n, err := conn.Read(in)
			if err != nil {
				return 0, fmt.Errorf("read rows: %w", noEOF(err))
			}
			out, err = frames.feed(in[:n], out[:0])
			if err != nil {
				return 0, err
			}
			if sink == nil || len(out) == 0 {
				continue
			}
			if err := sink(out); err != nil {
				return 0, err
			}
		}
		return frames.txStatus, frames.failure()
	})
	return frames.sum, frames.bytes, err
}

// writeTable runs a COPY … FROM STDIN; feed calls its argument with frames.
func (w *wire) writeTable(ctx context.Context, query string, feed func(write func([]byte) error) error) (int64, error) {
	var answer frameReader
	err := w.hijacked(ctx, func(conn net.Conn) (byte, error) {
		if err := sendQuery(conn, query); err != nil {
			return 0, err
		}
		answer = newFrameReader(false)
		if err := answer.untilCopyIn(conn); err != nil {
			return 0, err
		}
		done := make(chan error, 1)
		go func() { done <- answer.untilReady(conn) }()
		err := feed(func(p []byte) error {
			_, err := conn.Write(p)
			return err
		})
		if err != nil {
			// The server may have refused a row; its reason is the better one.
			_ = conn.SetDeadline(time.Now().Add(refusalTime))
			_, _ = conn.Write([]byte{'f', 0, 0, 0, 5, 0})
			if refused := <-done; refused == nil && answer.serverErr != nil && answer.serverErr.Code != "57014" {
				return 0, answer.serverErr
			}
			return 0, err
		}
		if _, err := conn.Write([]byte{'c', 0, 0, 0, 4}); err != nil {
			return 0, fmt.Errorf("write rows: %w", err)
		}
		if err := <-done; err != nil {
			return 0, err
		}
		return answer.txStatus, answer.failure()
	})
	return answer.tagRows, err
}

// refusalTime is how long a server that broke off is waited for to say why.
const refusalTime = 2 * time.Second

// relayTable copies rows from one session to another and digests them on the
// way. Reading and writing run side by side, chunkRing chunks apart at most.
func relayTable(ctx context.Context, src, dst *wire, out, in string, asBinary bool, progress func(int)) (digest, int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	full, free := make(chan []byte, chunkRing), make(chan []byte, chunkRing+1)
	for range chunkRing + 1 {
		free <- make([]byte, 0, chunkSize+5)
	}
	var sum digest
	var bytes int64
	readErr := make(chan error, 1)
	go func() {
		defer close(full)
		var err error
		sum, bytes, err = src.readTable(ctx, out, asBinary, func(p []byte) error {
			select {
			case buf := <-free:
				full <- append(buf[:0], p...)
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		})
		readErr <- err
	}()
	var srcErr error
	written, err := dst.writeTable(ctx, in, func(write func([]byte) error) error {
		for buf := range full {
			if err := write(buf); err != nil {
				return fmt.Errorf("write rows: %w", err)
			}
			progress(len(buf))
			free <- buf
		}
		srcErr = <-readErr
		return srcErr
	})
	switch {
	case srcErr != nil:
		return sum, bytes, classify(sourceSide, srcErr)
	case err != nil:
		cancel(err)
		for range full { // lets the reader end
		}
		return sum, bytes, classify(targetSide, err)
	case written != sum.rows:
		return sum, bytes, failf(targetSide, mover.CodeFailed, "%d rows were read and %d written", sum.rows, written)
	}
	return sum, bytes, nil
}

func sendQuery(conn net.Conn, sql string) error {
	msg, err := (&pgproto3.Query{String: sql}).Encode(nil)
	if err != nil {
		return err
	}
	_, err = conn.Write(msg)
	return err
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func messageLength(header []byte) (int, error) {
	n := int(binary.BigEndian.Uint32(header[1:5])) - 4
	if n < 0 {
		return 0, fmt.Errorf("read message %q: length %d", header[0], n)
	}
	return n, nil
}
