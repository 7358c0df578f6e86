package render

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vbauerster/mpb/v8"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

var stoppedSince = regexp.MustCompile(`STOPPED since [-0-9]+ [:0-9]+ UTC`)

var escape = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// TestBars drives a whole apply; what stays on the screen are the finished
// steps and the notes.
func TestBars(t *testing.T) {
	steps := []engine.Step{{ID: "a", Title: "Write the Secret"}, {ID: "b", Title: "Copy every database"}, {ID: "c", Title: "Prove"}}
	var out bytes.Buffer
	refresh := make(chan any)
	b := newBars(steps, mpb.WithOutput(&out), mpb.WithWidth(160), mpb.WithManualRefresh(refresh))
	b.StepSkipped(steps[0], "it is as wanted")
	b.Service(engine.Service{Since: time.Now().Add(-time.Hour), DownHigh: time.Minute})
	b.StepBegins(steps[1])
	b.StepProgress(steps[1], mover.Event{Phase: "copying", Object: "public.builds", Bytes: 512 << 20, Total: 1 << 30, Rate: 64 << 20, ETA: 8 * time.Second})
	refresh <- time.Now()
	refresh <- time.Now()                   // taken when the first one is being drawn
	b.Note("bringing the application back") // returns when nothing is being drawn
	b.StepEnds(steps[1], 12*time.Second, nil)
	b.StepProgress(steps[2], mover.Event{Phase: "comparing"})
	b.StepEnds(steps[2], time.Second, errors.New("different"))
	refresh <- time.Now() // what a terminal does by itself at the end
	b.Close()
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	got := escape.ReplaceAllString(out.String(), "")
	bar := regexp.MustCompile(`\[ 2/3\] Copy every database  ━━━━━━━━━━━━─────────── STOPPED 1:0\d:\d\d  copying public.builds, 512.0 MiB of 1.0 GiB \(50 %\), 64.0 MiB/s, 8.0 s left`)
	if !bar.MatchString(got) {
		t.Errorf("the bar was not drawn:\n%s", got)
	}
	var stays []string
	got = stoppedSince.ReplaceAllString(got, "STOPPED since then")
	for _, l := range strings.Split(got, "\n") {
		if l = strings.TrimSpace(l); l != "" && !strings.Contains(l, "  ") { // two spaces: a bar
			stays = append(stays, l)
		}
	}
	want := []string{
		"[ 1/3] Write the Secret: nothing to do, it is as wanted",
		"the application has been STOPPED since then; the plan announced up to 60 s",
		"bringing the application back",
		"[ 2/3] Copy every database: 12 s",
		"[ 3/3] failed after 1.0 s: different",
	}
	if diff := cmp.Diff(want, stays); diff != "" {
		t.Errorf("what stays differs (-want +got):\n%s", diff)
	}
}

// TestBarsOutliveTheirTerminal: an apply goes on when nobody watches.
func TestBarsOutliveTheirTerminal(t *testing.T) {
	b := newBars(nil, mpb.WithOutput(&bytes.Buffer{}))
	b.Close()
	st := engine.Step{ID: "a", Title: "Copy every database"}
	b.StepBegins(st)
	b.StepProgress(st, mover.Event{Bytes: 1, Total: 2})
	b.StepEnds(st, time.Second, nil)
	if err := b.Err(); !errors.Is(err, mpb.ErrDone) {
		t.Errorf("got %v", err)
	}
}

// TestBarsOfStepsSideBySide: what one step tells is never shown under another's
// title.
func TestBarsOfStepsSideBySide(t *testing.T) {
	steps := []engine.Step{{ID: "copy/pg:5432", Title: "Copy every database"}, {ID: "copy/m:27017", Title: "Copy every MongoDB database"}}
	var out bytes.Buffer
	refresh := make(chan any)
	b := newBars(steps, mpb.WithOutput(&out), mpb.WithWidth(160), mpb.WithManualRefresh(refresh))
	b.StepBegins(steps[0])
	b.StepBegins(steps[1])
	b.StepProgress(steps[0], mover.Event{Phase: "rows", Object: "public.builds", Bytes: 1, Total: 2})
	b.StepProgress(steps[1], mover.Event{Phase: "documents", Object: "circle_ghe.jobs", Bytes: 1, Total: 4})
	refresh <- time.Now()
	refresh <- time.Now() // taken when the first one is being drawn
	b.Note("both are shown")
	b.StepEnds(steps[0], time.Second, nil)
	b.StepEnds(steps[1], time.Second, nil)
	refresh <- time.Now()
	b.Close()
	got := escape.ReplaceAllString(out.String(), "")
	for _, want := range []string{`Copy every database  +\S+ rows public\.builds`, `Copy every MongoDB database  +\S+ documents circle_ghe\.jobs`} {
		if !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("no bar is %q:\n%s", want, got)
		}
	}
}
