package reconcile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// WaiveRehearsal records that a person goes on in spite of what the newest
// rehearsal found, until it counts no more; with data it is the newest with rows.
func WaiveRehearsal(ctx context.Context, p server.Providers, e mover.Engine, withData bool) (mover.Rehearsal, error) {
	name := RecordRehearsal(e)
	rec, version := engine.ReadRecord[Rehearsed](ctx, p.Records, name)
	switch {
	case rec.Unread():
		return mover.Rehearsal{}, &UnreadableError{What: []string{"record " + name + ": " + rec.Why}}
	case withData && rec.Value.Dress != nil && len(rec.Value.Dress.Differences) > 0:
		rec.Value.Dress.Waived = true
		_, err := engine.WriteRecord(ctx, p.Records, name, rec.Value, version)
		return rec.Value.Dress.Rehearsal, err
	case withData || rec.IsNot() || len(rec.Value.Differences) == 0:
		return mover.Rehearsal{}, errors.New("waive what a rehearsal found: the newest one found nothing")
	}
	return rec.Value.Rehearsal, waive(ctx, p, name, rec.Value, version)
}

// Rehearse rehearses the move out of one datastore now, whether or not an
// earlier rehearsal counts, and records the result.
func Rehearse(ctx context.Context, s *spec.Spec, p server.Providers, e mover.Engine, opt RehearseOptions, progress mover.Progress) (mover.Rehearsal, error) {
	o := Observe(ctx, s, p, ObserveOptions{Inspect: true, Progress: progress})
	if missing := unread(s, o); len(missing) > 0 {
		return mover.Rehearsal{}, &UnreadableError{What: missing}
	}
	d := server.Declared(s, e)
	switch {
	case d == nil || d.External == nil:
		return mover.Rehearsal{}, fmt.Errorf("rehearse: the spec names no external %s to move to", e.Title())
	case !o.Release.Value.Store(e).Internal:
		return mover.Rehearsal{}, fmt.Errorf("rehearse: the release has %s outside already, at %s", e.Title(), o.Release.Value.Store(e).At())
	case openMove(o) && o.Move.Value.part(e) != nil:
		return mover.Rehearsal{}, fmt.Errorf("rehearse: move %s of %s is not over; finish it first", o.Move.Value.ID, e.Title())
	}
	part := newPart(&o, e, *d, spec.External)
	job := sidesOf(s, &o, e).Job("circleci-dr-rehearse-"+part.ID(), mover.Request{
		Operation: mover.OpRehearse, Installation: server.InstallationID(o.Cluster.Value, s.Server), Move: part.ID(), Epoch: part.Epoch,
		Streams: s.Mover.Streams, OwnerMap: part.OwnerMap,
	})
	job.Deadline = quickTime
	unsized := ""
	if opt.WithData {
		job.Request.WithData = true
		job.Request.Limits, unsized = opt.limits(s, o, e)
		job.Deadline += opt.Time
	}
	if err := p.Movers.Stop(ctx, job.Name); err != nil { // one that a killed run left behind
		return mover.Rehearsal{}, err
	}
	if err := beginRehearsal(ctx, p, e, opt.WithData); err != nil {
		return mover.Rehearsal{}, err
	}
	var res mover.Rehearsal
	raw, err := p.Movers.Run(ctx, job, progress)
	if err == nil {
		if err = json.Unmarshal(raw, &res); err != nil {
			return res, fmt.Errorf("read the result of %s: %w", job.Name, err)
		}
	}
	res.WithData = opt.WithData // also of one that gave no result
	if err == nil && unsized != "" {
		res.NotTried = append(res.NotTried, "how big the source's disk is: "+unsized)
	}
	z := sizesOf(o, part)
	rec := Rehearsed{Rehearsal: res, Of: restsOn(s, o, part), Bytes: z.bytes, Tables: z.tables}
	return res, outcome(ctx, p, part, rec, schemaNow(o, e), err)
}
