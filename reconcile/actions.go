package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// actionsByKind is the closed set of actions.
var actionsByKind map[engine.ActionKind]action

func init() { // an initialiser would be a cycle: go-back is an action and ends others
	actionsByKind = map[engine.ActionKind]action{
		ActCredentials: {lookCredentials, applyCredentials},
		ActProtect:     {lookProtect, applyProtect},
		ActRehearse:    {lookRehearse, applyRehearse},
		ActUnrehearsed: {lookUnrehearsed, applyUnrehearsed},
		ActRead:        {lookRead, applyRead},
		ActRecord:      {lookRecord, applyRecord},
		ActQuiesce:     {lookQuiesce, applyQuiesce},
		ActFence:       {lookFence, applyFence},
		ActCopy:        {lookCopy, applyCopy},
		ActProve:       {lookProve, applyProve},
		ActSwitch:      {lookSwitch, applySwitch},
		ActHandOff:     {lookHandOff, applyHandOff},
		ActCommit:      {lookCommit, applyCommit},
		ActResume:      {lookResume, applyResume},
		ActSettle:      {lookSettle, applySettle},
		ActSetAside:    {lookSetAside, applySetAside},
		ActRemove:      {lookRemove, applyRemove},
		ActGoBack:      {lookGoBack, applyGoBack},
		ActAdopt:       {lookAdopt, applyAdopt},
	}
}

func lookCredentials(ctx context.Context, r *run, st engine.Step) (engine.Look, error) {
	e := engineOf(st)
	t := kindOf(e)
	c := r.p.Passwords.Compare(ctx, t.Credentials, r.keys[e], server.Declared(r.s, e).External.Password)
	switch {
	case c.Unread():
		return engine.Look{}, fmt.Errorf("read Secret %s: %s", t.Credentials, c.Why)
	case c.Is() && c.Value.Matches:
		return engine.Look{Settled: true, Why: "Secret " + t.Credentials + " is already right"}, nil
	}
	return engine.Look{Why: "Secret " + t.Credentials + " does not hold the referenced password"}, nil
}

func applyCredentials(ctx context.Context, r *run, st engine.Step) error {
	e := engineOf(st)
	return r.p.Passwords.Copy(ctx, kindOf(e).Credentials, r.keys[e], server.Declared(r.s, e).External.Password)
}

// store is the name of a datastore's StatefulSet and Service.
func (r *run) store(e mover.Engine) string { return r.rel.Store(e).FullName }

func lookProtect(ctx context.Context, r *run, st engine.Step) (engine.Look, error) {
	return r.protected(ctx, engineOf(st))
}

func (r *run) protected(ctx context.Context, e mover.Engine) (engine.Look, error) {
	in := r.p.Stores.Internal(ctx, e, r.store(e))
	switch {
	case in.Unread():
		return engine.Look{}, fmt.Errorf("read the objects of %s: %s", r.store(e), in.Why)
	case in.Is() && in.Value.Protected:
		return engine.Look{Settled: true, Why: "volume, StatefulSet and Secret are protected"}, nil
	}
	return engine.Look{Why: strings.Join(in.Value.Unprotected, "; ")}, nil
}

func applyProtect(ctx context.Context, r *run, st engine.Step) error {
	return r.p.Stores.Protect(ctx, engineOf(st), r.store(engineOf(st)))
}

// workloads reads the counts of the application's workloads.
func (r *run) workloads(ctx context.Context) ([]server.Workload, error) {
	return r.known(r.p.Workloads.List(ctx))
}

// texts reads what the application's workloads are told, beside their counts.
func (r *run) texts(ctx context.Context) ([]server.Workload, error) {
	return r.known(r.p.Workloads.Application(ctx).Workloads)
}

func (r *run) known(ws engine.Observed[[]server.Workload]) ([]server.Workload, error) {
	switch {
	case ws.Unread():
		return nil, fmt.Errorf("list the application's workloads: %s", ws.Why)
	case len(ws.Value) == 0:
		// An empty list would read as stopped here and as started there.
		return nil, errors.New("list the application's workloads: there is none with layer=application any more")
	}
	return r.counted(ws.Value), nil
}

