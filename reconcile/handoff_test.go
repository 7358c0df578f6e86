package reconcile

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// managedWorld is an installation that Flux reconciles.
func managedWorld() (*world, *spec.Spec) {
	w, s := newWorld(), handedSpec()
	w.tool.by = s.Server.ManagedBy
	return w, s
}

const handedValues = `postgresql:
  auth:
    existingSecret: "circleci-dr-postgresql"
    username: "circleci"
  internal: false
  postgresqlHost: "pg.example.com"
  postgresqlPort: 5432
  secureMode: true
`

// Nobody commits the values: the apply ends with the application held at zero
// and says what to do; the same command goes on once somebody does.
func TestHandOffThatNobodyAnswersHoldsTheApplicationAtZero(t *testing.T) {
	w, s := managedWorld()
	w.tool.away = true
	a := w.process(t.Context(), s)
	var waiting *HandOffError
	if !errors.As(a.err, &waiting) || !a.rep.Left(engine.AppStopped) || a.rep.Left(engine.AppBack) {
		t.Fatalf("report %+v, error %v", a.rep, a.err)
	}
	want := HandOffError{By: spec.ManagedByFlux,
		Why: "not every workload references pg.example.com:5432: Deployment/api names postgresql, Deployment/frontend names postgresql, Deployment/unused names postgresql, Deployment/web names postgresql, StatefulSet/scheduler names postgresql"}
	if *waiting != want {
		t.Errorf("got %+v, want %+v", *waiting, want)
	}
	for key, app := range w.apps {
		if app.replicas != 0 {
			t.Errorf("%s has %d replicas", key, app.replicas)
		}
	}
	if m := recordOf(w); m.Phase != MoveOpen || m.HandOff.Values != handedValues {
		t.Errorf("the record is %+v", m)
	}
	o, _, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	if got := Status(s, o, "f.yaml")[0]; !got.Alarm || !strings.HasSuffix(got.Text, "for Flux to apply the values that circleci-dr plan prints") {
		t.Errorf("status begins with %+v", got)
	}
	w.tool.away = false
	a = w.process(t.Context(), s)
	if a.err != nil {
		t.Fatal(a.err)
	}
	w.moved(t, s, "committed at last")
}

// hearing keeps the notes.
type hearing struct {
	quiet
	notes []string
}

func (h *hearing) Note(text string) { h.notes = append(h.notes, text) }

// What a tool that was resumed too early starts on the old values is stopped
// again, and whoever watches is told once.
func TestHandOffHoldsTheApplicationAtZeroAgainstTheTool(t *testing.T) {
	w, s := managedWorld()
	o, plan, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	heard := &hearing{}
	if _, err := Apply(t.Context(), s, o, plan, w.providers(), engine.Options{By: "me"}, heard); err != nil {
		t.Fatal(err)
	}
	want := []string{"commit these values and let Flux apply them; the application is held at zero until its workloads reference pg.example.com:5432:"}
	for line := range strings.Lines(handedValues) {
		want = append(want, "    "+strings.TrimSuffix(line, "\n"))
	}
	for _, started := range []string{"Deployment/api was scaled up to 2", "Deployment/frontend was scaled up to 3", "Deployment/web was scaled up to 4", "StatefulSet/scheduler was scaled up to 1"} {
		want = append(want, started+" and is put back to 0: its values are not applied yet")
	}
	want = append(want, "CronJob/report was resumed and is suspended again: its values are not applied yet")
	if !slices.Equal(heard.notes, want) {
		t.Errorf("the notes are\n%s\nwant\n%s", strings.Join(heard.notes, "\n"), strings.Join(want, "\n"))
	}
	scaled := 0
	for _, call := range w.calls {
		if call == "Scale" {
			scaled++
		}
	}
	// Four to stop, four each of the three syncs on old values; the last sync
	// has them up already.
	if scaled < 12 {
		t.Errorf("scaled %d times only", scaled)
	}
}

// An interruption before any call of the whole: as long as the
// tool has not switched it goes back, afterwards it is committed and up.
func TestHandOffInterruptedGoesBackUntilTheToolHasSwitched(t *testing.T) {
	f := flows[slices.IndexFunc(flows, flow.handsOff)]
	s, total := f.spec(), f.calls(t)
	back, forward := 0, 0
	for n := total.planned + 1; n <= total.all; n++ {
		w := f.begin(t)
		o, plan, err := w.plan(s)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		w.hook = func(call int, _, when string) {
			if call == n && when == "before" {
				cancel(errInjected)
			}
		}
		rep, err, _ := w.apply(ctx, s, o, plan)
		cancel(nil)
		where := "interrupted at " + w.calls[n-1] + " (call " + strconv.Itoa(n) + ")"
		w.calm()
		switch switched := !w.newest().internal; {
		case rep.Left(engine.AppStopped):
			t.Errorf("%s: the application is down: %v", where, err)
		case rep.Left(engine.AppBack):
			back++
			w.home(t, where)
		case switched && err != nil:
			forward++
		}
		w.truth(t, where)
		w.converge(t, s)
		w.moved(t, s, where)
		if t.Failed() {
			t.FailNow()
		}
	}
	if back < 20 || forward < 10 {
		t.Errorf("went back %d times and forward %d times: that proves too little", back, forward)
	}
}

