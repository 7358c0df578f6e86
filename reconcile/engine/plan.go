package engine

import (
	"encoding/json"
	"time"
)

// PlanFormat is the version of the plan's JSON.
const PlanFormat = 1

// Risk is what a step can cost.
type Risk string

// The risks, from harmless to not to be undone.
const (
	Safe        Risk = "safe"
	Outage      Risk = "outage"
	Destructive Risk = "destructive"
)

// StepID is what a step does to what; equal steps of two plans have equal ids.
type StepID string

// ActionKind names an action of the closed set in actions.go.
type ActionKind string

// Change is one value that becomes another. Field is the spec's own path
// where there is one, else the object's.
type Change struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// Estimate is how long a step takes, as a range, and what that rests on.
type Estimate struct {
	Low, High time.Duration
	// Down is the part of it while the application is stopped.
	DownLow, DownHigh time.Duration
	Assumption        string
}

// Step is data only: it survives a plan file, a diff and a kill.
type Step struct {
	ID     StepID            `json:"id"`
	Action ActionKind        `json:"action"`
	Title  string            `json:"title"`
	Args   map[string]string `json:"args,omitempty"`
	Reason string            `json:"reason"`
	Risk   Risk              `json:"risk"`
	// Accept is the word that accepts the danger, empty for safe steps.
	Accept  string   `json:"accept,omitempty"`
	Changes []Change `json:"changes,omitempty"`
	// Details are what a careful reader wants to know, one line each.
	Details  []string `json:"details,omitempty"`
	Needs    []StepID `json:"needs,omitempty"`
	Estimate Estimate `json:"estimate"`
}

// Finding is one result of preflight.
type Finding struct {
	ID string `json:"id"`
	// Blocks tells that nothing may be applied until it is fixed.
	Blocks bool   `json:"blocks"`
	What   string `json:"what"`
	// Brief is What with its lists cut, empty where there is nothing to cut.
	Brief string `json:"-"`
	Fix   string `json:"fix"`
	// Field is the spec's path it concerns, if any.
	Field string `json:"field,omitempty"`
	// Source is where the rule comes from.
	Source string `json:"source,omitempty"`
	// Left is what the move leaves behind, when the finding is about that.
	Left *Left `json:"left,omitempty"`
}

// CoverageState is how much of a block of the spec this version acts on.
type CoverageState string

// The states of coverage.
const (
	Enforced  CoverageState = "enforced"
	Declared  CoverageState = "declared, not enforced by this version"
	Uncovered CoverageState = "uncovered"
	// Unseen is what would be enforced, had it been looked at.
	Unseen CoverageState = "not looked at"
)

// Coverage is one line per block of the spec.
type Coverage struct {
	Block string        `json:"block"`
	State CoverageState `json:"state"`
	Note  string        `json:"note,omitempty"`
}

// Binding are the facts a plan was made on. When one of them moves, the plan
// is stale.
type Binding struct {
	SpecDigest string `json:"specDigest"`
	ClusterUID string `json:"clusterUID"`
	Release    string `json:"release"`
	Revision   int    `json:"revision"`
	Chart      string `json:"chart"`
	Source     string `json:"source,omitempty"`
	Target     string `json:"target,omitempty"`
	Epoch      int    `json:"epoch"`
	Secret     string `json:"secret,omitempty"`
	Tool       string `json:"tool"`
}

// Plan is what is missing, in order. Without steps nothing is.
type Plan struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	MadeAt  time.Time `json:"madeAt"`
	Binding Binding   `json:"binding"`
	// Moves are what the steps move, in words: "PostgreSQL internal → pg:5432".
	Moves    []string   `json:"moves,omitempty"`
	Steps    []Step     `json:"steps"`
	Findings []Finding  `json:"findings,omitempty"`
	Coverage []Coverage `json:"coverage"`
	// Authoritative is the side that a person chose where both took writes.
	Authoritative map[string]string `json:"authoritative,omitempty"`
	// Notices are facts worth reading that block nothing.
	Notices []string `json:"notices,omitempty"`
	// Resumes names the move a former apply left unfinished.
	Resumes string   `json:"resumes,omitempty"`
	Total   Estimate `json:"total"`
	// Names are the flow's words for whoever does its steps by hand: how things are
	// called here. Nil in a plan of an older version.
	Names json.RawMessage `json:"names,omitempty"`
}

// Blocked gives the findings that stand in the way.
func (p Plan) Blocked() []Finding {
	var out []Finding
	for _, f := range p.Findings {
		if f.Blocks {
			out = append(out, f)
		}
	}
	return out
}

// NoWayBack gives the findings that close the way back once the move is
// committed.
func (p Plan) NoWayBack() []Finding {
	var out []Finding
	for _, f := range p.Findings {
		if f.ID == FindingNoWayBack {
			out = append(out, f)
		}
	}
	return out
}

// Dangers gives the words that accept the plan's dangers, each once, in the
// order of the steps.
func (p Plan) Dangers() []string {
	var out []string
	seen := map[string]bool{"": true}
	for _, s := range p.Steps {
		if !seen[s.Accept] {
			seen[s.Accept] = true
			out = append(out, s.Accept)
		}
	}
	return out
}

// FindingNoWayBack is the finding that the commit closes the way back.
const FindingNoWayBack = "no-way-back"

// PlanID names a plan by what it binds to and what it would do.
func PlanID(p Plan) string {
	ids := make([]string, 0, len(p.Steps))
	for _, s := range p.Steps {
		ids = append(ids, string(s.ID))
	}
	return Fingerprint(struct {
		B Binding
		S []string
	}{p.Binding, ids})[:10]
}
