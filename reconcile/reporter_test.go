package reconcile

import (
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// A reporter tells of bytes twice a second at most and at the end of a phase,
// and of everything else at once, with rate and time left.
func TestReporterTellsOfBytesTwiceASecond(t *testing.T) {
	clock := time.Date(2026, 11, 26, 2, 0, 0, 0, time.UTC)
	var got []mover.Event
	r := mover.NewReporter(func(e mover.Event) { got = append(got, e) }, func() time.Time { return clock })
	r.Enter("documents", "", 4000)
	for range 10 {
		clock = clock.Add(100 * time.Millisecond)
		r.Add("a", 100)
	}
	r.At("b")
	r.Say("%d left", 3)
	r.Add("b", 3000)
	clock = clock.Add(time.Second)
	r.Enter("views", "", 0)
	r.Enter("users", "", 0)
	want := []mover.Event{
		{Phase: "documents", Total: 4000},
		{Phase: "documents", Object: "a", Bytes: 500, Total: 4000, Rate: 1000, ETA: 3500 * time.Millisecond},
		{Phase: "documents", Object: "a", Bytes: 1000, Total: 4000, Rate: 1000, ETA: 3 * time.Second},
		{Phase: "documents", Object: "b", Bytes: 1000, Total: 4000, Rate: 1000, ETA: 3 * time.Second},
		{Phase: "documents", Object: "b", Bytes: 1000, Total: 4000, Rate: 1000, ETA: 3 * time.Second, Message: "3 left"},
		{Phase: "documents", Object: "b", Bytes: 4000, Total: 4000, Rate: 2000},
		{Phase: "views"},
		{Phase: "users"},
	}
	if len(got) != len(want) {
		t.Fatalf("got %d events, want %d: %+v", len(got), len(want), got)
	}
	for i, e := range got {
		e.At = time.Time{}
		if e.Phase != want[i].Phase || e.Object != want[i].Object || e.Bytes != want[i].Bytes || e.Total != want[i].Total ||
			e.Rate != want[i].Rate || e.ETA != want[i].ETA || e.Message != want[i].Message {
			t.Errorf("event %d is %+v, want %+v", i, e, want[i])
		}
	}
	mover.NewReporter(nil, func() time.Time { return clock }).Say("to nobody")
}
