package render

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// ReportText draws what an apply did: every step with what became of it and
// how long it took next to what the plan announced, the downtime likewise, and where the
// application is now. cause is the error Apply returned, nil when it
// succeeded; its text is the caller's to print, only the differences of a
// proof are drawn here, each with both sides.
func ReportText(w io.Writer, rep engine.Report, cause error, o Options) error {
	p := newPage(o)
	if len(rep.Steps) > 0 {
		p.line(p.paint(dim, strings.Repeat(" ", reportIndent+reportTitle+2)+pad("took", reportTook)+"  announced"))
	}
	for i, st := range rep.Steps {
		reportStep(p, i+1, st)
	}
	if len(rep.Steps) > 0 {
		p.blank()
	}
	for _, d := range differencesOf(cause) {
		difference(p, d)
		p.blank()
	}
	if cause != nil {
		ailments(p, rep.Ailing)
	}
	if rep.Downtime > 0 {
		a := rep.Announced
		p.line(fmt.Sprintf("The application was stopped for %s; the plan announced %s.", reconcile.Took(rep.Downtime), reconcile.Span(a.DownLow, a.DownHigh)))
	}
	switch {
	case cause == nil && len(rep.Steps) == 0:
		p.line("Nothing to do.")
	case cause == nil:
		p.line(p.paint(green, fmt.Sprintf("Done: plan %s is applied, and %s.", reconcile.OneLine(rep.Plan), Verdict(rep))))
	case rep.Left(engine.AppStopped):
		since := ""
		if !rep.Application.Since.IsZero() { // nobody said
			since = ", since " + when(rep.Application.Since) + ","
		}
		why := cmp.Or(rep.Application.Why, "it could not be brought back") // an older engine does not say more
		p.para("", "", red, "THE APPLICATION IS STILL STOPPED"+strings.TrimSuffix(since, ",")+": "+strings.TrimRight(why, ".")+".")
		p.para("", "", plain, "circleci-dr status says where things are; the same apply goes on from here. To bring it back by hand: circleci-dr explain --break-glass (docs/break-glass.md).")
	case rep.Left(engine.AppStarting):
		p.para("", "", bold, fmt.Sprintf("The application is started on %s, and not all of it was seen ready. Nothing of it is stopped: circleci-dr status shows how far it is, and the same apply goes on from here.", rep.Application.On))
	case rep.Left(engine.AppBack):
		p.para("", "", bold, "Failed, and the application is back on its source, as it was before: it takes writes again and nothing was removed.")
	default:
		p.line(p.paint(bold, "Failed; "+Verdict(rep)+"."))
	}
	return p.flush(w)
}

// ailments draws the pods that are not ready, each with its last lines.
func ailments(p *page, all []engine.Ailment) {
	for _, a := range all {
		p.para(p.paint(red, "✗ "), "  ", plain, a.String())
		for _, line := range a.Log {
			p.line("  " + p.paint(dim, "| "+reconcile.OneLine(line)))
		}
		if a.NoLog != "" {
			p.para("  ", "  ", dim, "its log is not shown: "+a.NoLog)
		}
		p.blank()
	}
}

// differencesOf gives what a proof found unequal, if that was the cause.
func differencesOf(cause error) []mover.Difference {
	var different *reconcile.DifferentError
	if errors.As(cause, &different) {
		return different.Proof.Differences
	}
	return nil
}

// The columns of a report's steps: number and mark, title, actual time.
const (
	reportIndent = 5
	reportTitle  = 62
	reportTook   = 11
)

func reportStep(p *page, n int, st engine.StepReport) {
	mark, t, text := "✓", green, pad(reconcile.Took(st.Duration), reportTook)+"  "+reconcile.Span(st.Announced.Low, st.Announced.High)
	switch st.Outcome {
	case "already settled":
		mark, t, text = "=", dim, "was so already"
	case "failed":
		mark, t, text = "✗", red, "failed after "+reconcile.Took(st.Duration)
	}
	p.line(fmt.Sprintf("%2d %s %s  %s", n, p.paint(t, mark), pad(reconcile.OneLine(st.Title), reportTitle), text))
	if st.Error != "" {
		p.para("     ", "     ", red, st.Error)
	}
}

// Verdict says whether the application is up after an apply, as its last word.
func Verdict(rep engine.Report) string {
	switch app := rep.Application; app.State {
	case engine.AppStopped:
		if app.Since.IsZero() {
			return "the application is STOPPED"
		}
		return "the application has been STOPPED since " + when(app.Since)
	case engine.AppStarting:
		return "the application is STARTING on " + reconcile.OneLine(app.On)
	case engine.AppBack:
		return "the application is UP on its source"
	case engine.AppUp:
		return "the application is UP"
	case engine.AppLeftAlone:
		return "the application was not stopped by this apply"
	case engine.AppUnseen:
	}
	return "nobody looked whether the application is up: circleci-dr status tells"
}
