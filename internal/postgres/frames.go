package postgres

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/zeebo/xxh3"
)

const (
	// binaryHeader is the length of COPY's binary signature, flags and
	// extension length, which PostgreSQL puts in front of the first row.
	binaryHeader = 19
	// smallFrame is how much of a message cut by a chunk's end is put
	// together again; a longer row is hashed piece by piece.
	smallFrame = 4 << 10
	// maxControl bounds messages other than rows, which are held whole.
	maxControl = 1 << 20
)

// frameReader takes the bytes a server sends during COPY, in pieces of any
// size, and finds the messages in them. One CopyData message is one row: the
// protocol's documentation says so, and the count in the command's tag is
// compared with ours.
type frameReader struct {
	header  []byte // of a message cut by a chunk's end
	kind    byte   // of the message we are in, 0 between messages
	left    int    // bytes of it still to come
	size    int    // its length
	skip    int    // bytes of COPY's binary header still to come
	binary  bool
	reads   bool   // we are the one who reads rows, and count them
	partial []byte // what came of a control message or a short row
	wide    *xxh3.Hasher

	sum       digest
	bytes     int64
	tagRows   int64
	copyIn    bool
	ready     bool
	txStatus  byte
	serverErr *pgconn.PgError
}

func newFrameReader(asBinary bool) frameReader {
	f := frameReader{binary: asBinary}
	if asBinary {
		f.skip = binaryHeader
	}
	return f
}

// feed takes the next bytes and appends CopyData frames, headers included, to
// out.
func (f *frameReader) feed(in, out []byte) ([]byte, error) {
	for len(in) > 0 {
		if f.kind == 0 {
			n := min(5-len(f.header), len(in))
			f.header = append(f.header, in[:n]...)
			in = in[n:]
			if len(f.header) < 5 {
				return out, nil
			}
			if err := f.begin(); err != nil {
				return out, err
			}
			if f.kind == 'd' {
				out = append(out, f.header...)
			}
			f.header = f.header[:0]
			if f.left > 0 && len(in) == 0 {
				return out, nil
			}
		}
		n := min(f.left, len(in))
		piece := in[:n]
		in = in[n:]
		f.left -= n
		if f.kind == 'd' {
			out = append(out, piece...)
			f.bytes += int64(n)
			f.row(piece)
		} else {
			f.partial = append(f.partial, piece...)
		}
		if f.left == 0 {
			if err := f.end(); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

func (f *frameReader) begin() error {
	n, err := messageLength(f.header)
	if err != nil {
		return err
	}
	f.kind, f.left, f.size = f.header[0], n, n
	f.partial = f.partial[:0]
	if f.kind != 'd' && n > maxControl {
		return fmt.Errorf("read message %q: %d bytes are too many", f.kind, n)
	}
	return nil
}

// row takes a piece of a row.
func (f *frameReader) row(piece []byte) {
	if f.skip > 0 {
		n := min(f.skip, len(piece))
		f.skip -= n
		f.size -= n
		piece = piece[n:]
	}
	if f.size > 0 && len(piece) == f.size { // the usual case: the whole row is here
		f.whole(piece)
		f.size = 0
		return
	}
	if f.size <= smallFrame {
		f.partial = append(f.partial, piece...)
		return
	}
	if f.wide == nil {
		f.wide = xxh3.New()
	}
	_, _ = f.wide.Write(piece) // a hash.Hash never fails
}

// whole digests a row that is in one piece.
func (f *frameReader) whole(row []byte) {
	if f.binary && len(row) == 2 && row[0] == 0xff && row[1] == 0xff {
		return // COPY's binary trailer
	}
	f.sum.add(xxh3.Hash128(row))
}

// end closes a message.
func (f *frameReader) end() error {
	kind := f.kind
	f.kind = 0
	switch kind {
	case 'd':
		switch {
		case f.size > smallFrame:
			f.sum.add(f.wide.Sum128())
			f.wide.Reset()
		case f.size > 0:
			f.whole(f.partial)
		}
		return nil
	case 'C':
		tag := strings.TrimRight(string(f.partial), "\x00")
		if n, ok := strings.CutPrefix(tag, "COPY "); ok {
			var err error
			if f.tagRows, err = strconv.ParseInt(n, 10, 64); err != nil {
				return fmt.Errorf("read command tag %q: %w", tag, err)
			}
		}
	case 'E':
		var msg pgproto3.ErrorResponse
		if err := msg.Decode(bytes.Clone(f.partial)); err != nil {
			return fmt.Errorf("read server error: %w", err)
		}
		if f.serverErr == nil {
			f.serverErr = withoutRows(pgconn.ErrorResponseToPgError(&msg), aboutRows, nil)
		}
	case 'G':
		f.copyIn = true
	case 'Z':
		if len(f.partial) != 1 {
			return errors.New("read ready message: wrong length")
		}
		f.ready, f.txStatus = true, f.partial[0]
	}
	return nil
}

// failure is what the server said against the command, or a count that does
// not add up.
func (f *frameReader) failure() error {
	if f.serverErr != nil {
		return f.serverErr
	}
	if f.reads && f.sum.rows != f.tagRows {
		return fmt.Errorf("count rows: %d came, the server says %d", f.sum.rows, f.tagRows)
	}
	return nil
}

// untilCopyIn reads until the server wants rows.
func (f *frameReader) untilCopyIn(conn net.Conn) error {
	return f.read(conn, func() bool { return f.copyIn || f.ready }, func() error {
		if f.copyIn {
			return nil
		}
		if f.serverErr != nil {
			return f.serverErr
		}
		return errors.New("start COPY: the server asked for no rows")
	})
}

// untilReady reads until the command is over.
func (f *frameReader) untilReady(conn net.Conn) error {
	return f.read(conn, func() bool { return f.ready }, func() error { return nil })
}

func (f *frameReader) read(conn net.Conn, done func() bool, result func() error) error {
	buf := make([]byte, 8<<10)
	for !done() {
		n, err := conn.Read(buf)
		if err != nil {
			return fmt.Errorf("read answer: %w", noEOF(err))
		}
		if _, err := f.feed(buf[:n], nil); err != nil {
			return err
		}
	}
	return result()
}
