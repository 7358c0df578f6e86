package server

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Inspection is the newest look at both sides, made in the cluster.
type Inspection struct {
	mover.InspectResult
	// Subject is the digest of what was asked, so that a record of other
	// endpoints is never taken for this one.
	Subject string `json:"subject"`
	// Inwards tells that the source is the external side.
	Inwards bool `json:"inwards,omitempty"`
	// Road is the application's own way to the target, where it is to move there.
	Road *Road `json:"road,omitempty"`
}

// Sides are what was seen of the server in the cluster and the one outside; nil where
// one was not there to look at.
func (i Inspection) Sides() (inside, outside *mover.InspectedSide) {
	if i.Inwards {
		return i.Target, i.Source
	}
	return i.Source, i.Target
}

// Carries tells a role that the source has too.
func (i Inspection) Carries(role string) bool {
	return i.Source != nil && i.Source.Database != nil && slices.ContainsFunc(i.Source.Database.Roles, func(r mover.RoleInfo) bool { return r.Name == role })
}

// Inspect looks at both sides from inside the cluster, as far as they are there, by
// a Job that it makes or finds.
func Inspect(ctx context.Context, p Providers, in Sides, installation string, progress mover.Progress) engine.Observed[Inspection] {
	job := InspectJob(in, installation)
	rec, err := inspectOnce(ctx, p, job, progress)
	if err == nil && p.Now().Sub(rec.At) > freshTime {
		// A Job that a killed run left behind was adopted: it tells of then.
		if err = p.Movers.Stop(ctx, job.Name); err == nil {
			rec, err = inspectOnce(ctx, p, job, progress)
		}
	}
	if err != nil {
		return engine.CouldNot[Inspection](fmt.Errorf("inspect the databases from inside the cluster: %w", err))
	}
	rec.Subject = SubjectOf(in, installation)
	rec.Inwards = in.Inwards
	return engine.Found(rec)
}

// freshTime is how old the result of an inspection just run may be. Clocks
// that differ more cost a second run, no more.
const freshTime = 5 * time.Minute

func inspectOnce(ctx context.Context, p Providers, job MoverJob, progress mover.Progress) (Inspection, error) {
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
