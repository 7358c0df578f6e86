package reconcile

import (
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The closed set of actions. Each has one entry in actionsByKind.
const (
	ActCredentials engine.ActionKind = "write-credentials"
	ActProtect     engine.ActionKind = "protect-store"
	ActRehearse    engine.ActionKind = "rehearse"
	ActUnrehearsed engine.ActionKind = "unrehearsed"
	ActRead        engine.ActionKind = "read-source"
	ActRecord      engine.ActionKind = "record-replicas"
	ActQuiesce     engine.ActionKind = "quiesce"
	ActFence       engine.ActionKind = "fence-source"
	ActCopy        engine.ActionKind = "copy"
	ActProve       engine.ActionKind = "prove"
	ActSwitch      engine.ActionKind = "switch-release"
	ActHandOff     engine.ActionKind = "hand-off"
	ActCommit      engine.ActionKind = "commit-lineage"
	ActResume      engine.ActionKind = "resume-service"
	ActSettle      engine.ActionKind = "settle-release"
	ActSetAside    engine.ActionKind = "set-aside"
	ActRemove      engine.ActionKind = "remove-internal"
	ActGoBack      engine.ActionKind = "go-back"
	ActAdopt       engine.ActionKind = "adopt-internal"
)

// flapTime is how long the last look waits for pods that were ready and are not:
// on a busy node a probe is answered late now and then, and nothing is wrong.
const flapTime = time.Minute

// patience is how long the last look of an action waits: of those that are about
// pods, which come and go by themselves.
var patience = map[engine.ActionKind]time.Duration{ActResume: flapTime, ActSettle: flapTime}

// sideBySide are actions that take long and touch nothing in common: those of
// several datastores run at the same time.
var sideBySide = map[engine.ActionKind]bool{ActRehearse: true, ActRead: true, ActCopy: true, ActProve: true}

func beside(kind engine.ActionKind) bool { return sideBySide[kind] }

// moveSteps is the whole move. Its first steps may find their work done; they
// stand in the plan all the same, so that a plan made after a failed attempt
// reads like the first one. Outwards the release is switched once both sides
// are proven equal; inwards Helm has to bring the internal server up before
// anything can be copied to it, so the switch comes first and the application
// stays at zero until the proof.
func moveSteps(s *spec.Spec, o Observation, parts []Part) []engine.Step {
	back := parts[0].To == spec.Internal
	each := func(step func(Part) engine.Step, which ...func(Part) bool) (out []engine.Step) {
		for _, p := range parts {
			if len(which) == 0 || which[0](p) {
				out = append(out, ofEngine(p.Engine, step(p)))
			}
		}
		return out
	}
	copied, forked := func(p Part) bool { return !p.Fork }, func(p Part) bool { return p.Fork }
	var steps []engine.Step
	add := func(more ...engine.Step) { steps = append(steps, more...) }
	turn, by := switchStep(s, o, parts), handsOff(s, o)
	if by != "" {
		turn = handOffStep(s, o, parts, by)
	}
	if !back {
		add(each(func(p Part) engine.Step { return credentialsStep(s, o, p.Engine) })...)
		add(each(func(p Part) engine.Step { return protectStep(o, p) })...)
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
	add(each(func(p Part) engine.Step { return fenceStep(o, p) })...)
	if back {
		add(turn)
	}
	add(each(func(p Part) engine.Step { return copyStep(o, p) }, copied)...)
	add(each(func(p Part) engine.Step { return proveStep(o, p) }, copied)...)
	if !back {
		add(turn)
	}
	add(each(commitStep)...)
	add(resumeStep(o, parts))
	if by == "" { // what the tool applied has the application up
		add(settleStep())
	}
	if !back {
		add(each(func(p Part) engine.Step { return setAsideStep(o, p) }, forked)...)
		add(each(func(p Part) engine.Step { return removeStep(o, p) })...)
	}
	return steps
}

// ofEngine marks a step as one datastore's.
func ofEngine(e mover.Engine, st engine.Step) engine.Step {
	st.Args = map[string]string{"engine": string(e)}
	return st
}

func engineOf(st engine.Step) mover.Engine { return mover.Engine(st.Args["engine"]) }
