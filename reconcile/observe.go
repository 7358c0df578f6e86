package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// ObserveOptions chooses how closely to look.
type ObserveOptions struct {
	// Inspect runs the inspect Job and records its result; without it the
	// newest recorded inspection is used.
	Inspect bool
	// Preview asks Helm what the switch would do. It is only done where the
	// release's location differs from the spec's.
	Preview  bool
	Progress Progress
	// For is what the observation is made for: a plan need not find the rights
	// of an apply.
	For Use
}

// Observe reads live state. It changes nothing but the inspect Job and its
// record, and these only when asked. Reads go in parallel; one that fails is
// Unknown in the result, with its reason.
func Observe(ctx context.Context, s *spec.Spec, p Providers, opt ObserveOptions) Observation {
	o := Observation{At: p.Now(), For: opt.For}
	pg := &o.Postgres
	together(
		func() { o.Cluster = p.Cluster.Cluster(ctx) },
		func() { o.Release = p.Releases.Release(ctx) },
		func() { o.Workloads = p.Workloads.List(ctx) },
		func() { o.Lease = p.Leases.Holder(ctx) },
		func() { o.Applied, _ = readRecord[Applied](ctx, p.Records, RecordApplied) },
		func() { o.Journal, _ = readRecord[Journal](ctx, p.Records, RecordJournal) },
		func() { pg.Lineage, _ = readRecord[Lineage](ctx, p.Records, RecordLineage) },
		func() { pg.Move, _ = readRecord[Move](ctx, p.Records, RecordMove) },
		func() { pg.Inspection, _ = readRecord[Inspection](ctx, p.Records, RecordInspection) },
		func() { pg.Credentials = observeCredentials(ctx, s, p) },
		func() { o.Denied = p.Access.Denied(ctx, wanted(s, opt.For)) },
	)
	if !o.Release.Is() {
		return o
	}
	if p.Patient != nil {
		o.RunnerIsPatient = p.Patient(o.Release.Value)
	}
	rel := o.Release.Value
	together(
		func() { pg.Internal = p.Stores.Internal(ctx, PostgreSQL, rel.Postgres.FullName) },
		func() {
			if opt.Preview && wantsSwitch(s, rel) {
				pg.Preview = p.Releases.Preview(ctx, switchChange(s, rel, MoveID(PostgreSQL, nextEpoch(pg.Lineage))))
			}
		},
	)
	observeDatabases(ctx, s, p, opt, &o)
	return o
}

func observeCredentials(ctx context.Context, s *spec.Spec, p Providers) Observed[Credentials] {
	pg := s.Datastores.PostgreSQL
	if pg == nil || pg.External == nil {
		return NotThere[Credentials]()
	}
	return p.Passwords.Compare(ctx, CredentialsName, CredentialsKeys, pg.External.Password)
}

// observeDatabases runs the inspect Job, or holds the recorded inspection
// against what would be asked now.
func observeDatabases(ctx context.Context, s *spec.Spec, p Providers, opt ObserveOptions, o *Observation) {
	if s.Datastores.PostgreSQL == nil || !o.Cluster.Is() || s.Server == nil {
		return
	}
	pg := &o.Postgres
	in := sidesOf(s, o.Release.Value, pg.Internal, pg.Move)
	if in.Source == nil && in.Target == nil {
		pg.Inspection = NotThere[Inspection]()
		return
	}
	installation := InstallationID(o.Cluster.Value, s.Server)
	subject := subjectOf(in, installation)
	if !opt.Inspect {
		if pg.Inspection.Is() && pg.Inspection.Value.Subject != subject {
			pg.Inspection = CouldNot[Inspection](errors.New(otherServers))
		}
		return
	}
	pg.Inspection = inspect(ctx, p, in, installation, opt.Progress)
	if pg.Inspection.Is() {
		if err := replaceRecord(ctx, p.Records, RecordInspection, pg.Inspection.Value); err != nil {
			pg.Inspection = CouldNot[Inspection](err)
		}
	}
}

func inspect(ctx context.Context, p Providers, in sides, installation string, progress Progress) Observed[Inspection] {
	job := inspectJob(in, installation)
	rec, err := inspectOnce(ctx, p, job, progress)
	if err == nil && p.Now().Sub(rec.At) > freshTime {
		// A Job that a killed run left behind was adopted: it tells of then.
		if err = p.Movers.Stop(ctx, job.Name); err == nil {
			rec, err = inspectOnce(ctx, p, job, progress)
		}
	}
	if err != nil {
		return CouldNot[Inspection](fmt.Errorf("inspect the databases from inside the cluster: %w", err))
	}
	rec.Subject = subjectOf(in, installation)
	return Found(rec)
}

// freshTime is how old the result of an inspection just run may be. Clocks
// that differ more cost a second run, no more.
const freshTime = 5 * time.Minute

func inspectOnce(ctx context.Context, p Providers, job MoverJob, progress Progress) (Inspection, error) {
	raw, err := p.Movers.Run(ctx, job, progress)
	if err != nil {
		return Inspection{}, err
	}
	var rec Inspection
	if err := json.Unmarshal(raw, &rec.InspectResult); err != nil {
		return Inspection{}, fmt.Errorf("read the result: %w", err)
	}
	return rec, nil
}

// together runs reads side by side and waits for all of them.
func together(reads ...func()) {
	var wg sync.WaitGroup
	for _, read := range reads {
		wg.Go(read)
	}
	wg.Wait()
}

// unread lists what MakePlan needs and could not be read.
func unread(s *spec.Spec, o Observation) []string {
	var out []string
	add := func(what string, k Knowledge, why string) {
		if k == Unknown {
			if why == "" {
				why = "it was not looked at"
			}
			out = append(out, what+": "+why)
		}
	}
	add("cluster", o.Cluster.Known, o.Cluster.Why)
	add("release", o.Release.Known, o.Release.Why)
	add("application workloads", o.Workloads.Known, o.Workloads.Why)
	pg := o.Postgres
	add("last-applied record", o.Applied.Known, o.Applied.Why)
	if !o.Release.Is() {
		return out
	}
	add("lineage record", pg.Lineage.Known, pg.Lineage.Why)
	add("move record", pg.Move.Known, pg.Move.Why)
	if s.Datastores.PostgreSQL == nil && !openMove(o) {
		return out
	}
	if readsOurSecret(s, o.Release.Value) {
		add("Secret "+CredentialsName, pg.Credentials.Known, pg.Credentials.Why)
	}
	add("internal PostgreSQL", pg.Internal.Known, pg.Internal.Why)
	if pg.Internal.Is() {
		add("StatefulSet "+o.Release.Value.Postgres.FullName, pg.Internal.Value.StatefulSet.Known, pg.Internal.Value.StatefulSet.Why)
	}
	return out
}

// readsOurSecret tells whether the release reads the Secret we keep, or will.
func readsOurSecret(s *spec.Spec, rel Release) bool {
	pg := s.Datastores.PostgreSQL
	return pg != nil && pg.Location == spec.External && (rel.Postgres.Internal || rel.Postgres.ExistingSecret == CredentialsName)
}

// UnreadableError means that live state could not be read, so that there can
// be no plan.
type UnreadableError struct{ What []string }

// Error lists everything that could not be read.
func (e *UnreadableError) Error() string {
	return "cannot plan on live state that could not be read: " + strings.Join(e.What, "; ")
}
