package reconcile

import (
	"context"
	"errors"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// ObserveOptions chooses how closely to look.
type ObserveOptions struct {
	// Inspect runs the inspect Job and records its result; without it the
	// newest recorded inspection is used.
	Inspect bool
	// Preview asks Helm what the switch would do. It is only done where the
	// release's location differs from the spec's.
	Preview bool
	// Ailing asks why pods are not ready, where some are not.
	Ailing   bool
	Progress mover.Progress
	// For is what the observation is made for: a plan need not find the rights
	// of an apply.
	For Use
	// Authoritative is the side to go on with where both took writes.
	Authoritative map[mover.Engine]spec.Location
}

// Observe reads live state. It changes nothing but the inspect Job and its
// record, and these only when asked. Reads go in parallel; one that fails is
// Unknown in the result, with its reason.
func Observe(ctx context.Context, s *spec.Spec, p server.Providers, opt ObserveOptions) Observation {
	o := Observation{At: p.Now(), Tool: p.Tool, For: opt.For, Authoritative: opt.Authoritative}
	reads := []func(){
		func() { o.Cluster = p.Cluster.Cluster(ctx) },
		func() { o.Release = p.Releases.Release(ctx) },
		func() { a := p.Workloads.Application(ctx); o.Workloads, o.Writers = a.Workloads, a.Writers },
		func() { o.Lease = p.Leases.Holder(ctx) },
		func() { observeRecords(ctx, p, &o) },
		func() { o.Values = observeValues(ctx, s, p) },
		func() { o.Denied = p.Access.Denied(ctx, wanted(s, opt.For)) },
	}
	for _, e := range engines {
		d := o.store(e)
		reads = append(reads,
			func() { d.Credentials = observeCredentials(ctx, s, p, e) },
			func() { d.Authority = observeAuthority(ctx, s, p, e) },
		)
	}
	p.SideBySide(reads...)
	if opt.Ailing && o.Workloads.Is() {
		o.Ailing = observeAiling(ctx, p, o)
	}
	if !o.Release.Is() {
		return o
	}
	o.Release.Value = asRun(s, o.Release.Value, o.Workloads.Value, o.Move.Value)
	if p.Patient != nil {
		o.RunnerIsPatient = p.Patient(o.Release.Value)
	}
	observeStores(ctx, s, p, opt, &o)
	return o
}

// observeRecords reads what earlier runs wrote, in one go.
func observeRecords(ctx context.Context, p server.Providers, o *Observation) {
	all := p.Records.ReadAll(ctx)
	o.Applied = engine.RecordIn[server.Applied](all, server.RecordApplied)
	o.Journal = engine.RecordIn[engine.Journal](all, engine.RecordJournal)
	o.Move = engine.RecordIn[Move](all, RecordMove)
	o.Measured = engine.RecordIn[engine.Measured](all, engine.RecordMeasured)
	for _, e := range engines {
		d := o.store(e)
		d.Lineage = engine.RecordIn[server.Lineage](all, server.RecordLineage(e))
		d.Inspection = engine.RecordIn[server.Inspection](all, server.RecordInspection(e))
		d.Rehearsal = engine.RecordIn[Rehearsed](all, RecordRehearsal(e))
	}
}

// observeStores reads what can only be asked for once the release is known.
func observeStores(ctx context.Context, s *spec.Spec, p server.Providers, opt ObserveOptions, o *Observation) {
	rel := o.Release.Value
	var reads []func()
	if by := managed(s, rel); by != "" && by != spec.ManagedByTerraform {
		reads = append(reads, func() { o.Reconciliation = p.Reconcilers.Reconciliation(ctx, rel) })
	}
	for _, e := range engines {
		if observed(s, o, e) {
			reads = append(reads, func() { o.store(e).Internal = observeInternal(ctx, p, o, e) })
		}
	}
	ways := roadsOut(s, o, opt)
	if len(ways) > 0 {
		reads = append(reads, func() { ways.Stand(ctx, p) })
	}
	p.SideBySide(reads...)
	var looks []func()
	at := map[mover.Engine]server.Sides{}
	for _, e := range engines {
		if observed(s, o, e) && o.Cluster.Is() && s.Server != nil {
			in, installation := sidesOf(s, o, e), server.InstallationID(o.Cluster.Value, s.Server)
			looks = append(looks, func() { observeDatabases(ctx, p, opt, o.store(e), in, installation) })
			looks = append(looks, ways.Tries(ctx, p, in)...)
			at[e] = in
		}
	}
	p.SideBySide(looks...)
	for _, e := range engines {
		if _, looked := at[e]; looked && opt.Inspect {
			o.store(e).keep(ctx, p, at[e], ways[e])
		}
	}
	if parts := partsNow(s, o); opt.Preview && len(parts) > 0 && managed(s, rel) == "" {
		// What the servers showed decides what the upgrade sets.
		o.Preview = p.Releases.Preview(ctx, switchChange(s, rel, parts))
	}
	observeKeys(ctx, s, p, o)
}

// partsNow are the parts that the upgrade is about.
func partsNow(s *spec.Spec, o *Observation) []Part {
	parts := partsWanted(s, o)
	if !openMove(*o) {
		return parts
	}
	// The file may want more to move since it was begun.
	parts = slices.DeleteFunc(parts, func(p Part) bool { return o.Move.Value.part(p.Engine) == nil })
	for i := range parts {
		parts[i].Trust = o.Move.Value.part(parts[i].Engine).Trust
	}
	return parts
}

// observeInternal reads a datastore's own objects. Once its pods are gone
// nothing in the cluster says any more that their password was in a Secret of
// another name than theirs; our record does.
func observeInternal(ctx context.Context, p server.Providers, o *Observation, e mover.Engine) engine.Observed[server.InternalStore] {
	name := o.Release.Value.Store(e).FullName
	in := p.Stores.Internal(ctx, e, name)
	if secret := internalSecret(o, e).Name; in.Is() && in.Value.StatefulSet.IsNot() && secret != name {
		in.Value.Secret = p.Passwords.Info(ctx, secret)
	}
	return in
}

func observeCredentials(ctx context.Context, s *spec.Spec, p server.Providers, e mover.Engine) engine.Observed[server.Credentials] {
	d := server.Declared(s, e)
	if d == nil || d.External == nil {
		return engine.NotThere[server.Credentials]()
	}
	return p.Passwords.Compare(ctx, kindOf(e).Credentials, kindOf(e).Keys, d.External.Password)
}

// observeAuthority reads the authority that the file names for the external
// server, which the application may have to be told.
func observeAuthority(ctx context.Context, s *spec.Spec, p server.Providers, e mover.Engine) engine.Observed[string] {
	d := server.Declared(s, e)
	if d == nil || d.External == nil || d.External.CA == nil {
		return engine.NotThere[string]()
	}
	return p.Authorities.Authority(ctx, *d.External.CA)
}

// observeDatabases runs the inspect Job, or holds the recorded inspection
// against what would be asked now.
func observeDatabases(ctx context.Context, p server.Providers, opt ObserveOptions, d *DatastoreObservation, in server.Sides, installation string) {
	if in.Source.Endpoint == nil && in.Target.Endpoint == nil {
		d.Inspection = engine.NotThere[server.Inspection]()
		return
	}
	subject := server.SubjectOf(in, installation)
	if !opt.Inspect {
		if d.Inspection.Is() && d.Inspection.Value.Subject != subject {
			d.Inspection = engine.CouldNot[server.Inspection](errors.New(otherServers))
		}
		return
	}
	d.Inspection = server.Inspect(ctx, p, in, installation, opt.Progress)
}

// keep records an inspection that was just made, with what was tried of the
// application's road.
func (d *DatastoreObservation) keep(ctx context.Context, p server.Providers, in server.Sides, road *server.Road) {
	if !d.Inspection.Is() {
		return
	}
	if road != nil {
		road.Judge(ctx, p, in)
		d.Inspection.Value.Road = road
	}
	if err := engine.ReplaceRecord(ctx, p.Records, server.RecordInspection(in.Engine), d.Inspection.Value); err != nil {
		d.Inspection = engine.CouldNot[server.Inspection](err)
	}
}

// observed tells whether a datastore is this spec's business: it is declared,
// or an open move has it on its way.
func observed(s *spec.Spec, o *Observation, e mover.Engine) bool {
	return server.Declared(s, e) != nil || openMove(*o) && o.Move.Value.part(e) != nil
}
