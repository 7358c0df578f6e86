package render

import (
	"bytes"
	"encoding/json"
	"io"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// PlanFormat names the JSON of a plan; schema/circleci-dr-plan.v1.schema.json
// describes it.
const PlanFormat = "circleci-dr/plan/v1"

// planDoc is the published shape of a plan. It is apart from engine.Plan,
// so that a renamed Go field is no new format.
type planDoc struct {
	Format   string       `json:"format"`
	ID       string       `json:"id"`
	Name     string       `json:"name"`
	MadeAt   time.Time    `json:"madeAt"`
	Blocked  bool         `json:"blocked"`
	Resumes  string       `json:"resumes,omitempty"`
	Binding  bindingDoc   `json:"binding"`
	Total    estimateDoc  `json:"total"`
	Accept   []string     `json:"accept,omitempty"`
	Steps    []stepDoc    `json:"steps"`
	Findings []findingDoc `json:"findings,omitempty"`
	Notices  []string     `json:"notices,omitempty"`
	Moves    []string     `json:"moves,omitempty"`
	// Authoritative is the chosen side, by datastore.
	Authoritative map[string]string `json:"authoritative,omitempty"`
	Coverage      []coverageDoc     `json:"coverage"`
	Names         json.RawMessage   `json:"names,omitempty"`
}

type bindingDoc struct {
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

type estimateDoc struct {
	Time       rangeDoc `json:"seconds"`
	Down       rangeDoc `json:"downtimeSeconds"`
	Assumption string   `json:"assumption,omitempty"`
}

type rangeDoc struct {
	Low  seconds `json:"low"`
	High seconds `json:"high"`
}

type stepDoc struct {
	ID       string            `json:"id"`
	Action   string            `json:"action"`
	Title    string            `json:"title"`
	Reason   string            `json:"reason"`
	Risk     string            `json:"risk"`
	Accept   string            `json:"accept,omitempty"`
	Args     map[string]string `json:"args,omitempty"`
	Changes  []changeDoc       `json:"changes,omitempty"`
	Details  []string          `json:"details,omitempty"`
	Needs    []string          `json:"needs,omitempty"`
	Estimate estimateDoc       `json:"estimate"`
}

type changeDoc struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

type findingDoc struct {
	ID     string `json:"id"`
	Blocks bool   `json:"blocks"`
	What   string `json:"what"`
	Fix    string `json:"fix"`
	Field  string `json:"field,omitempty"`
	Source string `json:"source,omitempty"`
	// Left is what the move leaves behind.
	Left *engine.Left `json:"left,omitempty"`
}

// findingOf leaves out the short sentence: a document has the whole one.
func findingOf(f engine.Finding) findingDoc {
	return findingDoc{ID: f.ID, Blocks: f.Blocks, What: f.What, Fix: f.Fix, Field: f.Field, Source: f.Source, Left: f.Left}
}

func (d findingDoc) finding() engine.Finding {
	return engine.Finding{ID: d.ID, Blocks: d.Blocks, What: d.What, Fix: d.Fix, Field: d.Field, Source: d.Source, Left: d.Left}
}

type coverageDoc struct {
	Block string `json:"block"`
	State string `json:"state"`
	Note  string `json:"note,omitempty"`
}

// PlanJSON writes a plan as versioned JSON, which ReadPlan reads again.
func PlanJSON(w io.Writer, plan engine.Plan) error { return writeJSON(w, docOf(plan)) }

func writeJSON(w io.Writer, doc any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(doc)
}

func docOf(p engine.Plan) planDoc {
	return planDoc{
		Format: PlanFormat, ID: p.ID, Name: p.Name, MadeAt: p.MadeAt.UTC(), Blocked: len(p.Blocked()) > 0, Resumes: p.Resumes,
		Binding: bindingDoc(p.Binding), Total: estimateOf(p.Total), Accept: p.Dangers(),
		Steps:         each(p.Steps, stepOf, true),
		Findings:      each(p.Findings, findingOf, false),
		Notices:       p.Notices,
		Moves:         p.Moves,
		Authoritative: p.Authoritative,
		Coverage:      each(p.Coverage, coverageOf, true),
		Names:         p.Names,
	}
}

// each maps a list; an empty one is [] where it is always written, else nil.
func each[A, B any](list []A, f func(A) B, always bool) []B {
	if len(list) == 0 && !always {
		return nil
	}
	out := make([]B, 0, len(list))
	for _, x := range list {
		out = append(out, f(x))
	}
	return out
}

func estimateOf(e engine.Estimate) estimateDoc {
	return estimateDoc{rangeDoc{seconds(e.Low), seconds(e.High)}, rangeDoc{seconds(e.DownLow), seconds(e.DownHigh)}, e.Assumption}
}

func (e estimateDoc) estimate() engine.Estimate {
	return engine.Estimate{
		Low: time.Duration(e.Time.Low), High: time.Duration(e.Time.High),
		DownLow: time.Duration(e.Down.Low), DownHigh: time.Duration(e.Down.High), Assumption: e.Assumption,
	}
}

func coverageOf(c engine.Coverage) coverageDoc {
	return coverageDoc{c.Block, string(c.State), c.Note}
}

func changeOf(c engine.Change) changeDoc { return changeDoc(c) }

func stepOf(s engine.Step) stepDoc {
	return stepDoc{
		ID: string(s.ID), Action: string(s.Action), Title: s.Title, Reason: s.Reason, Risk: string(s.Risk), Accept: s.Accept,
		Args: s.Args, Changes: each(s.Changes, changeOf, false), Details: s.Details,
		Needs:    each(s.Needs, func(id engine.StepID) string { return string(id) }, false),
		Estimate: estimateOf(s.Estimate),
	}
}

func (d stepDoc) step() engine.Step {
	return engine.Step{
		ID: engine.StepID(d.ID), Action: engine.ActionKind(d.Action), Title: d.Title, Reason: d.Reason,
		Risk: engine.Risk(d.Risk), Accept: d.Accept, Args: d.Args,
		Changes: each(d.Changes, func(c changeDoc) engine.Change { return engine.Change(c) }, false), Details: d.Details,
		Needs:    each(d.Needs, func(id string) engine.StepID { return engine.StepID(id) }, false),
		Estimate: d.Estimate.estimate(),
	}
}

func (d planDoc) plan() engine.Plan {
	return engine.Plan{
		Format: engine.PlanFormat, ID: d.ID, Name: d.Name, MadeAt: d.MadeAt, Binding: engine.Binding(d.Binding),
		Steps:    each(d.Steps, stepDoc.step, false),
		Findings: each(d.Findings, findingDoc.finding, false),
		Coverage: each(d.Coverage, func(c coverageDoc) engine.Coverage {
			return engine.Coverage{Block: c.Block, State: engine.CoverageState(c.State), Note: c.Note}
		}, false),
		Notices: d.Notices, Moves: d.Moves, Authoritative: d.Authoritative, Resumes: d.Resumes, Total: d.Total.estimate(), Names: compact(d.Names),
	}
}

// compact is JSON without the spaces that were put into it for people.
func compact(raw json.RawMessage) json.RawMessage {
	var out bytes.Buffer
	if len(raw) == 0 || json.Compact(&out, raw) != nil {
		return raw
	}
	return out.Bytes()
}
