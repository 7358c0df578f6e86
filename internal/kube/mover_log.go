package kube

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// lineLimit bounds one line of a mover's log; a result is one line.
const lineLimit = 16 << 20

// moverLog is what was read of one pod's log so far, over all connections.
type moverLog struct {
	progress mover.Progress
	// seq is the newest number seen, since the time of the newest line.
	seq   int64
	since time.Time
	// last is the line that ended the run; ended tells that there was one.
	last  mover.Event
	ended bool
}

// read takes lines until the stream ends or a result came. It returns nil at
// the stream's end, which says nothing about the run, and the error of a broken
// stream.
func (l *moverLog) read(stream io.Reader) error {
	lines := bufio.NewReaderSize(stream, 64<<10)
	for {
		line, err := readLine(lines)
		if err == nil || errors.Is(err, io.EOF) && complete(line) {
			l.take(line)
		}
		if errors.Is(err, io.EOF) || len(l.last.Result) > 0 {
			return nil // nothing comes after a result
		}
		if err != nil {
			return err
		}
	}
}

// complete tells whether a line without its line break is whole: the last
// line of a container that was killed may not be.
func complete(line []byte) bool {
	_, body := splitTime(line)
	return json.Valid(body)
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > lineLimit {
			return nil, fmt.Errorf("a line of the mover's log is longer than %d bytes", lineLimit)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// take handles one line: the kubelet's timestamp and an event. Lines that are
// no events are not ours to repeat: they could hold anything.
func (l *moverLog) take(line []byte) {
	at, body := splitTime(line)
	if !at.IsZero() {
		l.since = at
	}
	var event mover.Event
	if json.Unmarshal(body, &event) != nil || event.Seq <= l.seq {
		return // not an event, or a repeat after a reconnection
	}
	l.seq = event.Seq
	if event.Error != "" || len(event.Result) > 0 {
		l.last, l.ended = event, true
		return
	}
	l.progress(event)
}

func splitTime(line []byte) (time.Time, []byte) {
	stamp, body, ok := bytes.Cut(line, []byte(" "))
	if !ok {
		return time.Time{}, line
	}
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return time.Time{}, line
	}
	return at, body
}
