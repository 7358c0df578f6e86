package render_test

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/render"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func TestStatusText(t *testing.T) {
	for name, see := range map[string]func() reconcile.Observation{
		"status-normal.txt": moved, "status-stopped.txt": stopped,
	} {
		t.Run(name, func(t *testing.T) {
			s := loadSpec(t, specFile)
			o := see()
			lines := reconcile.Status(s, o, "circleci-dr.yaml")
			golden(t, name, func(w io.Writer) error { return render.StatusText(w, lines, reconcile.CoverageOf(s), options(s)) })
		})
	}
}

// drifted is a moved installation in which four things were changed by hand.
func drifted() reconcile.Observation {
	o := moved()
	o.Release.Value.ConfigDigest, o.Release.Value.Revision, o.Release.Value.Description = "badf00d", 10, "Upgrade complete"
	o.Workloads.Value[4].Replicas = 0
	o.Postgres.Credentials.Value = server.Credentials{Name: "circleci-dr-postgresql", Problem: "key postgres-password differs from the referenced password"}
	o.Postgres.Internal.Value.StatefulSet = engine.Found(server.StatefulSet{Name: "postgresql", Replicas: 1, Ready: 1})
	return o
}

func TestDriftText(t *testing.T) {
	s := loadSpec(t, specFile)
	for name, o := range map[string]reconcile.Observation{
		"drift.txt": drifted(), "drift-none.txt": moved(), "drift-pending.txt": installation(),
	} {
		t.Run(name, func(t *testing.T) {
			items, err := reconcile.Drift(s, o, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name, func(w io.Writer) error { return render.DriftText(w, items, options(s)) })
		})
	}
}

// reportOf is a report in which the steps of a plan took some seconds each,
// up to the first that failed.
func reportOf(plan engine.Plan, failed engine.ActionKind, cause error) engine.Report {
	rep := engine.Report{Plan: plan.ID, Announced: plan.Total}
	for i, st := range plan.Steps {
		sr := engine.StepReport{Step: st.ID, Title: st.Title, Outcome: "settled", Duration: time.Duration(i*i*700) * time.Millisecond, Announced: st.Estimate}
		switch {
		case i == 0:
			sr.Outcome, sr.Duration = "already settled", 0
		case st.Action == failed:
			sr.Outcome, sr.Error = "failed", cause.Error()
		}
		rep.Steps = append(rep.Steps, sr)
		if st.Action == failed {
			return rep
		}
	}
	return rep
}

func TestReportText(t *testing.T) {
	s := loadSpec(t, specFile)
	plan := makePlan(t, s, installation())
	different := &reconcile.DifferentError{Proof: mover.Proof{Differences: tenDifferences()[:2]}}
	cause := fmt.Errorf("%s: %w", "Prove that both sides are equal", different)

	done := reportOf(plan, "", nil)
	done.Downtime, done.Application.State = 134*time.Second+400*time.Millisecond, engine.AppUp
	back := reportOf(plan, reconcile.ActProve, different)
	back.Application, back.Downtime = engine.Application{State: engine.AppBack}, 97*time.Second
	down := reportOf(plan, reconcile.ActProve, different)
	down.Application.State = engine.AppStopped
	down.Application.Since = t0.Add(-time.Hour)
	down.Application.Why = "it could not be brought back: let the internal PostgreSQL take writes again: the cluster does not answer"
	starting := reportOf(plan, reconcile.ActResume, crash)
	starting.Application, starting.Ailing = engine.Application{State: engine.AppStarting, On: "pg.example.com:5432"}, crash.Ailing
	forbidden := errors.New("patch PersistentVolume pvc-2c6f41d0: forbidden")
	early := reportOf(plan, reconcile.ActProtect, forbidden)
	early.Application.State = engine.AppLeftAlone

	for name, c := range map[string]struct {
		rep   engine.Report
		cause error
	}{
		"report-done.txt":      {done, nil},
		"report-went-back.txt": {back, cause},
		"report-down.txt":      {down, errors.Join(cause, errors.New("bring the application back: the cluster does not answer"))},
		"report-starting.txt":  {starting, fmt.Errorf("%s: %w", "Start the application on the target", crash)},
		"report-early.txt":     {early, fmt.Errorf("%s: %w", "Protect the internal database and its volume", forbidden)},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, func(w io.Writer) error {
				return render.ReportText(w, c.rep, c.cause, options(s))
			})
		})
	}
}

// crash is an application that does not come up.
var crash = &reconcile.StartError{Waited: 92 * time.Second, Why: "Deployment/api-service has 0 of 2 ready", Ailing: []engine.Ailment{
	{Workload: "Deployment/api-service", Pod: "api-service-6d9f-x2k8p", Container: "api", Condition: "CrashLoopBackOff: ended with Error, exit code 1", Reason: "CrashLoopBackOff", Restarts: 3,
		Log: []string{"connecting to pg.example.com as circleci with [redacted]", "PKIX path building failed: unable to find valid certification path"}},
	{Workload: "Deployment/frontend", Pod: "frontend-7c-aaaaa", Container: "frontend", Condition: "running, not ready", Reason: "Running", Hopeful: true, NoLog: "it could not be read: forbidden"},
}}

