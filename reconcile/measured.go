package reconcile

import (
	"context"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// Measured is how long what an apply did took on this installation, the newest
// time of each kind: the next plan's estimates rest on it. Nothing else does,
// so a missing or garbled one costs a wider range and no more.
type Measured struct {
	Steps map[string]Measurement `json:"steps"`
	// Downtime is of whole moves, by direction.
	Downtime map[string]Measurement `json:"downtime,omitempty"`
}

// Measurement is an actual duration beside the announced one.
type Measurement struct {
	At   time.Time     `json:"at"`
	Took time.Duration `json:"took"`
	// Low and High are what the plan had announced.
	Low  time.Duration `json:"announcedLow"`
	High time.Duration `json:"announcedHigh"`
	// Moving is the part of it that grows with the data: Bytes in Tables, in the
	// same measure a plan takes, that of the inspection.
	Moving time.Duration `json:"moving,omitempty"`
	Bytes  int64         `json:"bytes,omitempty"`
	Tables int           `json:"tables,omitempty"`
	// rehearsed tells that no move took it but a rehearsal.
	rehearsed bool
}

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
var directed = map[ActionKind]bool{ActRead: true, ActCopy: true, ActProve: true, ActFence: true, ActSwitch: true}

// measuredKey names the measurement of a step: its action, its datastore where
// it has one, and the direction where that matters.
func measuredKey(st Step, direction string) string {
	key := joinNonEmpty("/", string(st.Action), st.Args["engine"])
	if directed[st.Action] {
		key += "/" + direction
	}
	return key
}

func (r *run) direction() string { return directionOf(r.allParts()) }

// good tells whether a measurement can be believed: the record is an object
// that anybody may have edited.
func (m Measurement) good() bool {
	return m.Took > 0 && m.Took < longTime && m.Moving >= 0 && m.Moving <= m.Took && m.Bytes >= 0 && m.Tables >= 0
}

// of finds what a step took when it was last done; other tells that it was in
// the other direction.
func (m Measured) of(st Step, direction string) (found Measurement, other, ok bool) {
	if found, ok = m.Steps[measuredKey(st, direction)]; ok && found.good() {
		return found, false, true
	}
	found, ok = m.Steps[measuredKey(st, otherDirection(direction))]
	// Another server's fence or copy tells something; waiting for another pod
	// does not.
	return found, true, ok && found.good() && st.Action != ActSwitch
}

// measure remembers how long a step took that this run did from its beginning
// to its end. One that an earlier run began would look faster than it is.
func (r *run) measure(st Step, took time.Duration) {
	part := r.part(st)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cut[st.ID] || st.Action == ActGoBack {
		return
	}
	m := Measurement{At: r.p.Now(), Took: took, Low: st.Estimate.Low, High: st.Estimate.High}
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
	r.took[measuredKey(st, r.direction())] = m
}

// cutOff are the steps that an earlier run of this move began and did not end.
func cutOff(j Journal, m Move) map[StepID]bool {
	out := map[StepID]bool{}
	for _, e := range j.Cut() {
		if m.Open() && !e.Begun.Before(m.Opened) {
			out[e.Step] = true
		}
	}
	return out
}

// keepMeasured stores what was measured for the next plan. Failing at it fails
// no apply: the watcher is told.
func (r *run) keepMeasured(ctx context.Context) {
	if len(r.took) == 0 {
		return
	}
	if err := r.storeMeasured(ctx); err != nil {
		r.ev.Note(fmt.Sprintf("how long the steps took could not be kept for the next plan's estimates: %v", err))
	}
}

func (r *run) storeMeasured(ctx context.Context) error {
	rec, version := readRecord[Measured](ctx, r.p.Records, RecordMeasured)
	if rec.Unread() && version == "" {
		return fmt.Errorf("read record %s: %s", RecordMeasured, rec.Why)
	}
	next := Measured{Steps: map[string]Measurement{}, Downtime: map[string]Measurement{}}
	for key, m := range rec.Value.Steps { // garbled it is empty, and begun anew
		next.Steps[key] = m
	}
	for key, m := range rec.Value.Downtime {
		next.Downtime[key] = m
	}
	for key, m := range r.took {
		next.Steps[key] = m
	}
	// A downtime that spans several runs is that of their deaths.
	if down := r.downtime(); down > 0 && !r.resumed && (r.move.Phase == MoveCommitted || r.move.Phase == MoveFinished) {
		next.Downtime[r.direction()] = Measurement{At: r.move.Resumed, Took: down, Low: r.move.Announced.DownLow, High: r.move.Announced.DownHigh}
	}
	_, err := writeRecord(ctx, r.p.Records, RecordMeasured, next, version)
	return err
}