// live reads the release, and then the workloads of its application.
func (r *run) live(ctx context.Context) (server.Release, []server.Workload, error) {
	rel, err := r.release(ctx)
	if err != nil {
		return server.Release{}, nil, err
	}
	ws, err := r.workloads(ctx)
	return rel, ws, err
}

// counted leaves the counts of a release that was handed off to the tool that
// reconciles it, as it leaves those of an autoscaled workload to the autoscaler.
func (r *run) counted(ws []server.Workload) []server.Workload {
	if h := r.move.HandOff; h != nil && r.move.Phase == MoveCommitted {
		ws = slices.Clone(ws)
		for i := range ws {
			ws[i].Autoscaler = cmp.Or(ws[i].Autoscaler, string(h.By))
		}
	}
	return ws
}

func lookRecord(ctx context.Context, r *run, _ engine.Step) (engine.Look, error) {
	if !r.move.Open() || len(r.move.Replicas) == 0 {
		return engine.Look{Why: "no move is open"}, nil
	}
	ws, err := r.workloads(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	if !recordStands(ws, r.move) {
		return engine.Look{Why: "not every workload remembers the count it had when the application was last up"}, nil
	}
	return engine.Look{Settled: true, Why: fmt.Sprintf("%d counts are recorded", len(ws))}, nil
}

// applyRecord opens the move: the record first, so that the second copy of
// the counts exists before any workload is touched.
func applyRecord(ctx context.Context, r *run, _ engine.Step) error {
	ws, err := r.workloads(ctx)
	if err != nil {
		return err
	}
	counts, _ := server.CountsOf(ws)
	switch {
	case !r.move.Open():
		err = r.openMove(ctx, counts)
	case r.move.Quiesced.IsZero(): // nothing was stopped yet: the live counts are the truth
		err = r.saveMove(ctx, func(m *Move) { m.Replicas = counts })
	default:
		return r.p.Workloads.Record(ctx, living(r.move.Replicas, ws))
	}
	if err != nil {
		return err
	}
	// Annotations of another time would be left as they are.
	if err := r.p.Workloads.Forget(ctx); err != nil {
		return err
	}
	return r.p.Workloads.Record(ctx, r.move.Replicas)
}

// living are the counts of workloads that are still there.
func living(counts map[string]int, ws []server.Workload) map[string]int {
	out := map[string]int{}
	for _, w := range ws {
		if n, known := counts[w.Key()]; known {
			out[w.Key()] = n
		}
	}
	return out
}

// openMove writes the record of a new attempt, of the datastores that the plan
// has steps for and no other: after a way back in this very run the file may
// want more to move, and that is for the next plan. It looks at release and
// lineage again, because such a way back has changed both.
func (r *run) openMove(ctx context.Context, counts map[string]int) error {
	rel, err := r.release(ctx)
	if err != nil {
		return err
	}
	var parts []Part
	for _, st := range r.plan.Steps {
		if st.Action == ActCommit {
			parts = append(parts, r.part(st))
		}
	}
	for i := range parts {
		p := &parts[i]
		if live := rel.Store(p.Engine); live.Internal != (p.From == spec.Internal) || rel.Status != "deployed" {
			return fmt.Errorf("open the move: revision %d of release %s is %s and reads %s %s; there is no revision to go back to",
				rel.Revision, rel.Name, rel.Status, p.Engine.Title(), cmp.Or(live.At(), "nowhere"))
		}
		lineage, _ := engine.ReadRecord[server.Lineage](ctx, r.p.Records, server.RecordLineage(p.Engine))
		if lineage.Unread() {
			return fmt.Errorf("read record %s: %s", server.RecordLineage(p.Engine), lineage.Why)
		}
		p.Epoch = nextEpoch(lineage)
		p.Fence, p.Copy, p.Proof, p.Committed = nil, nil, nil, false
		if p.Read != nil || r.read[p.Engine] != nil {
			p.Read = r.read[p.Engine]
		}
	}
	r.rel = rel
	var handOff *HandOff
	if slices.ContainsFunc(r.plan.Steps, func(st engine.Step) bool { return st.Action == ActHandOff }) {
		handOff = &HandOff{By: r.s.Server.ManagedBy}
	}
	id, attempt := MoveID(parts), 1
	if r.move.ID == id {
		attempt = r.move.Attempt + 1
	}
	r.ours = true
	return r.saveMove(ctx, func(m *Move) {
		*m = Move{
			ID: id, Attempt: attempt, Phase: MoveOpen, Opened: r.p.Now(), Parts: parts, Replicas: counts,
			Revision: rel.Revision, Announced: r.plan.Total, Plan: r.plan.ID, HandOff: handOff,
		}
	})
}

func lookQuiesce(ctx context.Context, r *run, _ engine.Step) (engine.Look, error) {
	ws, err := r.workloads(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	for _, w := range ws {
		if w.Replicas != 0 || w.Pods != 0 {
			return engine.Look{Why: w.AsItIs()}, nil
		}
	}
	return engine.Look{Settled: !r.move.Quiesced.IsZero(), Why: "no pod of the application is left"}, nil
}

// quiesceTime bounds the wait for pods to end.
const quiesceTime = 10 * time.Minute

func applyQuiesce(ctx context.Context, r *run, st engine.Step) error {
	if r.move.Quiesced.IsZero() {
		if err := r.saveMove(ctx, func(m *Move) { m.Quiesced = r.p.Now() }); err != nil {
			return err
		}
	}
	if err := r.tellStarted(ctx); err != nil {
		return err
	}
	return r.stop(ctx, st)
}

// tellStarted says whose writes a move in will not keep: the release reads the
// internal database before anything is copied there, so an application that
// somebody starts in between writes where the copy goes.
func (r *run) tellStarted(ctx context.Context) error {
	if !r.resumed || r.move.Quiesced.IsZero() || r.direction() != inwards {
		return nil
	}
	rel, ws, err := r.live(ctx)
	if err != nil {
		return err
	}
	var up []string
	for _, w := range ws {
		if w.Replicas != 0 {
			up = append(up, w.Key())
		}
	}
	if len(up) > 0 && slices.ContainsFunc(r.move.Parts, func(p Part) bool { return !p.Committed && rel.Store(p.Engine).Internal }) {
		r.ev.Note(fmt.Sprintf("somebody started %s while the move was open; what was written to %s since is not of the data that move, and is replaced", strings.Join(clip(up, 5), ", "), r.move.Target()))
	}
	return nil
}

// stop scales the application to zero and waits until its pods are gone. A
// workload that turned up since the counts were recorded is remembered first.
func (r *run) stop(ctx context.Context, st engine.Step) error {
	until := r.p.Now().Add(quiesceTime)
	for {
		ws, err := r.workloads(ctx)
		if err != nil {
			return err
		}
		if err := r.recordNew(ctx, ws); err != nil {
			return err
		}
		left := 0
		var last string
		for _, w := range ws {
			if w.Replicas != 0 { // also when somebody scaled it up meanwhile
				if err := r.p.Workloads.Scale(ctx, w.Key(), 0); err != nil {
					return err
				}
			}
			if w.Replicas != 0 || w.Pods != 0 {
				left += max(w.Pods, 1)
				last = w.Key()
			}
		}
		if left == 0 {
			return r.waitForJobs(ctx, st)
		}
		if r.p.Now().After(until) {
			return fmt.Errorf("%d pods of the application did not end within %s, such as those of %s; look at their finalizers and grace periods", left, quiesceTime, last)
		}
		r.ev.StepProgress(st, mover.Event{Phase: "stopping", Message: fmt.Sprintf("%d pods left", left)})
		if err := r.p.Wait(ctx, 300*time.Millisecond); err != nil {
			return err
		}
	}
}

func (r *run) recordNew(ctx context.Context, ws []server.Workload) error {
	counts := maps.Clone(r.move.Replicas)
	for _, w := range ws {
		if _, known := counts[w.Key()]; !known && w.Replicas > 0 {
			counts[w.Key()] = w.Replicas
		}
	}
	if len(counts) == len(r.move.Replicas) {
		return nil
	}
	return r.saveMove(ctx, func(m *Move) { m.Replicas = counts })
}