func tenDifferences() []mover.Difference {
	const db = "conductor_production"
	return []mover.Difference{
		{Database: db, Kind: "table", Object: "public.builds", What: "content differs: same row count, other digest", Source: "8d1f03aac2", Target: "03aa17bd91"},
		{Database: db, Kind: "table", Object: "public.workflows", What: "row count differs", Source: "5000", Target: "4999"},
		{Database: db, Kind: "index", Object: "public.builds_by_branch", What: "is missing on the target", Source: "CREATE INDEX builds_by_branch ON public.builds USING btree (branch)"},
		{Database: db, Kind: "sequence", Object: "public.builds_id_seq", What: "value differs", Source: "20000", Target: "1"},
		{Database: db, Kind: "constraint", Object: "builds_status_check on public.builds", What: "validated differs", Source: "yes", Target: "no"},
		{Database: db, Kind: "privilege", Object: "table public.builds", What: "SELECT of reporting is missing on the target", Source: "granted"},
		{Database: db, Kind: "large object", Object: "16421", What: "content differs"},
		{Database: db, Kind: "trigger", Object: "touch on public.builds", What: "enabled differs", Source: "yes", Target: "no"},
		{Database: "vms", Kind: "view", Object: "public.idle_vms", What: "definition differs", Source: "SELECT vm FROM vms WHERE idle", Target: "SELECT vm FROM vms WHERE NOT idle"},
		{Kind: "setting", Object: "role reporting", What: "statement_timeout is missing on the target", Source: "30s"},
	}
}

func TestProofText(t *testing.T) {
	equal := mover.Proof{At: t0, Compared: map[string]int{"databases": 4, "tables": 150, "rows": 812345, "indexes": 210, "sequences": 40, "large objects": 12, "privileges": 77},
		Duration: 41 * time.Second, SecureWrite: true}
	different := equal
	different.Differences = tenDifferences()
	for name, proof := range map[string]mover.Proof{
		"proof-equal.txt": equal, "proof-different.txt": different, "proof-nothing.txt": {At: t0},
	} {
		t.Run(name, func(t *testing.T) {
			golden(t, name, func(w io.Writer) error { return render.ProofText(w, proof, render.Options{}) })
		})
	}
}

// rehearsals are results by the name of their golden file.
func rehearsals() map[string]mover.Rehearsal {
	clear := mover.Rehearsal{At: t0, Duration: 3400 * time.Millisecond, Tries: 1, Compared: map[string]int{"databases": 4, "tables": 150, "indexes": 210, "casts": 0},
		NotTried: []string{"role app is on the target already: what it may be given there was not tried", "rights on databases; rows, large objects and the positions of sequences"}}
	found := clear
	found.Tries, found.Differences = 2, []mover.Difference{
		{Kind: "database", Object: "conductor_production", What: `cannot be made on the target: create TEXT SEARCH TEMPLATE public.t: ERROR: must be superuser to create text search templates (SQLSTATE 42501)`},
		{Database: "vms", Kind: "view", Object: "public.idle_vms", What: "definition differs", Source: "SELECT vm FROM vms WHERE idle", Target: "SELECT vm FROM vms WHERE NOT idle"},
	}
	dress := clear
	dress.WithData, dress.NotTried = true, []string{"rights on databases, and the positions of sequences"}
	dress.Data = &mover.RehearsedData{Tables: 150, Rows: 1204551, Bytes: 3 << 30, Objects: 12, Copy: 95 * time.Second, Compare: 31 * time.Second}
	broken := dress
	broken.Data, broken.Ended, broken.Differences = nil, mover.LimitTargetDisk, []mover.Difference{
		{Database: "vms", Kind: "constraint", Object: "steps_job_fkey on public.steps", What: `rows do not fit: insert or update on table "steps" violates foreign key constraint "steps_job_fkey" (SQLSTATE 23503); 2 rows, with id 11, 12`,
			Fix: "mend these rows on the source, then run circleci-dr rehearse --with-data"},
		{Kind: mover.KindLimit, Object: mover.LimitTargetDisk, What: "1.0 GiB of 100.0 GiB are free, and 5 % have to stay so", Fix: "make the target's disk bigger, and diskGiB in the file with it"},
	}
	return map[string]mover.Rehearsal{"rehearsal-clear.txt": clear, "rehearsal-found.txt": found, "rehearsal-with-data.txt": dress, "rehearsal-with-data-found.txt": broken}
}

func TestRehearsalText(t *testing.T) {
	for name, r := range rehearsals() {
		t.Run(name, func(t *testing.T) {
			golden(t, name, func(w io.Writer) error { return render.RehearsalText(w, r, render.Options{}) })
		})
	}
}
