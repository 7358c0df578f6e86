package render

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// ReportText draws what an apply did: every step with what became of it and
// how long it took, the downtime next to the announced one, and where the
// application is now. cause is the error Apply returned, nil when it
// succeeded; again is the command to go on with after a failure.
func ReportText(w io.Writer, rep reconcile.Report, cause error, o Options, again string) error {
	p := newPage(o)
	for i, st := range rep.Steps {
		reportStep(p, i+1, st)
	}
	if len(rep.Steps) > 0 {
		p.blank()
	}
	if rep.Downtime > 0 {
		a := rep.Announced
		p.line(fmt.Sprintf("The application was stopped for %s; the plan announced %s.", took(rep.Downtime), span(a.DownLow, a.DownHigh)))
	}
	if cause == nil {
		p.line(p.paint(green, fmt.Sprintf("Done: plan %s is applied.", clean(rep.Plan))))
		return p.flush(w)
	}
	reportCause(p, cause)
	switch {
	case rep.StillDown:
		p.para("", "", red, "THE APPLICATION IS STILL STOPPED. It could not be brought back; circleci-dr status says where things are.")
	case rep.WentBack:
		p.para("", "", bold, "The application is back on its source, as it was before. The source takes writes again, and nothing was removed.")
	case rep.Downtime == 0:
		p.line("The application was not stopped.")
	}
	if again != "" {
		p.line("Once the cause is mended, run: " + p.paint(bold, clean(again)))
	}
	return p.flush(w)
}

// reportCause draws why an apply failed. Differences get a paragraph each;
// the error's own text names only the first ones.
func reportCause(p *page, cause error) {
	for _, l := range strings.Split(cause.Error(), "\n") {
		p.para("Failed: ", "        ", red, l)
	}
	var different *reconcile.DifferentError
	if !errors.As(cause, &different) || len(different.Proof.Differences) < 2 {
		return
	}
	for _, d := range different.Proof.Differences {
		difference(p, d)
	}
	p.blank()
}

func reportStep(p *page, n int, st reconcile.StepReport) {
	mark, t, text := "✓", green, took(st.Duration)
	switch st.Outcome {
	case "already settled":
		mark, t, text = "=", dim, "was so already"
	case "failed":
		mark, t, text = "✗", red, "failed after "+took(st.Duration)
	}
	const wide = 62
	p.line(fmt.Sprintf("%2d %s %s  %s", n, p.paint(t, mark), pad(clean(st.Title), wide), text))
}
