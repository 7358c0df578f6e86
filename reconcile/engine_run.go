package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// EngineRun is an engine at work in the cluster, or one that was, as its Job
// tells.
type EngineRun struct {
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
func (e EngineRun) Active() bool { return !e.Over }

// EngineEvent is one thing an engine in the cluster tells whoever follows it.
// Step and Title name the step it is about.
type EngineEvent struct {
	Kind  EngineEventKind `json:"kind"`
	Step  StepID          `json:"step,omitempty"`
	Title string          `json:"title,omitempty"`
	// Text is why a step was skipped, why it failed, or a note.
	Text     string        `json:"text,omitempty"`
	Duration time.Duration `json:"duration,omitempty"`
	Failed   bool          `json:"failed,omitempty"`
	Progress *mover.Event  `json:"progress,omitempty"`
	Service  *Service      `json:"service,omitempty"`
	// Steps are what this pod is going to do, in order.
	Steps []EngineStep `json:"steps,omitempty"`
}

// Line is the event as a line of the engine's log, which is written and followed
// like a mover's.
func (e EngineEvent) Line() mover.Event {
	raw, err := json.Marshal(e)
	if err != nil { // plain structs of strings and numbers always marshal
		panic(err)
	}
	return mover.Event{Engine: raw}
}

// EngineEventOf is what a line of an engine's log tells; ok is false of other
// lines.
func EngineEventOf(line mover.Event) (e EngineEvent, ok bool) {
	if len(line.Engine) == 0 {
		return e, false
	}
	if err := json.Unmarshal(line.Engine, &e); err != nil { // of an engine that writes them differently
		return EngineEvent{Kind: EngineNotes, Text: fmt.Sprintf("a line of the engine's log could not be read: %v", err)}, true
	}
	return e, true
}

// EngineEventKind is what an engine's event tells.
type EngineEventKind string

// The kinds of events.
const (
	EnginePlans    EngineEventKind = "plan"
	EngineBegins   EngineEventKind = "begin"
	EngineSkips    EngineEventKind = "skip"
	EngineProgress EngineEventKind = "progress"
	EngineEnds     EngineEventKind = "end"
	EngineNotes    EngineEventKind = "note"
	EngineService  EngineEventKind = "service"
)

// EngineStep names a step of the engine's plan.
type EngineStep struct {
	ID    StepID `json:"id"`
	Title string `json:"title"`
}

// EngineOutcome is how the work of an engine in the cluster ended.
type EngineOutcome struct {
	At   time.Time `json:"at"`
	Exit int       `json:"exit"`
	// Error and Hint are what a person would have been told.
	Error  string `json:"error,omitempty"`
	Hint   string `json:"hint,omitempty"`
	Report Report `json:"report"`
	// Differences are what a proof found unequal.
	Differences []mover.Difference `json:"differences,omitempty"`
}

// EngineRecord is what the pods of one engine tell each other: where things
// were when the first of them began, and how it ended. The holder of the lease
// writes it.
type EngineRecord struct {
	Job  string `json:"job"`
	UID  string `json:"uid"`
	Plan string `json:"plan"`
	By   string `json:"by"`
	// Begun is when the first pod began, Attempt the newest attempt at a move
	// that there had been until then.
	Begun   time.Time      `json:"begun"`
	Attempt string         `json:"attempt,omitempty"`
	Outcome *EngineOutcome `json:"outcome,omitempty"`
}

// ReadEngineRecord reads the record of the newest engine.
func ReadEngineRecord(ctx context.Context, r Records) Observed[EngineRecord] {
	rec, _ := ReadRecord[EngineRecord](ctx, r, RecordEngine)
	return rec
}

// WriteEngineRecord stores it; the caller holds the lease.
func WriteEngineRecord(ctx context.Context, r Records, rec EngineRecord) error {
	return ReplaceRecord(ctx, r, RecordEngine, rec)
}

// AttemptOf names the newest attempt at a move, "" before the first.
func AttemptOf(o Observation) string {
	if !o.Move.Is() {
		return ""
	}
	return o.Move.Value.AttemptID()
}

// WentBackSince says why the newest attempt went back, when it is a later one
// than attempt: an engine that restarts must not begin again what it, or
// somebody else, took back meanwhile.
func WentBackSince(attempt string, o Observation) (why string, yes bool) {
	m := o.Move
	if !m.Is() || m.Value.Phase != MoveReverted || m.Value.AttemptID() == attempt {
		return "", false
	}
	return fmt.Sprintf("move %s went back: %s", m.Value.ID, m.Value.LastError), true
}

// StatusWithEngine adds what the engine in the cluster is doing, if one was
// ever there. While it works on an unfinished move, following it is what to
// do about the move.
func StatusWithEngine(lines []StatusLine, e Observed[EngineRun], rec Observed[EngineRecord], file string) []StatusLine {
	follow := "circleci-dr status --follow --file " + file
	switch {
	case e.Unread():
		return append(lines, StatusLine{Topic: "engine", Alarm: true, Text: "whether one is at work in the cluster could not be read: " + e.Why})
	case !e.Is() && !rec.Is():
		return lines
	case !e.Is() || e.Value.Over && !e.Value.GaveUp:
		return append(lines, lastEngine(rec))
	case e.Value.GaveUp:
		return append(lines, StatusLine{Topic: "engine", Alarm: true, Command: "circleci-dr apply --file " + file,
			Text: fmt.Sprintf("gave up after %d pods died: Job %s, plan %s, submitted by %s", e.Value.Failed, e.Value.Job, e.Value.Plan, e.Value.By)})
	}
	line := StatusLine{Topic: "engine", Command: follow, Text: fmt.Sprintf("at work in the cluster since %s on plan %s for %s, Job %s; what is not committed by %s goes back",
		when(e.Value.Since), e.Value.Plan, e.Value.By, e.Value.Job, when(e.Value.Deadline))}
	if e.Value.Failed > 0 {
		line.Text += fmt.Sprintf("; %d pods of it died and were replaced", e.Value.Failed)
	}
	for i := range lines {
		if lines[i].Topic == "move" && lines[i].Command != "" {
			lines[i].Command = follow
		}
	}
	return append(lines, line)
}

func lastEngine(rec Observed[EngineRecord]) StatusLine {
	line := StatusLine{Topic: "engine"}
	switch out := rec.Value.Outcome; {
	case rec.Unread():
		line.Text = "the last one's record could not be read: " + rec.Why
	case out == nil:
		line.Text = fmt.Sprintf("the last one began %s and left no outcome", when(rec.Value.Begun))
	case out.Error != "":
		line.Text = fmt.Sprintf("the last one ended %s with exit %d: %s", when(out.At), out.Exit, out.Error)
	default:
		line.Text = fmt.Sprintf("the last one ended %s, plan %s is applied", when(out.At), rec.Value.Plan)
	}
	return line
}

// BackPlan is the way back alone, for an engine that cannot go on with what it
// was handed. It is false where nothing stands open, and after the commit:
// there is only forward then.
func BackPlan(s *spec.Spec, o Observation, reason string) (Plan, bool) {
	if !openMove(o) || o.Move.Value.Phase == MoveCommitted {
		return Plan{}, false
	}
	p := Plan{Format: PlanFormat, Name: s.Name, MadeAt: o.At, Binding: bindingOf(s, o), Resumes: o.Move.Value.ID, Coverage: CoverageOf(s)}
	p.Steps = []Step{goBackStep(o.Move.Value, reason)}
	p.Total = total(p.Steps)
	p.ID = PlanID(p)
	return p, true
}

// Returns tells whether a plan begins with the way back of a move that was cut
// off on it.
func Returns(p Plan) bool { return len(p.Steps) > 0 && p.Steps[0].Action == ActGoBack }
