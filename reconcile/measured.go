package reconcile

import (
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The directions of a move, as keys of measurements.
const (
	outwards = "out"
	inwards  = "back"
)

func directionOf(parts []Part) string {
	if len(parts) > 0 && parts[0].To == spec.Internal {
		return inwards
	}
	return outwards
}

func otherDirection(d string) string {
	if d == inwards {
		return outwards
	}
	return inwards
}

// directed are actions that are another piece of work in each direction:
// another server reads and writes, or Helm waits for another pod.
var directed = map[engine.ActionKind]bool{ActRead: true, ActCopy: true, ActProve: true, ActFence: true, ActSwitch: true}

// measuredKey names the measurement of a step: its action, its datastore where
// it has one, and the direction where that matters.
func measuredKey(st engine.Step, direction string) string {
	key := joinNonEmpty("/", string(st.Action), st.Args["engine"])
	if directed[st.Action] {
		key += "/" + direction
	}
	return key
}

func (r *run) direction() string { return directionOf(r.allParts()) }

// tookBefore finds what a step took when it was last done; other tells that it was in
// the other direction.
func tookBefore(m engine.Measured, st engine.Step, direction string) (found engine.Measurement, other, ok bool) {
	if found, ok = m.Steps[measuredKey(st, direction)]; ok && found.Good() {
		return found, false, true
	}
	found, ok = m.Steps[measuredKey(st, otherDirection(direction))]
	// Another server's fence or copy tells something; waiting for another pod
	// does not.
	return found, true, ok && found.Good() && st.Action != ActSwitch
}

// measured is what a step took that this run did from its beginning to its end.
// One that an earlier run of the open move began would look faster than it is.
func (r *run) measured(st engine.Step, took time.Duration) (string, engine.Measurement, bool) {
	part, key := r.part(st), measuredKey(st, r.direction())
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.move.Open() && r.steps.Cut(st.ID, r.move.Opened) || st.Action == ActGoBack {
		return "", engine.Measurement{}, false
	}
	m := engine.Measurement{At: r.p.Now(), Took: took, Low: st.Estimate.Low, High: st.Estimate.High}
	switch z := r.carried[part.Engine]; {
	case st.Action == ActCopy && part.Copy != nil:
		m.Moving, m.Bytes, m.Tables = part.Copy.Duration, z.bytes, z.tables
	case st.Action == ActProve && part.Proof != nil:
		m.Moving, m.Bytes, m.Tables = part.Proof.Duration, z.bytes, z.tables
	case st.Action == ActRead && r.read[part.Engine] != nil:
		m.Moving, m.Bytes, m.Tables = r.read[part.Engine].Duration, z.bytes, z.tables
	}
	// A mover may have been at it longer than we waited for it, on a clock of
	// its own.
	m.Moving = min(max(m.Moving, 0), took)
	return key, m, true
}

// measuredDowntime is how long the move had the application stopped. One that
// spans several runs is that of their deaths.
func (r *run) measuredDowntime() {
	if down := r.downtime(); down > 0 && !r.resumed && (r.move.Phase == MoveCommitted || r.move.Phase == MoveFinished) {
		r.steps.MeasuredDowntime(r.direction(), engine.Measurement{At: r.move.Resumed, Took: down, Low: r.move.Announced.DownLow, High: r.move.Announced.DownHigh})
	}
}
