package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/spec"
)

// run is one apply: the plan, the outside, and the records it keeps.
type run struct {
	s    *spec.Spec
	p    Providers
	plan Plan
	opt  ApplyOptions
	ev   Events
	rel  Release
	in   sides
	id   string // installation
	own  map[string]string

	move           Move
	moveVersion    string
	journal        Journal
	journalVersion string
	epoch          int
	// ours tells that the move in the record is this run's business: it stood
	// open when the run began, or the run opened it.
	ours bool
	// proved tells that this run itself compared both sides.
	proved bool
	// noSource tells that the internal server was not there when we looked.
	noSource bool
	// lost tells that the lease went to somebody else.
	lost func() bool
}

// Look is what an action saw when it looked.
type Look struct {
	Settled bool
	// Why says what is there, or what is still missing.
	Why string
}

// action is one kind of step: how to tell that it is so, and one idempotent
// call that makes it so.
type action struct {
	look  func(ctx context.Context, r *run, st Step) (Look, error)
	apply func(ctx context.Context, r *run, st Step) error
}

func newRun(ctx context.Context, s *spec.Spec, o Observation, plan Plan, p Providers, opt ApplyOptions, ev Events) (*run, error) {
	r := &run{
		s: s, p: p, plan: plan, opt: opt, ev: ev, rel: o.Release.Value,
		in: sidesOf(s, o.Release.Value, o.Postgres.Internal, o.Postgres.Move),
		id: InstallationID(o.Cluster.Value, s.Server), own: ownerMap(s, o),
		lost: func() bool { return errors.Is(context.Cause(ctx), ErrLeaseLost) },
	}
	move, version := readRecord[Move](ctx, p.Records, RecordMove)
	if move.Unread() {
		return nil, fmt.Errorf("read record %s: %s", RecordMove, move.Why)
	}
	r.move, r.moveVersion = move.Value, version
	if r.move.Open() {
		r.own, r.ours = r.move.OwnerMap, true
		if r.in.Source == nil { // it may be gone; going back makes it again
			key := r.move.SourceSecret
			r.in.Source = &Endpoint{Host: r.move.Store, Port: 5432, Username: internalSuperuser, TLSMode: "prefer"}
			r.in.SourceSecret = &spec.SecretRef{Secret: &key}
			r.noSource = true
		}
	}
	journal, version := readRecord[Journal](ctx, p.Records, RecordJournal)
	if journal.Unread() && version == "" {
		return nil, fmt.Errorf("read record %s: %s", RecordJournal, journal.Why)
	}
	if journal.Unread() { // it only tells people; the look decides
		ev.Note("the journal is begun anew: " + journal.Why)
	}
	r.journal, r.journalVersion = journal.Value, version
	r.epoch = nextEpoch(o.Postgres.Lineage)
	if r.move.Open() {
		r.epoch = r.move.Epoch
	}
	return r, nil
}

// alive asks at once, where uninterrupted hears of a lost lease a moment later.
func (r *run) alive(ctx context.Context) error {
	if r.lost() {
		return ErrLeaseLost
	}
	return context.Cause(ctx)
}

func (r *run) at(st Step, where string) {
	if r.p.At != nil {
		r.p.At(string(st.Action) + ":" + where)
	}
}

func (r *run) journalBegin(ctx context.Context, st Step) error {
	r.journal.begin(JournalEntry{Step: st.ID, Title: st.Title, Plan: r.plan.ID, By: r.opt.By, Begun: r.p.Now()})
	return r.saveJournal(ctx)
}

func (r *run) journalEnd(ctx context.Context, st Step, cause error) error {
	r.journal.end(st.ID, r.p.Now(), cause)
	// The outcome is written even when the run was interrupted meanwhile.
	return r.saveJournal(context.WithoutCancel(ctx))
}

func (r *run) saveJournal(ctx context.Context) error {
	version, err := r.write(ctx, RecordJournal, r.journal, r.journalVersion)
	if err == nil {
		r.journalVersion = version
	}
	return err
}

// write stores a record, and where the call failed looks whether it was stored
// all the same: the way back must not stumble over a lost answer.
func (r *run) write(ctx context.Context, name string, v any, version string) (string, error) {
	stored, err := writeRecord(ctx, r.p.Records, name, v, version)
	if err == nil {
		return stored, nil
	}
	is := r.p.Records.Read(context.WithoutCancel(ctx), name)
	if is.Is() && is.Value.Version != version && sameJSON(is.Value.Data, v) {
		return is.Value.Version, nil
	}
	return "", err
}

// saveMove changes the move record and stores it; in memory it changes only
// when it is stored.
func (r *run) saveMove(ctx context.Context, change func(*Move)) error {
	next := r.move
	change(&next)
	version, err := r.write(ctx, RecordMove, next, r.moveVersion)
	if err != nil {
		return err
	}
	r.move, r.moveVersion = next, version
	return nil
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

func (r *run) external() *spec.PostgreSQLExternal { return r.s.Datastores.PostgreSQL.External }

// mover builds the Job of one operation of this attempt.
func (r *run) mover(op Operation) MoverJob {
	deadline := 10 * time.Minute
	if op == OpCopy || op == OpProve {
		deadline = 72 * time.Hour
	}
	return MoverJob{
		Name: JobName(op, r.move), Source: r.in.SourceSecret, Target: r.in.TargetSecret, TargetCA: r.in.TargetCA,
		Deadline: deadline, Keep: op == OpCopy || op == OpProve,
		Request: MoverRequest{
			Operation: op, Engine: PostgreSQL, Source: r.in.Source, Target: r.in.Target,
			Installation: r.id, Move: r.move.ID, Epoch: r.move.Epoch, Fence: r.move.FenceID(),
			Streams: r.s.Mover.Streams, OwnerMap: r.own,
		},
	}
}

// runMover runs a mover and decodes its result.
func runMover[T any](ctx context.Context, r *run, st Step, job MoverJob) (T, error) {
	var result T
	if !job.Keep {
		// One that a killed run left behind says how things were then.
		if err := r.p.Movers.Stop(ctx, job.Name); err != nil {
			return result, err
		}
	}
	first := true
	raw, err := r.p.Movers.Run(ctx, job, func(e MoverEvent) {
		if r.p.At != nil && first && job.Request.Operation == OpCopy && e.Bytes > 0 {
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
	a := Applied{
		At: r.p.Now(), By: r.opt.By, SpecDigest: r.s.Digest(), Plan: r.plan.ID, Revision: rel.Value.Revision,
		ChartVersion: rel.Value.ChartVersion, ConfigDigest: rel.Value.ConfigDigest, Replicas: map[string]int{},
	}
	if pg := r.s.Datastores.PostgreSQL; pg != nil {
		a.Location = pg.Location
		if pg.Location == spec.External {
			a.Endpoint = endpointOf(pg.External)
		}
	}
	for _, w := range ws.Value {
		a.Replicas[w.Key()] = w.Replicas
	}
	return replaceRecord(ctx, r.p.Records, RecordApplied, a)
}
