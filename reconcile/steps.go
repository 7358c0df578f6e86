package reconcile

import (
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The closed set of actions. Each has one entry in actionsByKind.
const (
	ActCredentials ActionKind = "write-credentials"
	ActProtect     ActionKind = "protect-store"
	ActRehearse    ActionKind = "rehearse"
	ActUnrehearsed ActionKind = "unrehearsed"
	ActRead        ActionKind = "read-source"
	ActRecord      ActionKind = "record-replicas"
	ActQuiesce     ActionKind = "quiesce"
	ActFence       ActionKind = "fence-source"
	ActCopy        ActionKind = "copy"
	ActProve       ActionKind = "prove"
	ActSwitch      ActionKind = "switch-release"
	ActHandOff     ActionKind = "hand-off"
	ActCommit      ActionKind = "commit-lineage"
	ActResume      ActionKind = "resume-service"
	ActSettle      ActionKind = "settle-release"
	ActSetAside    ActionKind = "set-aside"
	ActRemove      ActionKind = "remove-internal"
	ActGoBack      ActionKind = "go-back"
	ActAdopt       ActionKind = "adopt-internal"
)

// flapTime is how long the last look waits for pods that were ready and are not:
// on a busy node a probe is answered late now and then, and nothing is wrong.
const flapTime = time.Minute

// patience is how long the last look of an action waits: of those that are about
// pods, which come and go by themselves.
var patience = map[ActionKind]time.Duration{ActResume: flapTime, ActSettle: flapTime}

// sideBySide are actions that take long and touch nothing in common: those of
// several datastores run at the same time.
var sideBySide = map[ActionKind]bool{ActRehearse: true, ActRead: true, ActCopy: true, ActProve: true}

func beside(kind ActionKind) bool { return sideBySide[kind] }

// moveSteps is the whole move. Its first steps may find their work done; they
// stand in the plan all the same, so that a plan made after a failed attempt
// reads like the first one. Outwards the release is switched once both sides
// are proven equal; inwards Helm has to bring the internal server up before
// anything can be copied to it, so the switch comes first and the application
// stays at zero until the proof.
func moveSteps(s *spec.Spec, o Observation, parts []Part) []Step {
	back := parts[0].To == spec.Internal
	each := func(step func(Part) Step, which ...func(Part) bool) (out []Step) {
		for _, p := range parts {
			if len(which) == 0 || which[0](p) {
				out = append(out, ofEngine(p.Engine, step(p)))
			}
		}
		return out
	}
	copied, forked := func(p Part) bool { return !p.Fork }, func(p Part) bool { return p.Fork }
	var steps []Step
	add := func(more ...Step) { steps = append(steps, more...) }
	turn, by := switchStep(s, o, parts), handsOff(s, o)
	if by != "" {
		turn = handOffStep(s, o, parts, by)
	}
	if !back {
		add(each(func(p Part) Step { return credentialsStep(s, o, p.Engine) })...)
		add(each(func(p Part) Step { return protectStep(o, p) })...)
	}
	for _, p := range parts {
		add(rehearsalSteps(s, o, p)...)
	}
	for _, p := range parts {
		if p.Replaces > 0 {
			add(ofEngine(p.Engine, readStep(o, p)))
		}
	}
	add(recordStep(o), quiesceStep(o))
	add(each(func(p Part) Step { return fenceStep(o, p) })...)
	if back {
		add(turn)
	}
	add(each(func(p Part) Step { return copyStep(o, p) }, copied)...)
	add(each(func(p Part) Step { return proveStep(o, p) }, copied)...)
	if !back {
		add(turn)
	}
	add(each(commitStep)...)
	add(resumeStep(o, parts))
	if by == "" { // what the tool applied has the application up
		add(settleStep())
	}
	if !back {
		add(each(func(p Part) Step { return setAsideStep(o, p) }, forked)...)
		add(each(func(p Part) Step { return removeStep(o, p) })...)
	}
	return steps
}

// Chain makes each step need the ones before it; steps that run side by side
// need the same.
func Chain(steps []Step, beside func(ActionKind) bool) []Step {
	var before []StepID
	for i := 0; i < len(steps); {
		n := SideBySide(steps[i:], beside)
		var group []StepID
		for j := i; j < i+n; j++ {
			steps[j].Needs = before
			group = append(group, steps[j].ID)
		}
		before, i = group, i+n
	}
	return steps
}

// NewStep is a harmless step that does what kind says to an object.
func NewStep(kind ActionKind, object, title string) Step {
	return Step{ID: StepID(string(kind) + "/" + object), Action: kind, Title: title, Risk: Safe}
}

// ofEngine marks a step as one datastore's.
func ofEngine(e mover.Engine, st Step) Step {
	st.Args = map[string]string{"engine": string(e)}
	return st
}

func engineOf(st Step) mover.Engine { return mover.Engine(st.Args["engine"]) }
