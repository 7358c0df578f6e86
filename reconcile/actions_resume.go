package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func lookResume(ctx context.Context, r *run, _ engine.Step) (engine.Look, error) {
	ws, err := r.workloads(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	if why := server.NotUp(ws, r.move.Replicas); why != "" {
		return engine.Look{Why: why}, nil
	}
	if r.move.Resumed.IsZero() {
		return engine.Look{Why: "no session of the application on the target was seen"}, nil
	}
	return engine.Look{Settled: true, Why: "every workload is ready and has sessions on the target"}, nil
}

func applyResume(ctx context.Context, r *run, st engine.Step) error {
	if err := r.bringUp(ctx, st); err != nil {
		return err
	}
	if err := r.seeSessions(ctx, st); err != nil {
		return err
	}
	if err := r.p.Workloads.Forget(ctx); err != nil {
		return err
	}
	return r.saveMove(ctx, func(m *Move) { m.Resumed = r.p.Now() })
}

// The patience of a start: a workload in trouble that long will not get
// better, and one that only takes long gets more.
const (
	resumeTime   = 15 * time.Minute
	troubleTime  = 90 * time.Second
	sessionsTime = 60 * time.Second
)

// bringUp scales every workload to its recorded count and waits for it.
func (r *run) bringUp(ctx context.Context, st engine.Step) error {
	if err := r.scaleUp(ctx); err != nil {
		return err
	}
	return r.newStart(st).wait(ctx)
}

// scaleUp scales every workload to its recorded count.
func (r *run) scaleUp(ctx context.Context) error {
	ws, err := r.workloads(ctx)
	if err != nil {
		return err
	}
	var failed []error // one that cannot start must not keep the others down
	for _, w := range ws {
		n, ok := r.move.Replicas[w.Key()]
		// An autoscaler may have gone further up, and may; it would take its time
		// to come up to where it was.
		if !ok || w.Replicas == n || w.Autoscaler != "" && w.Replicas > n && n > 0 {
			continue
		}
		if err := r.alive(ctx); err != nil {
			return err
		}
		failed = append(failed, r.p.Workloads.Scale(ctx, w.Key(), n))
	}
	return errors.Join(failed...)
}

// seeSessions asks the target itself whether the application is connected:
// ready pods may still talk to the wrong server.
func (r *run) seeSessions(ctx context.Context, st engine.Step) error {
	want := 0
	for key, n := range r.move.Replicas {
		if !server.IsCronJob(key) { // it may be hours until it starts a pod
			want += n
		}
	}
	if want == 0 {
		return nil // the application was at zero before, nothing will connect
	}
	until := r.p.Now().Add(sessionsTime)
	for _, p := range r.move.Parts {
		if err := r.seeSessionsOf(ctx, st, p, until); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) seeSessionsOf(ctx context.Context, st engine.Step, p Part, until time.Time) error {
	in := server.Sides{Engine: p.Engine, Target: r.sides(p).Target, Inwards: p.To == spec.Internal}
	role := in.Target.Endpoint.Username
	for {
		found := server.Inspect(ctx, r.p, in, r.id, func(mover.Event) {})
		switch {
		case found.Unread():
			return fmt.Errorf("look for the application's sessions on the target: %s", found.Why)
		case found.Value.Target == nil || found.Value.Target.Database == nil:
			return errors.New("look for the application's sessions on the target: " + sideError(found.Value.Target))
		}
		if slices.ContainsFunc(found.Value.Target.Database.Sessions, func(c mover.SessionCount) bool { return c.Role == role && c.Count > 0 }) {
			if p.To == spec.Internal {
				return nil // drift will ask about both sides: finish looks at them
			}
			return engine.ReplaceRecord(ctx, r.p.Records, server.RecordInspection(p.Engine), found.Value)
		}
		if r.p.Now().After(until) {
			return fmt.Errorf("the application is up, but has no session as %s on %s after %s", role, p.Target(), sessionsTime)
		}
		r.ev.StepProgress(st, mover.Event{Phase: "starting", Message: "waiting for sessions on the target"})
		if err := r.p.Wait(ctx, time.Second); err != nil {
			return err
		}
	}
}

func sideError(side *mover.InspectedSide) string {
	if side == nil {
		return "it was not inspected"
	}
	return side.Error
}
