package render

import (
	"io"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// The formats of what commands report;
// schema/circleci-dr-report.v1.schema.json describes all of them.
const (
	StatusFormat    = "circleci-dr/status/v1"
	DriftFormat     = "circleci-dr/drift/v1"
	ReportFormat    = "circleci-dr/report/v1"
	ProofFormat     = "circleci-dr/proof/v1"
	RehearsalFormat = "circleci-dr/rehearsal/v1"
)

type statusDoc struct {
	Format   string                 `json:"format"`
	Alarm    bool                   `json:"alarm"`
	Lines    []reconcile.StatusLine `json:"lines"`
	Coverage []coverageDoc          `json:"coverage"`
}

// StatusJSON writes a status as versioned JSON.
func StatusJSON(w io.Writer, lines []reconcile.StatusLine, blocks []engine.Coverage) error {
	doc := statusDoc{Format: StatusFormat, Lines: append([]reconcile.StatusLine{}, lines...), Coverage: each(blocks, coverageOf, true)}
	for _, l := range lines {
		doc.Alarm = doc.Alarm || l.Alarm
	}
	return writeJSON(w, doc)
}

type driftDoc struct {
	Format string                `json:"format"`
	Drift  bool                  `json:"drift"`
	Items  []reconcile.DriftItem `json:"items"`
}

// DriftJSON writes a drift as versioned JSON.
func DriftJSON(w io.Writer, items []reconcile.DriftItem) error {
	return writeJSON(w, driftDoc{Format: DriftFormat, Drift: len(items) > 0, Items: append([]reconcile.DriftItem{}, items...)})
}

type reportDoc struct {
	Format      string          `json:"format"`
	Plan        string          `json:"plan"`
	Verdict     string          `json:"verdict"`
	Error       string          `json:"error,omitempty"`
	Downtime    seconds         `json:"downtimeSeconds"`
	Announced   estimateDoc     `json:"announced"`
	Steps       []stepReportDoc `json:"steps"`
	Differences []differenceDoc `json:"differences,omitempty"`
	// StartedOn is set where the application was started and left starting.
	StartedOn string           `json:"startedOn,omitempty"`
	WhyDown   string           `json:"whyDown,omitempty"`
	Ailing    []engine.Ailment `json:"ailing,omitempty"`
	// Next is the command that is due after it.
	Next string `json:"next,omitempty"`
}

type stepReportDoc struct {
	Step     string  `json:"step"`
	Title    string  `json:"title"`
	Outcome  string  `json:"outcome"`
	Duration seconds `json:"durationSeconds"`
	// Announced is what the plan said it would take.
	Announced estimateDoc `json:"announced"`
	Error     string      `json:"error,omitempty"`
}

type differenceDoc struct {
	Database string `json:"database,omitempty"`
	Kind     string `json:"kind"`
	Object   string `json:"object"`
	What     string `json:"what"`
	Source   string `json:"source,omitempty"`
	Target   string `json:"target,omitempty"`
	Fix      string `json:"fix,omitempty"`
}

func differenceOf(d mover.Difference) differenceDoc { return differenceDoc(d) }

// ReportJSON writes what an apply did as versioned JSON. cause is the error
// Apply returned, nil when it succeeded; next is what is due then.
func ReportJSON(w io.Writer, rep engine.Report, cause error, next Next) error {
	doc := reportDoc{
		Format: ReportFormat, Plan: rep.Plan, Verdict: verdict(rep, cause), Downtime: seconds(rep.Downtime), Announced: estimateOf(rep.Announced),
		Steps: each(rep.Steps, func(s engine.StepReport) stepReportDoc {
			return stepReportDoc{string(s.Step), s.Title, s.Outcome, seconds(s.Duration), estimateOf(s.Announced), s.Error}
		}, true),
		Differences: each(differencesOf(cause), differenceOf, false),
		StartedOn:   rep.Application.On,
		WhyDown:     rep.Application.Why,
		Next:        next.Command,
	}
	if cause != nil {
		doc.Ailing = rep.Ailing
		doc.Error = cause.Error()
	}
	return writeJSON(w, doc)
}

// verdict is the outcome of an apply in a word for programs.
func verdict(rep engine.Report, cause error) string {
	switch {
	case cause == nil:
		return "applied"
	case rep.Left(engine.AppStopped):
		return "failed-still-down"
	case rep.Left(engine.AppStarting):
		return "failed-starting"
	case rep.Left(engine.AppBack):
		return "failed-went-back"
	}
	return "failed"
}

type proofDoc struct {
	Format      string          `json:"format"`
	At          time.Time       `json:"at"`
	Equal       bool            `json:"equal"`
	Compared    map[string]int  `json:"compared"`
	TrialWrite  bool            `json:"trialWrite"`
	Duration    seconds         `json:"durationSeconds"`
	Differences []differenceDoc `json:"differences"`
}

// ProofJSON writes a proof as versioned JSON.
func ProofJSON(w io.Writer, p mover.Proof) error {
	doc := proofDoc{
		Format: ProofFormat, At: p.At.UTC(), Equal: p.Equal(), Compared: p.Compared, TrialWrite: p.SecureWrite,
		Duration: seconds(p.Duration), Differences: each(p.Differences, differenceOf, true),
	}
	if doc.Compared == nil {
		doc.Compared = map[string]int{}
	}
	return writeJSON(w, doc)
}
