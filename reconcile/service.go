package reconcile

import "time"

// Service is whether the application takes work, as an apply has just made it
// or found it.
type Service struct {
	// Up tells that it does; else it is stopped since Since.
	Up    bool      `json:"up"`
	Since time.Time `json:"since"`
	// Stopped is how long it was, once it is up.
	Stopped time.Duration `json:"stopped,omitempty"`
	// DownLow and DownHigh are the downtime that the plan announced which began
	// the move.
	DownLow  time.Duration `json:"downLow,omitempty"`
	DownHigh time.Duration `json:"downHigh,omitempty"`
}

// service is whether the application takes work, as the move's record has it.
func (r *run) service() Service {
	out := Service{Since: r.move.Quiesced, DownLow: r.move.Announced.DownLow, DownHigh: r.move.Announced.DownHigh}
	if !r.isDown() {
		out.Up, out.Since, out.Stopped = true, r.move.Resumed, r.move.Resumed.Sub(r.move.Quiesced)
	}
	return out
}

// reportService says in the report what became of the application, as far as this
// run knows it.
func (r *run) reportService(rep *Report) {
	switch {
	case rep.StillDown:
		rep.StoppedSince = r.move.Quiesced
	case !r.isDown() && rep.Downtime == 0 && !rep.WentBack && rep.StartedOn == "":
		rep.NotStopped = true
	}
}