// Values that are applied after the way back lead the application to an old
// copy: nothing is built on it.
func TestValuesAppliedAfterTheWayBackAreNamed(t *testing.T) {
	w, s := managedWorld()
	w.tool.away = true
	ctx, cancel := context.WithCancelCause(t.Context())
	w.at = func(point string) {
		if point == "hand-off:before-effect" {
			w.hook = func(_ int, name, when string) {
				if name == "List" && when == "before" && recordOfHandOff(w).Values != "" {
					cancel(errInjected)
				}
			}
		}
	}
	a := w.process(ctx, s)
	if !a.rep.Left(engine.AppBack) {
		t.Fatalf("report %+v, error %v", a.rep, a.err)
	}
	w.calm()
	w.home(t, "went back")
	w.tool.away, w.tool.careless = false, true
	w.rest()
	w.rest()
	_, plan, err := w.plan(s)
	if err != nil || len(plan.Steps) != 0 || len(plan.Blocked()) != 1 || plan.Blocked()[0].ID != "handed-off-late" {
		t.Errorf("the next plan has %v, findings %+v, error %v", ids(plan.Steps), plan.Findings, err)
	}
}

// One commit hands off both datastores.
func TestHandOffOfBothDatastores(t *testing.T) {
	w, s := newWorld(), bothSpec()
	s.Server.ManagedBy, w.tool.by = spec.ManagedByFlux, spec.ManagedByFlux
	a := w.process(t.Context(), s)
	if a.err != nil {
		t.Fatal(a.err)
	}
	want := handed
	if got := actions(a.plan.Steps); !slices.Equal(got, twice(want)) {
		t.Errorf("steps are %v, want %v", got, twice(want))
	}
	w.moved(t, s, "both")
	if values := recordOf(w).HandOff.Values; !strings.HasPrefix(values, "mongodb:\n  auth:\n") || !strings.Contains(values, "\npostgresql:\n  auth:\n") {
		t.Errorf("the values are\n%s", values)
	}
}

// A look that fails is no reason to go back, for in an hour one will; eleven in
// a row are.
func TestALookThatFailsDoesNotEndAHandOff(t *testing.T) {
	for _, tries := range []int{holdTries, holdTries + 1} {
		w, s := managedWorld()
		w.tool.away = tries > holdTries
		begun := false
		w.hook = func(call int, name, when string) {
			if begun || name != "List" || when != "before" || recordOfHandOff(w).Announced.IsZero() {
				return
			}
			begun = true
			for i := range tries {
				w.faults[call+1+i] = "before"
			}
		}
		a := w.process(t.Context(), s)
		if fired := w.fired; fired != tries {
			t.Fatalf("%d of %d faults fired", fired, tries)
		}
		w.calm()
		if w.tool.away {
			if a.err == nil || !a.rep.Left(engine.AppBack) {
				t.Errorf("%d failures: report %+v, error %v", tries, a.rep, a.err)
			}
			w.home(t, "went back")
			continue
		}
		if a.err != nil {
			t.Errorf("%d failures: %v", tries, a.err)
		}
		w.moved(t, s, "in spite of failures")
	}
}

func recordOfHandOff(w *world) HandOff {
	if m := decodeMove(w); m.HandOff != nil {
		return *m.HandOff
	}
	return HandOff{}
}

// Argo CD keeps no Helm record: what an earlier one says is old, and what runs
// is the truth.
func TestHandOffToArgoCDNeedsNoHelmRecord(t *testing.T) {
	w, s := managedWorld()
	s.Server.ManagedBy, w.tool.by = spec.ManagedByArgoCD, spec.ManagedByArgoCD
	a := w.process(t.Context(), s)
	if a.err != nil {
		t.Fatal(a.err)
	}
	w.rest()
	o, plan, err := w.plan(s)
	if err != nil || len(plan.Steps)+len(plan.Findings) != 0 {
		t.Errorf("the next plan has %v, findings %v, error %v", ids(plan.Steps), plan.Findings, err)
	}
	want := server.ReleaseStore{Host: externalHost, Port: 5432, Username: "circleci", ExistingSecret: server.CredentialsName(mover.PostgreSQL), FullName: internalHost}
	if !w.newest().internal || o.Release.Value.Postgres.At() != want.At() || o.Release.Value.Postgres.ExistingSecret != want.ExistingSecret {
		t.Errorf("the record says internal %t, the release is %+v", w.newest().internal, o.Release.Value.Postgres)
	}
	if lost := w.missing(w.dst); lost != "" || !maps.Equal(w.replicas(), wantReplicas) || w.store {
		t.Errorf("%s; replicas %v; internal server there: %t", lost, w.replicas(), w.store)
	}
}

