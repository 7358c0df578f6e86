package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// service is whether the application takes work, as the move's record has it.
func (r *run) service() engine.Service {
	out := engine.Service{Since: r.move.Quiesced, DownLow: r.move.Announced.DownLow, DownHigh: r.move.Announced.DownHigh}
	if !r.isDown() {
		out.Up, out.Since, out.Stopped = true, r.move.Resumed, r.move.Resumed.Sub(r.move.Quiesced)
	}
	return out
}

// reportService says in the report what became of the application, as far as this
// run knows it.
func (r *run) reportService(rep *engine.Report) {
	switch {
	case rep.StillDown:
		rep.StoppedSince = r.move.Quiesced
	case !r.isDown() && rep.Downtime == 0 && !rep.WentBack && rep.StartedOn == "":
		rep.NotStopped = true
	}
}
