package engine

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// HostedRun is an engine at work in the cluster, or one that was, as its Job
// tells.
type HostedRun struct {
	Job  string `json:"job"`
	UID  string `json:"uid"`
	Plan string `json:"plan"`
	// SpecDigest is of the file it works on.
	SpecDigest string    `json:"specDigest"`
	By         string    `json:"by"`
	Since      time.Time `json:"since"`
	// Deadline is when an uncommitted move goes back.
	Deadline time.Time `json:"deadline"`
	// Failed counts the pods that died; each is followed by another.
	Failed int `json:"failedPods,omitempty"`
	// Over tells that no pod will come any more, Gave up that they died too
	// often.
	Over   bool `json:"over,omitempty"`
	GaveUp bool `json:"gaveUp,omitempty"`
}

// Active tells whether a pod of the engine runs or will.
func (e HostedRun) Active() bool { return !e.Over }

// HostedEvent is one thing an engine in the cluster tells whoever follows it.
// Step and Title name the step it is about.
type HostedEvent struct {
	Kind  HostedEventKind `json:"kind"`
	Step  StepID          `json:"step,omitempty"`
	Title string          `json:"title,omitempty"`
	// Text is why a step was skipped, why it failed, or a note.
	Text     string        `json:"text,omitempty"`
	Duration time.Duration `json:"duration,omitempty"`
	Failed   bool          `json:"failed,omitempty"`
	Progress *Event        `json:"progress,omitempty"`
	Service  *Service      `json:"service,omitempty"`
	// Steps are what this pod is going to do, in order.
	Steps []HostedStep `json:"steps,omitempty"`
}

// Line is the event as a line of the engine's log, which is written and followed
// like a mover's.
func (e HostedEvent) Line() Event {
	return Event{Engine: JSON(e)}
}

// HostedEventOf is what a line of an engine's log tells; ok is false of other
// lines.
func HostedEventOf(line Event) (e HostedEvent, ok bool) {
	if len(line.Engine) == 0 {
		return e, false
	}
	if err := json.Unmarshal(line.Engine, &e); err != nil { // of an engine that writes them differently
		return HostedEvent{Kind: HostedNotes, Text: fmt.Sprintf("a line of the engine's log could not be read: %v", err)}, true
	}
	return e, true
}

// HostedEventKind is what an engine's event tells.
type HostedEventKind string

// The kinds of events.
const (
	HostedPlans    HostedEventKind = "plan"
	HostedBegins   HostedEventKind = "begin"
	HostedSkips    HostedEventKind = "skip"
	HostedProgress HostedEventKind = "progress"
	HostedEnds     HostedEventKind = "end"
	HostedNotes    HostedEventKind = "note"
	HostedService  HostedEventKind = "service"
)

// HostedStep names a step of the engine's plan.
type HostedStep struct {
	ID    StepID `json:"id"`
	Title string `json:"title"`
}

// HostedOutcome is how the work of an engine in the cluster ended.
type HostedOutcome struct {
	At   time.Time `json:"at"`
	Exit int       `json:"exit"`
	// Error and Hint are what a person would have been told.
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Report Report `json:"report"`
	// Differences are what the flow found unequal, in words of its own.
	Differences json.RawMessage `json:"differences,omitempty"`
}

// HostedRecord is what the pods of one engine tell each other: where things
// were when the first of them began, and how it ended. The holder of the lease
// writes it.
type HostedRecord struct {
	Job  string `json:"job"`
	UID  string `json:"uid"`
	Plan string `json:"plan"`
	By   string `json:"by"`
	// Begun is when the first pod began, Attempt the newest attempt at a move
	// that there had been until then.
	Begun   time.Time      `json:"begun"`
	Attempt string         `json:"attempt,omitempty"`
	Outcome *HostedOutcome `json:"outcome,omitempty"`
}

// ReadHosted reads the record of the newest engine.
func ReadHosted(ctx context.Context, r Records) Observed[HostedRecord] {
	rec, _ := ReadRecord[HostedRecord](ctx, r, RecordHosted)
	return rec
}

// WriteHosted stores it; the caller holds the lease.
func WriteHosted(ctx context.Context, r Records, rec HostedRecord) error {
	return ReplaceRecord(ctx, r, RecordHosted, rec)
}
