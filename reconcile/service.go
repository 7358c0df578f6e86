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

// stillDown is the application that a failure left stopped, where it is.
func (r *run) stillDown() engine.Application {
	if r.isDown() {
		return engine.Application{State: engine.AppStopped}
	}
	return engine.Application{}
}

// reportService says in the report what became of the application where no failure
// said it.
func (r *run) reportService(rep *engine.Report) {
	switch app := &rep.Application; {
	case app.State == engine.AppStopped:
		app.Since = r.move.Quiesced
	case app.State != engine.AppUnseen || r.isDown():
	case rep.Downtime > 0:
		app.State = engine.AppUp
	default:
		app.State = engine.AppLeftAlone
	}
}
