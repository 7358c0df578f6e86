package kube

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// broken gives its text and then fails, as a stream does when the API server
// goes away.
type broken struct{ io.Reader }

func (b broken) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func TestMoverLogOverTwoConnections(t *testing.T) {
	var got []mover.Event
	log := moverLog{progress: func(e mover.Event) { got = append(got, e) }}
	first := `2026-11-22T05:00:00.1Z {"seq":1,"phase":"schema"}
2026-11-22T05:00:01.1Z panic: this line is not an event
2026-11-22T05:00:01.2Z {"seq":2,"phase":"data","bytes":10}
2026-11-22T05:00:02.2Z {"seq":3,"phase":"da`
	if err := log.read(broken{strings.NewReader(first)}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("a broken stream gave %v, want io.ErrUnexpectedEOF", err)
	}
	if since := log.since.Format("15:04:05.0"); since != "05:00:01.2" {
		t.Errorf("would follow again from %s, want 05:00:01.2", since)
	}
	second := `2026-11-22T05:00:01.1Z panic: this line is not an event
2026-11-22T05:00:01.2Z {"seq":2,"phase":"data","bytes":10}
2026-11-22T05:00:02.2Z {"seq":3,"phase":"data","bytes":20}
2026-11-22T05:00:03.2Z {"seq":4,"result":{"rows":7}}`
	if err := log.read(strings.NewReader(second)); err != nil {
		t.Fatal(err)
	}
	want := []mover.Event{{Seq: 1, Phase: "schema"}, {Seq: 2, Phase: "data", Bytes: 10}, {Seq: 3, Phase: "data", Bytes: 20}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("progress was\n%+v, want\n%+v", got, want)
	}
	end := mover.Event{Seq: 4, Result: json.RawMessage(`{"rows":7}`)}
	if !log.ended || !reflect.DeepEqual(log.last, end) {
		t.Errorf("the last line was %+v, want %+v", log.last, end)
	}
}

func TestMoverLogOfLongLines(t *testing.T) {
	text := strings.Repeat("x", 1<<20)
	log := moverLog{progress: func(mover.Event) {}}
	line := `2026-11-22T05:00:03.2Z {"seq":1,"result":"` + text + `"}` + "\n"
	if err := log.read(strings.NewReader(line)); err != nil || string(log.last.Result) != `"`+text+`"` {
		t.Errorf("error %v and %d bytes of result, want none and %d", err, len(log.last.Result), len(text)+2)
	}
	endless := moverLog{progress: func(mover.Event) {}}
	err := endless.read(io.LimitReader(zeros{}, lineLimit+lineLimit/2))
	if err == nil || err.Error() != "a line of the mover's log is longer than 16777216 bytes" {
		t.Errorf("an endless line gave %v", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
