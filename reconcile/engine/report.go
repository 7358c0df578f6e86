package engine

import (
	"cmp"
	"strings"
	"time"
)

// Events hears what an apply does while it does it.
type Events interface {
	StepBegins(Step)
	StepSkipped(Step, string)
	StepProgress(Step, Event)
	StepEnds(Step, time.Duration, error)
	// Service tells that the application is stopped from now on, or up again.
	Service(Service)
	// Note is a sentence for the person who watches.
	Note(string)
}

// Options are who applies, and for how long they let it run.
type Options struct {
	By string
	// Limit bounds what comes before the commit; nil means without end.
	Limit Limit
}

// StepReport is what became of one step.
type StepReport struct {
	Step     StepID        `json:"step"`
	Title    string        `json:"title"`
	Outcome  string        `json:"outcome"` // settled, already settled, failed
	Duration time.Duration `json:"duration"`
	// Announced is what the plan said it would take.
	Announced Estimate `json:"announced"`
	Error     string   `json:"error,omitempty"`
}

// Report is what an apply did.
type Report struct {
	Plan  string       `json:"plan"`
	Steps []StepReport `json:"steps"`
	// Downtime is from the first workload scaled down to the last one ready,
	// zero when the application was not stopped.
	Downtime time.Duration `json:"downtime,omitempty"`
	// Announced is what the plan said; its downtime is that of the plan which
	// opened the move.
	Announced Estimate `json:"announced"`
	// WentBack tells that a failure brought the application back on the
	// source; StillDown that it could not.
	WentBack  bool `json:"wentBack,omitempty"`
	StillDown bool `json:"stillDown,omitempty"`
	// StoppedSince is when it was stopped, when it is still down.
	StoppedSince time.Time `json:"stoppedSince,omitzero"`
	// NotStopped tells that this apply left the application as it was. Without it
	// and all of the above nobody looked.
	NotStopped bool `json:"notStopped,omitempty"`
	// StartedOn is the side on which the application was started and left
	// starting: not all of it was seen ready.
	StartedOn string `json:"startedOn,omitempty"`
	// Ailing are the pods that kept it from coming up.
	Ailing []Ailment `json:"ailing,omitempty"`
}

// BlockedError carries the findings of preflight that stand in the way.
type BlockedError struct{ Findings []Finding }

// Error lists the findings with their ids.
func (e *BlockedError) Error() string {
	var parts []string
	for _, f := range e.Findings {
		parts = append(parts, f.ID+": "+cmp.Or(f.Brief, f.What))
	}
	return "blocked by preflight: " + strings.Join(parts, "; ")
}
