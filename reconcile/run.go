package reconcile

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// run is one apply: the plan, the outside, and the records it keeps.
type run struct {
	s    *spec.Spec
	p    server.Providers
	plan engine.Plan
	opt  engine.Options
	ev   engine.Events
	rel  server.Release
	id   string // installation
	// steps does the plan's steps with our actions.
	steps *engine.Run
	// parts are what the plan would move; once the move is open, its record has
	// them.
	parts []Part
	// keys are those under which our Secrets have to hold a password.
	keys map[mover.Engine][]string

	// adopt are the datastores whose internal side is gone on with by choice.
	adopt map[mover.Engine]Part

	mu          sync.Mutex // guards the records: steps may run side by side
	move        Move
	moveVersion string
	// ours tells that the move in the record is this run's business: it stood
	// open when the run began, or the run opened it.
	ours bool
	// proved tells which datastores this run itself compared.
	proved map[mover.Engine]bool
	// read is what this run itself read whole, before the move was open.
	read map[mover.Engine]*mover.ReadResult
	// carried is what each datastore holds.
	carried map[mover.Engine]sizes
	// resumed tells that the move was open when the run began.
	resumed bool
	// noSource tells that the internal server was not there when we looked.
	noSource bool
	// lost tells that the lease went to somebody else.
	lost func() bool
	// giveUp gives the cause when whoever waits for the application to start was
	// interrupted meanwhile; nil where nothing can be interrupted any more.
	giveUp func() error
	// ailing are the pods that kept the application from coming up.
	ailing []engine.Ailment
	// saidBack tells that the way back was announced.
	saidBack bool
}

// action is one kind of step: how to tell that it is so, and one idempotent
// call that makes it so.
type action struct {
	look  func(ctx context.Context, r *run, st engine.Step) (engine.Look, error)
	apply func(ctx context.Context, r *run, st engine.Step) error
}

func newRun(ctx context.Context, s *spec.Spec, o Observation, plan engine.Plan, p server.Providers, opt engine.Options, ev engine.Events) (*run, error) {
	r := &run{
		s: s, p: p, plan: plan, opt: opt, ev: ev, rel: o.Release.Value, keys: map[mover.Engine][]string{}, parts: foreseen(s, o, partsWanted(s, &o)),
		id: server.InstallationID(o.Cluster.Value, s.Server), adopt: map[mover.Engine]Part{}, proved: map[mover.Engine]bool{}, read: map[mover.Engine]*mover.ReadResult{},
		carried: map[mover.Engine]sizes{},
		lost:    func() bool { return engine.LeaseLost(ctx) != nil },
	}
	for _, e := range engines {
		r.keys[e] = credentialKeys(o, e)
	}
	for _, p := range adopted(s, &o) {
		r.adopt[p.Engine] = p
	}
	move, version := engine.ReadRecord[Move](ctx, p.Records, RecordMove)
	if move.Unread() {
		return nil, fmt.Errorf("read record %s: %s", RecordMove, move.Why)
	}
	r.move, r.moveVersion = move.Value, version
	if r.move.Open() {
		r.ours, r.resumed = true, true
		if r.isDown() {
			ev.Service(r.service())
		}
		for _, part := range r.move.Parts { // it may be gone; going back makes it again
			if in := o.store(part.Engine).Internal; part.From == spec.Internal && (!in.Is() || !in.Value.StatefulSet.Is()) {
				r.noSource = true
			}
		}
	}
	steps, err := engine.Begin(ctx, plan, p.Outside, opt, ev)
	if err != nil {
		return nil, err
	}
	r.steps = steps
	for _, part := range r.allParts() {
		r.carried[part.Engine] = sizesOf(o, part)
	}
	return r, nil
}

// allParts are those of the open move, or those the plan would move.
func (r *run) allParts() []Part {
	if r.move.Open() {
		return r.move.Parts
	}
	return r.parts
}

// part is the datastore a step is about, as the record has it.
func (r *run) part(st engine.Step) Part {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.move.Open() {
		if p := r.move.part(engineOf(st)); p != nil {
			return *p
		}
	}
	for _, p := range r.parts {
		if p.Engine == engineOf(st) {
			return p
		}
	}
	// The release was still switched when the plan was made: a way back in this
	// very run has closed the move that is made anew.
	if p := r.move.part(engineOf(st)); p != nil {
		return *p
	}
	return Part{Engine: engineOf(st)}
}

// alive asks at once, where uninterrupted hears of a lost lease a moment later.
func (r *run) alive(ctx context.Context) error {
	if r.lost() {
		return engine.ErrLeaseLost
	}
	return context.Cause(ctx)
}

