package reconcile

import (
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

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
func StatusWithEngine(lines []StatusLine, e engine.Observed[engine.HostedRun], rec engine.Observed[engine.HostedRecord], file string) []StatusLine {
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

func lastEngine(rec engine.Observed[engine.HostedRecord]) StatusLine {
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
func BackPlan(s *spec.Spec, o Observation, reason string) (engine.Plan, bool) {
	if !openMove(o) || o.Move.Value.Phase == MoveCommitted {
		return engine.Plan{}, false
	}
	p := engine.Plan{Format: engine.PlanFormat, Name: s.Name, MadeAt: o.At, Binding: bindingOf(s, o), Resumes: o.Move.Value.ID, Coverage: CoverageOf(s)}
	p.Steps = []engine.Step{goBackStep(o.Move.Value, reason)}
	p.Total = total(p.Steps)
	p.ID = engine.PlanID(p)
	return p, true
}

// Returns tells whether a plan begins with the way back of a move that was cut
// off on it.
func Returns(p engine.Plan) bool { return len(p.Steps) > 0 && p.Steps[0].Action == ActGoBack }
