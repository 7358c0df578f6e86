package render_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/schema"
)

// fits tells why a document does not fit a schema.
func fits(t *testing.T, id string, text, doc []byte) error {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat = true
	if err := c.AddResource(id, bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(id)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(doc, &value); err != nil {
		t.Fatal(err)
	}
	return s.Validate(value)
}

func planJSON(t *testing.T, plan engine.Plan) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := render.PlanJSON(&b, plan); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func plans(t *testing.T) map[string]engine.Plan {
	t.Helper()
	s := loadSpec(t, specFile)
	return map[string]engine.Plan{
		"move":    makePlan(t, s, installation()),
		"blocked": makePlan(t, s, blockedInstallation()),
		"resumed": makePlan(t, s, stopped()),
		"empty":   makePlan(t, s, moved()),
		"vm":      makePlan(t, loadSpec(t, "../../examples/services-machine.yaml"), reconcile.Observation{At: t0, Tool: "v0.1.0"}),
	}
}

func TestPlanRoundTrip(t *testing.T) {
	for name, plan := range plans(t) {
		t.Run(name, func(t *testing.T) {
			doc := planJSON(t, plan)
			if err := fits(t, schema.PlanID, schema.Plan(), doc); err != nil {
				t.Errorf("it does not fit its own schema: %v", err)
			}
			back, err := render.ReadPlan(bytes.NewReader(doc))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(plan, back); diff != "" {
				t.Errorf("read back it differs (-written +read):\n%s", diff)
			}
		})
	}
}

func TestPlanJSONIsGolden(t *testing.T) {
	plan := plans(t)["move"]
	golden(t, "plan-move.json", func(w io.Writer) error { return render.PlanJSON(w, plan) })
}

func TestReadPlanRefuses(t *testing.T) {
	good := string(planJSON(t, plans(t)["move"]))
	replace := func(from, to string) string {
		if !strings.Contains(good, from) {
			t.Fatalf("the plan has no %q", from)
		}
		return strings.Replace(good, from, to, 1)
	}
	for name, c := range map[string]struct{ file, want string }{
		"empty":         {"", "it is not JSON: EOF"},
		"array":         {"[]", "it holds no JSON object, so it is no plan file"},
		"other format":  {replace("plan/v1", "plan/v2"), `its format is "circleci-dr/plan/v2", this version reads "circleci-dr/plan/v1"`},
		"no format":     {"{}", `its format is "<nil>", this version reads "circleci-dr/plan/v1"`},
		"unknown field": {replace(`"id":`, `"extra": 1, "id":`), "it is no plan file: additionalProperties 'extra' not allowed"},
		"other case":    {replace(`"blocked": false`, `"Blocked": true, "blocked": false`), "it is no plan file: additionalProperties 'Blocked' not allowed"},
		"double key":    {replace(`"blocked": false`, `"blocked": true, "blocked": false`), `key "blocked" stands twice in one object`},
		"two documents": {good + "{}", "something follows the plan in the file"},
		"deep":          {strings.Repeat("[", 1000), "it is nested too deep to be a plan file"},
		"large":         {strings.Repeat(" ", 4<<20+1), "it is larger than 4.0 MiB, so it is no plan file"},
		"not text":      {"\xff", "it is not UTF-8 text, so it is no plan file"},
		"unknown risk":  {replace(`"risk": "safe"`, `"risk": "none"`), `it is no plan file: steps.0.risk: value must be one of "safe", "outage", "destructive"`},
		"negative time": {replace(`"low": 0`, `"low": -1`), "it is no plan file: steps.0.estimate.seconds.low: must be >= 0 but found -1"},
		"exponent":      {replace(`"low": 0`, `"low": 1e3`), "it is no plan file: duration 1e3: not a number of seconds"},
		"danger hidden": {replace("\"remove-internal-database\"\n  ],", "\"harmless\"\n  ],"), "its summary contradicts its steps and findings: it was edited; make a new plan"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := render.ReadPlan(strings.NewReader(c.file))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}

func FuzzReadPlan(f *testing.F) {
	f.Add([]byte(`{"format":"circleci-dr/plan/v1","id":"51c4925726","name":"x","madeAt":"2026-11-22T09:30:00Z","blocked":false,` +
		`"binding":{"specDigest":"","clusterUID":"","release":"","revision":1,"chart":"","epoch":0,"tool":""},` +
		`"total":{"seconds":{"low":0.5,"high":1},"downtimeSeconds":{"low":0,"high":0}},"steps":[],"coverage":[]}`))
	f.Add([]byte(`{"format":"circleci-dr/plan/v2"}`))
	f.Add([]byte(`[[[[[[`))
	f.Fuzz(func(t *testing.T, data []byte) {
		plan, err := render.ReadPlan(bytes.NewReader(data))
		if err != nil {
			return
		}
		again, err := render.ReadPlan(bytes.NewReader(planJSON(t, plan)))
		if err != nil {
			t.Fatalf("written again it cannot be read: %v", err)
		}
		if diff := cmp.Diff(plan, again); diff != "" {
			t.Errorf("written again it differs:\n%s", diff)
		}
		if err := render.PlanText(io.Discard, plan, render.Options{}, "x"); err != nil {
			t.Error(err)
		}
	})
}

func TestResultsFitTheirSchema(t *testing.T) {
	s := loadSpec(t, specFile)
	plan := makePlan(t, s, installation())
	different := &reconcile.DifferentError{Proof: mover.Proof{At: t0, Compared: map[string]int{"databases": 4}, Differences: tenDifferences()}}
	back := reportOf(plan, reconcile.ActProve, different)
	back.Application, back.Downtime = engine.Application{State: engine.AppBack}, 97*time.Second
	items, err := reconcile.Drift(s, drifted(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, draw := range map[string]func(io.Writer) error{
		"status": func(w io.Writer) error {
			return render.StatusJSON(w, reconcile.Status(s, stopped(), "f"), reconcile.CoverageOf(s))
		},
		"status-nothing": func(w io.Writer) error { return render.StatusJSON(w, nil, nil) },
		"drift":          func(w io.Writer) error { return render.DriftJSON(w, items) },
		"drift-none":     func(w io.Writer) error { return render.DriftJSON(w, nil) },
		"report": func(w io.Writer) error {
			return render.ReportJSON(w, reportOf(plan, "", nil), nil, render.Next{Command: "circleci-dr values", Why: "because"})
		},
		"report-back": func(w io.Writer) error { return render.ReportJSON(w, back, different, render.Next{}) },
		"report-starting": func(w io.Writer) error {
			rep := reportOf(plan, reconcile.ActResume, crash)
			rep.Application, rep.Ailing = engine.Application{State: engine.AppStarting, On: "pg.example.com:5432"}, crash.Ailing
			return render.ReportJSON(w, rep, crash, render.Next{})
		},
		"report-nothing": func(w io.Writer) error {
			return render.ReportJSON(w, engine.Report{}, errors.New("x"), render.Next{})
		},
		"proof":          func(w io.Writer) error { return render.ProofJSON(w, different.Proof) },
		"values":         func(w io.Writer) error { return render.ValuesJSON(w, changedValues()) },
		"values-nothing": func(w io.Writer) error { return render.ValuesJSON(w, render.Values{}) },
		"rehearsal":      func(w io.Writer) error { return render.RehearsalJSON(w, rehearsals()["rehearsal-found.txt"]) },
		"rehearsal-with-data": func(w io.Writer) error {
			return render.RehearsalJSON(w, rehearsals()["rehearsal-with-data.txt"])
		},
		"rehearsal-with-data-found": func(w io.Writer) error {
			return render.RehearsalJSON(w, rehearsals()["rehearsal-with-data-found.txt"])
		},
		"rehearsal-none": func(w io.Writer) error { return render.RehearsalJSON(w, mover.Rehearsal{At: t0}) },
		"proof-nothing":  func(w io.Writer) error { return render.ProofJSON(w, mover.Proof{At: t0}) },
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, "result-"+name+".json", draw)
			var doc bytes.Buffer
			if err := draw(&doc); err != nil {
				t.Fatal(err)
			}
			if err := fits(t, schema.ReportID, schema.Report(), doc.Bytes()); err != nil {
				t.Errorf("it does not fit its schema: %v", err)
			}
		})
	}
}