// saveMove changes the move record and stores it; in memory it changes only
// when it is stored.
func (r *run) saveMove(ctx context.Context, change func(*Move)) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.move
	next.Parts = slices.Clone(r.move.Parts)
	change(&next)
	version, err := engine.StoreRecord(ctx, r.p.Records, RecordMove, next, r.moveVersion)
	if err != nil {
		return err
	}
	was := r.isDown()
	r.move, r.moveVersion = next, version
	if was != r.isDown() {
		r.ev.Service(r.service())
	}
	return nil
}

// savePart changes one datastore's part of the move.
func (r *run) savePart(ctx context.Context, e mover.Engine, change func(*Part)) error {
	return r.saveMove(ctx, func(m *Move) { change(m.part(e)) })
}

// isDown tells whether this installation's application was stopped by the
// move and not started again.
func (r *run) isDown() bool { return !r.move.Quiesced.IsZero() && r.move.Resumed.IsZero() }

func (r *run) downtime() time.Duration {
	if !r.ours || r.move.Quiesced.IsZero() || r.move.Resumed.IsZero() {
		return 0
	}
	return r.move.Resumed.Sub(r.move.Quiesced)
}

// reportDowntime sets the downtime beside what was announced before it began.
func (r *run) reportDowntime(rep *engine.Report) {
	rep.Downtime = r.downtime()
	if rep.Downtime > 0 {
		rep.Announced.DownLow, rep.Announced.DownHigh = r.move.Announced.DownLow, r.move.Announced.DownHigh
	}
}

// sides are both sides of a part, whether they run or not.
func (r *run) sides(p Part) server.Sides {
	out := p.Outside
	if d := server.Declared(r.s, p.Engine); d != nil && d.External != nil && d.External.At() == p.External {
		out = server.ExternalSide(*d.External)
	}
	return server.Oriented(p.Engine, p.To, server.InternalSide(p.Internal, p.Engine, p.InternalSecret), out)
}

// mover builds the Job of one operation of this attempt.
func (r *run) mover(op mover.Operation, p Part) server.MoverJob {
	r.mu.Lock()
	move := r.move // a step beside this one may be writing it
	r.mu.Unlock()
	job := r.sides(p).Job(JobName(op, move, p), mover.Request{
		Operation: op, Installation: r.id, Move: p.ID(), Epoch: p.Epoch, Fence: move.FenceID(p),
		Streams: r.s.Mover.Streams, OwnerMap: p.OwnerMap, Replaces: p.Replaces, Fork: p.Fork, HandedOff: move.HandOff != nil,
	})
	job.Deadline = quickTime
	switch op {
	case mover.OpCopy, mover.OpProve:
		job.Deadline, job.Keep = longTime, true
	case mover.OpRead:
		job.Deadline = longTime
	default: // quick
	}
	return job
}

// longTime bounds what reads or writes all data, quickTime what does not.
const (
	longTime  = 72 * time.Hour
	quickTime = 10 * time.Minute
)

// runMover runs a mover and decodes its result.
func runMover[T any](ctx context.Context, r *run, st engine.Step, job server.MoverJob) (T, error) {
	var result T
	if !job.Keep {
		// One that a killed run left behind says how things were then.
		if err := r.p.Movers.Stop(ctx, job.Name); err != nil {
			return result, err
		}
	}
	first := true
	raw, err := r.p.Movers.Run(ctx, job, func(e mover.Event) {
		if r.p.At != nil && first && job.Request.Operation == mover.OpCopy && e.Bytes > 0 {
			first = false
			r.p.At("copying")
		}
		r.ev.StepProgress(st, e)
	})
	if err != nil {
		return result, err
	}
	if err := json.Unmarshal(raw, &result); err != nil {
		return result, fmt.Errorf("read the result of %s: %w", job.Name, err)
	}
	return result, nil
}

func (r *run) writeApplied(ctx context.Context) error {
	rel := r.p.Releases.Release(ctx)
	ws := r.p.Workloads.List(ctx)
	if !rel.Is() || !ws.Is() {
		return fmt.Errorf("record what was applied: %s%s", rel.Why, ws.Why)
	}
	a := server.Applied{
		At: r.p.Now(), By: r.opt.By, SpecDigest: r.s.Digest(), Plan: r.plan.ID, Revision: rel.Value.Revision,
		ChartVersion: rel.Value.ChartVersion, ConfigDigest: rel.Value.ConfigDigest, Replicas: map[string]int{}, Stores: map[mover.Engine]server.AppliedStore{},
	}
	for _, e := range engines {
		if d := server.Declared(r.s, e); d != nil {
			at := server.AppliedStore{Location: d.Location}
			if d.Location == spec.External {
				at.Endpoint = d.External.At()
			}
			a.Stores[e] = at
		}
	}
	for _, w := range ws.Value {
		a.Replicas[w.Key()] = w.Replicas
	}
	return engine.ReplaceRecord(ctx, r.p.Records, server.RecordApplied, a)
}
