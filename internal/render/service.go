package render

import (
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// outage is what a person who watches has in mind all the time: since when the
// application is stopped. It is zero while it is up.
type outage struct{ since time.Time }

func outageOf(s engine.Service) outage {
	if s.Up {
		return outage{}
	}
	return outage{s.Since}
}

// clock is "STOPPED 02:14  ", or nothing while the application is up.
func (o outage) clock(now time.Time) string {
	if o.since.IsZero() {
		return ""
	}
	d := max(0, now.Sub(o.since)).Truncate(time.Second)
	clock := fmt.Sprintf("%02d:%02d", int(d.Minutes())%60, int(d.Seconds())%60)
	if d >= time.Hour {
		clock = fmt.Sprintf("%d:%s", int(d.Hours()), clock)
	}
	return "STOPPED " + clock + "  "
}

// serviceLine says what became of the application.
func serviceLine(s engine.Service) string {
	announced := ""
	if s.DownHigh > 0 {
		announced = "the plan announced " + reconcile.Span(s.DownLow, s.DownHigh)
	}
	switch {
	case !s.Up && announced != "":
		return fmt.Sprintf("the application has been STOPPED since %s; %s", when(s.Since), announced)
	case !s.Up:
		return "the application has been STOPPED since " + when(s.Since)
	case announced != "":
		return fmt.Sprintf("the application is UP; it was stopped for %s; %s", reconcile.Took(s.Stopped), announced)
	}
	return "the application is UP; it was stopped for " + reconcile.Took(s.Stopped)
}
