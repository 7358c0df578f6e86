package main

import (
	"bytes"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Two steps that run side by side are in different phases all the time: that is
// no news.
func TestEngineLogOfStepsSideBySide(t *testing.T) {
	var out bytes.Buffer
	l := newEngineLog(&out)
	for range 100 {
		l.StepProgress(engine.Step{ID: "copy/pg:5432"}, mover.Event{Phase: "rows"})
		l.StepProgress(engine.Step{ID: "copy/m:27017"}, mover.Event{Phase: "documents"})
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n > 20 {
		t.Errorf("%d lines of 200 events", n)
	}
}
