package engine

import "time"

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
	// Rehearsed tells that no move took it but a rehearsal.
	Rehearsed bool `json:"-"`
}

// believable is less than what no step takes: whoever says so has not measured.
const believable = 72 * time.Hour

// Good tells whether a measurement can be believed: the record is an object
// that anybody may have edited.
func (m Measurement) Good() bool {
	return m.Took > 0 && m.Took < believable && m.Moving >= 0 && m.Moving <= m.Took && m.Bytes >= 0 && m.Tables >= 0
}
