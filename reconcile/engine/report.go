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
	// Application is what became of the application.
	Application Application `json:"application,omitzero"`
	// Ailing are the pods that kept it from coming up.
	Ailing []Ailment `json:"ailing,omitempty"`
}

// Application is what became of the application in an apply, as far as it knows.
type Application struct {
	State ApplicationState `json:"state,omitempty"`
	// On is the side on which it was started, of one that is starting.
	On string `json:"on,omitempty"`
	// Why is why it is stopped still, of one that is stopped.
	Why string `json:"why,omitempty"`
	// Since is when it was stopped, of one that is stopped; zero where nobody said.
	Since time.Time `json:"since,omitzero"`
}

// ApplicationState is one of the ways in which an apply leaves the application.
type ApplicationState string

// The states. The zero value is that nobody looked.
const (
	AppUnseen    ApplicationState = ""
	AppLeftAlone ApplicationState = "left-alone" // this apply did not stop it
	AppUp        ApplicationState = "up"         // it was stopped, and is up where the plan wants it
	AppBack      ApplicationState = "back"       // a failure brought it back to its source
	AppStarting  ApplicationState = "starting"   // it was started, and not all of it was seen ready
	AppStopped   ApplicationState = "stopped"    // it could not be brought back
)

// Left tells whether the apply left the application so.
func (r Report) Left(as ApplicationState) bool { return r.Application.State == as }

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
