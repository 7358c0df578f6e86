package render_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// Nothing is said of the application that nobody saw.
func TestVerdict(t *testing.T) {
	for want, rep := range map[string]engine.Report{
		"nobody looked whether the application is up: circleci-dr status tells": {},
		"the application was not stopped by this apply":                         {Application: engine.Application{State: engine.AppLeftAlone}},
		"the application is UP":                                          {Downtime: time.Minute, Application: engine.Application{State: engine.AppUp}},
		"the application is UP on its source":                            {Application: engine.Application{State: engine.AppBack}},
		"the application is STARTING on pg.example.com:5432":             {Application: engine.Application{State: engine.AppStarting, On: "pg.example.com:5432"}},
		"the application is STOPPED":                                     {Application: engine.Application{State: engine.AppStopped}},
		"the application has been STOPPED since 2026-11-22 09:30:00 UTC": {Application: engine.Application{State: engine.AppStopped, Since: t0}},
	} {
		if got := render.Verdict(rep); got != want {
			t.Errorf("%+v: %q, want %q", rep, got, want)
		}
	}
}

// An engine of an older version does not say since when.
func TestNoDateIsShownThatNobodySaid(t *testing.T) {
	var out strings.Builder
	if err := render.ReportText(&out, engine.Report{Application: engine.Application{State: engine.AppStopped}}, errors.New("no"), render.Options{}); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, "STILL STOPPED: it could not") || strings.Contains(text, "0001") {
		t.Errorf("the report says\n%s", text)
	}
}
