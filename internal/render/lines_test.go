package render_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

func TestLines(t *testing.T) {
	now := t0
	steps := []engine.Step{{ID: "a", Title: "Write the Secret"}, {ID: "b", Title: "Copy every database"}}
	var out bytes.Buffer
	l := render.NewLines(&out, func() time.Time { return now }, steps...)
	event := func(after time.Duration, e mover.Event) {
		now = now.Add(after)
		l.StepProgress(steps[1], e)
	}
	l.StepSkipped(steps[0], "it is as wanted")
	down := engine.Service{Since: t0.Add(-70 * time.Second), DownLow: 2 * time.Minute, DownHigh: 14 * time.Minute}
	l.Service(down)
	l.StepBegins(steps[1])
	event(0, mover.Event{Phase: "schema", Object: "conductor_production"})
	event(time.Second, mover.Event{Phase: "data", Object: "public.builds", Bytes: 10 << 20, Total: 1 << 30})
	event(9*time.Second, mover.Event{Phase: "data", Object: "public.builds", Bytes: 20 << 20, Total: 1 << 30})
	event(time.Second, mover.Event{Phase: "data", Object: "public.builds", Bytes: 1<<30 - 1, Total: 1 << 30, Rate: 102 << 20, ETA: 75 * time.Second})
	event(time.Second, mover.Event{Phase: "indexes", Message: "12 of 40\x1b[2J"})
	l.StepEnds(steps[1], 83*time.Second, errors.New("the target went away"))
	l.Note("bringing the application back on the internal database")
	now = now.Add(130 * time.Minute)
	back := engine.Step{ID: "go-back/postgresql", Title: "Bring it back"}
	l.StepProgress(back, mover.Event{Message: "the database takes writes again"})
	down.Up, down.Stopped = true, now.Sub(down.Since)
	l.Service(down)
	l.StepEnds(engine.Step{ID: "go-back/postgresql", Title: "Bring it back"}, 4200*time.Millisecond, nil)
	want := `09:30:00Z  [ 1/2] Write the Secret: nothing to do, it is as wanted
09:30:00Z  the application has been STOPPED since 2026-11-22 09:28:50 UTC; the plan announced 2 to 14 min
09:30:00Z  [ 2/2] STOPPED 01:10  Copy every database
09:30:00Z  [ 2/2] STOPPED 01:10  schema conductor_production
09:30:01Z  [ 2/2] STOPPED 01:11  data public.builds, 10.0 MiB of 1.0 GiB (0 %)
09:30:11Z  [ 2/2] STOPPED 01:21  data public.builds, 1024.0 MiB of 1.0 GiB (99 %), 102.0 MiB/s, 1 min 15 s left
09:30:12Z  [ 2/2] STOPPED 01:22  indexes, 12 of 40?[2J
09:30:12Z  [ 2/2] STOPPED 01:22  failed after 1 min 23 s: the target went away
09:30:12Z  bringing the application back on the internal database
11:40:12Z  [ .. ] STOPPED 2:11:22  the database takes writes again
11:40:12Z  the application is UP; it was stopped for 2 h 11 min; the plan announced 2 to 14 min
11:40:12Z  [ .. ] done in 4.2 s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := l.Err(); err != nil {
		t.Error(err)
	}
}

// What is to be copied out of a log has no clock in front.
func TestLinesToCopy(t *testing.T) {
	var out bytes.Buffer
	l := render.NewLines(&out, func() time.Time { return t0 })
	for _, text := range []string{"commit these values:", "    postgresql:", "      internal: false", "waiting"} {
		l.Note(text)
	}
	at := t0.UTC().Format("15:04:05Z")
	want := at + "  commit these values:\n               postgresql:\n                 internal: false\n" + at + "  waiting\n"
	if out.String() != want {
		t.Errorf("the log is\n%swant\n%s", out.String(), want)
	}
}

// A wait tells what changes, with its clock, and is not silent for so long that
// somebody takes it for dead.
func TestLinesOfAWait(t *testing.T) {
	now := t0
	var out bytes.Buffer
	l := render.NewLines(&out, func() time.Time { return now })
	for s := range 700 {
		why := "Deployment/api has 0 of 2 ready, and 1 more"
		if s >= 62 {
			why = "Deployment/api has 0 of 2 ready"
		}
		l.StepProgress(engine.Step{ID: "a", Title: "Start"}, mover.Event{Phase: "starting", Message: why, Waited: time.Duration(s) * time.Second, Budget: 15 * time.Minute})
		now = now.Add(time.Second)
	}
	want := `09:30:00Z  starting, 0.0 s of 15 min 00 s, Deployment/api has 0 of 2 ready, and 1 more
09:31:02Z  starting, 1 min 02 s of 15 min 00 s, Deployment/api has 0 of 2 ready
09:36:02Z  starting, 6 min 02 s of 15 min 00 s, Deployment/api has 0 of 2 ready
09:41:02Z  starting, 11 min 02 s of 15 min 00 s, Deployment/api has 0 of 2 ready
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

type closedPipe struct{}

func (closedPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestLinesKeepsTheFirstError(t *testing.T) {
	l := render.NewLines(closedPipe{}, func() time.Time { return t0 })
	l.Note("a")
	if err := l.Err(); err == nil || err.Error() != "broken pipe" {
		t.Errorf("got %v", err)
	}
}

// TestLinesOfStepsSideBySide: each step has its own phase, and says whose it is.
func TestLinesOfStepsSideBySide(t *testing.T) {
	steps := []engine.Step{{ID: "copy/pg:5432", Title: "Copy every database"}, {ID: "copy/m:27017", Title: "Copy every MongoDB database"}, {ID: "prove/postgresql", Title: "Prove"}}
	for _, row := range []struct {
		known []engine.Step
		want  string
	}{
		{steps, `09:30:00Z  [ 1/3] Copy every database
09:30:00Z  [ 2/3] Copy every MongoDB database
09:30:00Z  [ 1/3] rows public.builds
09:30:00Z  [ 2/3] documents circle_ghe.jobs
09:30:00Z  [ 1/3] done in 1.0 s
09:30:00Z  [ 2/3] indexes
09:30:00Z  [ 3/3] Prove
09:30:00Z  [ 3/3] reading
`},
		{nil, `09:30:00Z  Copy every database
09:30:00Z  Copy every MongoDB database
09:30:00Z  Copy every database: rows public.builds
09:30:00Z  Copy every MongoDB database: documents circle_ghe.jobs
09:30:00Z  done in 1.0 s
09:30:00Z  indexes
09:30:00Z  Prove
09:30:00Z  reading
`},
	} {
		var out bytes.Buffer
		l := render.NewLines(&out, func() time.Time { return t0 }, row.known...)
		l.StepBegins(steps[0])
		l.StepBegins(steps[1])
		for range 3 {
			l.StepProgress(steps[0], mover.Event{Phase: "rows", Object: "public.builds"})
			l.StepProgress(steps[1], mover.Event{Phase: "documents", Object: "circle_ghe.jobs"})
		}
		l.StepEnds(steps[0], time.Second, nil)
		l.StepProgress(steps[1], mover.Event{Phase: "indexes"})
		l.StepBegins(steps[2]) // the second one's end was lost with its pod
		l.StepProgress(steps[2], mover.Event{Phase: "reading"})
		if diff := cmp.Diff(row.want, out.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
