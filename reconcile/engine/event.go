package engine

import (
	"encoding/json"
	"time"
)

// Event is one line of the log of a pod at work, a mover's or that of a run in the
// cluster. Lines are numbered so that a
// reader who reconnects can drop repeats.
type Event struct {
	Seq   int64     `json:"seq"`
	At    time.Time `json:"at"`
	Phase string    `json:"phase,omitempty"`
	// Object is the table, index or database being worked on.
	Object string `json:"object,omitempty"`
	// Bytes of Total are done in this phase; Rate is bytes a second.
	Bytes int64         `json:"bytes,omitempty"`
	Total int64         `json:"total,omitempty"`
	Rate  float64       `json:"rate,omitempty"`
	ETA   time.Duration `json:"eta,omitempty"`
	// Message is for people.
	Message string `json:"message,omitempty"`
	// Waited of Budget is over, where something is waited for: then the message is
	// worth telling when it changes.
	Waited time.Duration `json:"waited,omitempty"`
	Budget time.Duration `json:"budget,omitempty"`
	// Error ends the run; Result ends it too. Exactly one of the two comes last.
	Error string `json:"error,omitempty"`
	Code  string `json:"code,omitempty"`
	// Side is "source", "target" or empty: which one the error is about.
	Side   string          `json:"side,omitempty"`
	Result json.RawMessage `json:"result,omitempty"`
	// Engine is a HostedEvent, where a run in the cluster tells it. It is read by
	// itself: one that another version wrote differently spoils no line.
	Engine json.RawMessage `json:"engine,omitempty"`
}

// Progress takes events while a pod works. It must not block for long.
type Progress func(Event)