func TestWhoReconcilesTheRelease(t *testing.T) {
	active := func() engine.Observed[server.Reconciliation] {
		return engine.Found(server.Reconciliation{Object: "HelmRelease flux-system/server", How: "spec.suspend is not true"})
	}
	refused := func() engine.Observed[server.Reconciliation] {
		return engine.CouldNot[server.Reconciliation](errors.New("forbidden"))
	}
	flux, helm := spec.ManagedByFlux, spec.ManagedByHelm
	for _, tc := range []struct {
		name               string
		declared, detected spec.ManagedBy
		state              func() engine.Observed[server.Reconciliation]
		back               bool
		want               string // the finding, with ! where it blocks
		accept             string
	}{
		{"Helm", helm, helm, nil, false, "", AcceptOutage},
		{"declared alone", flux, helm, nil, false, "release-managed!", AcceptOutage},
		{"detected alone", helm, flux, nil, false, "release-managed!", AcceptOutage},
		{"another one", spec.ManagedByTerraform, flux, nil, false, "release-managed!", AcceptOutage},
		{"suspended", flux, flux, nil, false, "", AcceptOutage},
		{"active", flux, flux, active, false, "reconciliation-active!", AcceptSuspended},
		{"not allowed to look", flux, flux, refused, false, "reconciliation-unknown", AcceptSuspended},
		{"no such object", flux, flux, engine.NotThere[server.Reconciliation], false, "reconciliation-unknown", AcceptSuspended},
		{"Terraform", spec.ManagedByTerraform, spec.ManagedByTerraform, refused, false, "", AcceptOutage},
		{"inwards", flux, flux, nil, true, "hand-off-inwards!", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w, s := newWorld(), externalSpec()
			if tc.back {
				w.converge(t, s)
				s = backSpec()
			}
			s.Server.ManagedBy, w.tool.by, w.tool.state = tc.declared, tc.detected, tc.state
			_, plan, err := w.plan(s)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range plan.Findings {
				if strings.HasPrefix(f.ID, "re") && f.ID != "release-pending" || strings.HasPrefix(f.ID, "hand") {
					got = append(got, f.ID+map[bool]string{true: "!"}[f.Blocks])
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("findings are %v, want %s", got, tc.want)
			}
			i := slices.IndexFunc(plan.Steps, func(st engine.Step) bool { return st.Action == ActHandOff || st.Action == ActSwitch })
			if tc.accept != "" && (i < 0 || plan.Steps[i].Accept != tc.accept) {
				t.Errorf("the steps are %+v, want to accept %s", plan.Steps, tc.accept)
			}
		})
	}
}

// A Secret that a controller keeps is never written: preflight says what is
// missing there before anything is stopped.
func TestAForeignSecretIsNamedBeforeTheOutage(t *testing.T) {
	w, s := newWorld(), externalSpec()
	o, _, err := w.plan(s)
	if err != nil {
		t.Fatal(err)
	}
	o.Postgres.Credentials = engine.Found(server.Credentials{Name: server.CredentialsName(mover.PostgreSQL), Problem: "Secret circleci-dr-postgresql has no key postgres-password", Owner: "ExternalSecret pg"})
	plan, err := MakePlan(s, o)
	want := []engine.Finding{{
		ID: "secret-owned", Blocks: true, Field: "datastores.postgresql.external.password", Source: sourceHandOff,
		What: "ExternalSecret pg keeps Secret circleci-dr-postgresql, so it is not written, and it does not fit: Secret circleci-dr-postgresql has no key postgres-password",
		Fix:  "add to the source of Secret circleci-dr-postgresql what is missing, under the keys password and postgres-password",
	}}
	if err != nil || !slices.Equal(plan.Blocked(), want) {
		t.Errorf("got %+v, error %v", plan.Blocked(), err)
	}
	o.Postgres.Credentials.Value.Matches = true
	if plan, err = MakePlan(s, o); err != nil || len(plan.Blocked()) != 0 {
		t.Errorf("with the right content: %+v, error %v", plan.Blocked(), err)
	}
}
