package reconcile

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

// near tells whether a range holds an actual time and is itself no wider than
// a factor of 1.5 each way. It promises nothing below a second, and a step that
// may find its work done has no low end.
func near(low, high, actual time.Duration) bool {
	narrow := high <= time.Second || float64(high) <= 2.26*float64(low) || low == 0
	return low <= actual && actual <= high && narrow
}

func mongoBackSpec() *spec.Spec {
	s := bothBackSpec()
	s.Datastores.PostgreSQL = nil
	return s
}

// Out and back once, and each plan after that holds what then really happens
// within a factor of 1.5: every step, and the downtime. (Of both datastores at
// once the doubles' movers drive one clock together, in any order.)
func TestAfterOneMoveOutAndBackEstimatesHold(t *testing.T) {
	for name, specs := range map[string][]func() *spec.Spec{
		"PostgreSQL": {externalSpec, backSpec, externalSpec, backSpec},
		"MongoDB":    {mongoSpec, mongoBackSpec, mongoSpec, mongoBackSpec},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			for i, s := range specs {
				a := w.process(t.Context(), s())
				if a.err != nil {
					t.Fatal(a.err)
				}
				w.rest()
				if i < 2 {
					continue
				}
				for n, st := range a.plan.Steps {
					got := a.rep.Steps[n]
					if st.Action == ActRead && i == 2 { // the external server was read before, the internal one never
						continue
					}
					if got.Outcome == "settled" && got.Duration > 0 && !near(st.Estimate.Low, st.Estimate.High, got.Duration) {
						t.Errorf("move %d: %s took %s, the plan said %s to %s: %s", i+1, st.ID, got.Duration, st.Estimate.Low, st.Estimate.High, st.Estimate.Assumption)
					}
				}
				if e := a.rep.Announced; a.rep.Downtime == 0 || !near(e.DownLow, e.DownHigh, a.rep.Downtime) {
					t.Errorf("move %d: the application was stopped for %s, the plan said %s to %s", i+1, a.rep.Downtime, e.DownLow, e.DownHigh)
				}
			}
		})
	}
}

// The first plan says that nothing was measured; the one after a move says
// what was, and keeps the announced beside the actual downtime.
func TestAPlanSaysWhatItsEstimatesRestOn(t *testing.T) {
	w := newWorld()
	first := w.process(t.Context(), externalSpec())
	w.rest()
	if a := step(t, first.plan, ActCopy).Estimate.Assumption; !strings.HasSuffix(a, "1.0 GiB in 3 tables at 12.0 MiB/s to 60.0 MiB/s; not yet measured here") {
		t.Errorf("the first copy assumes %q", a)
	}
	_, plan, err := w.plan(backSpec())
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[engine.ActionKind]string{
		ActQuiesce: "", // it took less than five seconds
		ActCopy:    "1.0 GiB in 3 tables; measured here on 2026-11-22 the other way round: ",
		ActSwitch:  "volume and image are where the pod starts; not yet measured here",
	} {
		if a := step(t, plan, kind).Estimate.Assumption; !strings.HasPrefix(a, want) || want == "" && a != "" {
			t.Errorf("%s assumes %q, want %q …", kind, a, want)
		}
	}
	w.converge(t, backSpec())
	_, plan, err = w.plan(externalSpec())
	if err != nil {
		t.Fatal(err)
	}
	want := "the move out on 2026-11-22 stopped the application for " + Took(first.rep.Downtime) +
		", announced were " + Span(first.rep.Announced.DownLow, first.rep.Announced.DownHigh)
	if !strings.HasSuffix(plan.Total.Assumption, want) {
		t.Errorf("the plan assumes %q, want … %q", plan.Total.Assumption, want)
	}
}

func step(t *testing.T, p engine.Plan, kind engine.ActionKind) engine.Step {
	t.Helper()
	for _, st := range p.Steps {
		if st.Action == kind {
			return st
		}
	}
	t.Fatalf("the plan has no step %s", kind)
	return engine.Step{}
}

// Whatever stands in the record, or keeps it from being read, the plan is the
// same but for its estimates, and never absurd.
func TestAPlanIsMadeWithoutMeasurements(t *testing.T) {
	_, wide, err := newWorld().plan(externalSpec())
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{
		"garbage":    `{"steps":`,
		"other type": `{"steps":[1,2]}`,
		"negative":   `{"steps":{"quiesce":{"took":-1},"copy/postgresql/out":{"took":5,"moving":9}},"downtime":{"out":{"took":-5}}}`,
		"endless":    `{"steps":{"quiesce":{"took":9000000000000000000}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.records[engine.RecordMeasured] = engine.Record{Data: json.RawMessage(data), Version: "7"}
			_, plan, err := w.plan(externalSpec())
			if err != nil || plan.ID != wide.ID || len(plan.Blocked()) > 0 {
				t.Fatalf("plan %s, want %s, error %v", plan.ID, wide.ID, err)
			}
			if e := plan.Total; e.Low != wide.Total.Low || e.High != wide.Total.High {
				t.Errorf("total %+v, want %+v", e, wide.Total)
			}
			w.converge(t, externalSpec())
			w.moved(t, externalSpec(), name)
			if m, _ := engine.ReadRecord[engine.Measured](t.Context(), records{w}, engine.RecordMeasured); !m.Is() || !m.Value.Steps["quiesce"].Good() {
				t.Errorf("afterwards the record is %+v", m)
			}
		})
	}
}

// What another run began, this one did not measure; and what it announces of
// the downtime is what was said before the downtime began.
func TestACutOffMoveIsNotMeasuredAsAWhole(t *testing.T) {
	w, s := newWorld(), externalSpec()
	w.killAt("copying")
	first := w.process(t.Context(), s)
	w.calm()
	second := w.process(t.Context(), s)
	if !first.dead || second.err != nil {
		t.Fatalf("dead %t, then %v", first.dead, second.err)
	}
	m, _ := engine.ReadRecord[engine.Measured](context.Background(), records{w}, engine.RecordMeasured)
	for key, want := range map[string]bool{"quiesce": false, "copy/postgresql/out": false, "prove/postgresql/out": true, "resume-service": true} {
		if _, ok := m.Value.Steps[key]; ok != want {
			t.Errorf("%s measured: %t, want %t", key, ok, want)
		}
	}
	if len(m.Value.Downtime) > 0 {
		t.Errorf("the downtime of two runs was kept: %v", m.Value.Downtime)
	}
	if got, want := second.rep.Announced, first.plan.Total; got.DownLow != want.DownLow || got.DownHigh != want.DownHigh {
		t.Errorf("announced %+v, want the downtime of %+v", got, want)
	}
}

// An estimate grows with the data and not with what is the same for any.
func TestAMeasurementScalesWithTheData(t *testing.T) {
	m := engine.Measurement{Took: 20 * time.Second, Moving: 16 * time.Second, Bytes: 4 << 30, Tables: 500}
	for name, c := range map[string]struct {
		z    sizes
		want time.Duration
	}{
		"the same":         {sizes{bytes: 4 << 30, tables: 500}, 20 * time.Second},
		"twice the bytes":  {sizes{bytes: 8 << 30, tables: 500}, 32 * time.Second},
		"twice the tables": {sizes{bytes: 4 << 30, tables: 1000}, 24 * time.Second},
		"next to nothing":  {sizes{bytes: 1, tables: 500}, 8 * time.Second},
	} {
		if got := scaled(m, c.z).Round(time.Millisecond); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
