package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func (r *run) release(ctx context.Context) (server.Release, error) {
	rel := r.p.Releases.Release(ctx)
	if !rel.Is() {
		if rel.Why == "" {
			rel.Why = "it is not there"
		}
		return server.Release{}, fmt.Errorf("read release %s: %s", r.rel.Name, rel.Why)
	}
	if managed(r.s, rel.Value) != spec.ManagedByArgoCD {
		return rel.Value, nil
	}
	ws, err := r.texts(ctx)
	return asRun(r.s, rel.Value, ws, r.move), err
}

// lookSwitch looks at the release and then at what really runs: the record
// alone proves nothing.
func lookSwitch(ctx context.Context, r *run, _ engine.Step) (engine.Look, error) {
	rel, err := r.release(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	for _, p := range r.move.Parts {
		live := rel.Store(p.Engine)
		if !switched(r.s, rel, p) || p.To == spec.External && live.ExistingSecret != kindOf(p.Engine).Credentials {
			return engine.Look{Why: fmt.Sprintf("release %s reads %s %s", rel.Name, p.Engine.Title(), cmp.Or(live.At(), "nowhere"))}, nil
		}
		if why := notTrusted(rel, p); why != "" {
			return engine.Look{Why: why}, nil
		}
	}
	if rel.Status != "deployed" {
		return engine.Look{Why: fmt.Sprintf("revision %d of release %s is %s", rel.Revision, rel.Name, rel.Status)}, nil
	}
	ws, err := r.texts(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	for _, p := range r.move.Parts {
		if why := r.referenced(ws, p); why != "" {
			return engine.Look{Why: why}, nil
		}
		if p.To == spec.Internal {
			if look, err := r.running(ctx, p); err != nil || !look.Settled {
				return look, err
			}
		}
	}
	return engine.Look{Settled: true, Why: fmt.Sprintf("revision %d references %s", rel.Revision, r.move.Target())}, nil
}

// referenced says why not every workload references the target of a part, or
// "".
func (r *run) referenced(ws []server.Workload, p Part) string {
	source, target := p.servers(r.s, r.rel)
	if why := notSwitched(ws, p, source, target); why != "" {
		return fmt.Sprintf("not every workload references %s: %s", r.sides(p).Target.Endpoint.At(), why)
	}
	return ""
}

// running tells whether the internal server that Helm brought back is up and
// protected from the release's next change.
func (r *run) running(ctx context.Context, p Part) (engine.Look, error) {
	name := r.store(p.Engine)
	in := r.p.Stores.Internal(ctx, p.Engine, name)
	switch set := in.Value.StatefulSet; {
	case in.Unread() || in.Is() && set.Unread():
		return engine.Look{}, fmt.Errorf("read the objects of %s: %s%s", name, in.Why, set.Why)
	case !in.Is() || !set.Is():
		return engine.Look{Why: "StatefulSet " + name + " is not there"}, nil
	case set.Value.Ready < 1:
		return engine.Look{Why: fmt.Sprintf("StatefulSet %s has %d of %d ready", name, set.Value.Ready, set.Value.Replicas)}, nil
	}
	return r.protected(ctx, p.Engine)
}

func applySwitch(ctx context.Context, r *run, st engine.Step) error {
	if err := r.proven(spec.External); err != nil {
		return err
	}
	if err := r.p.Switcher.Upgrade(ctx, switchChange(r.s, r.rel, r.move.Parts)); err != nil {
		return err
	}
	for _, p := range r.move.Parts {
		if p.To == spec.Internal {
			if err := r.raise(ctx, st, p); err != nil {
				return err
			}
		}
	}
	return nil
}

// raiseTime bounds the wait for an internal server's pod.
const raiseTime = 15 * time.Minute

// raise puts the internal server that came back with the release under
// protection and waits for it.
func (r *run) raise(ctx context.Context, st engine.Step, p Part) error {
	if err := r.p.Stores.Protect(ctx, p.Engine, r.store(p.Engine)); err != nil {
		return err
	}
	until := r.p.Now().Add(raiseTime)
	for {
		look, err := r.running(ctx, p)
		if err != nil {
			return err
		}
		if look.Settled {
			break
		}
		if r.p.Now().After(until) {
			return fmt.Errorf("the internal %s did not become ready within %s: %s", p.Engine.Title(), raiseTime, look.Why)
		}
		r.ev.StepProgress(st, mover.Event{Phase: "starting", Message: look.Why})
		if err := r.p.Wait(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

func lookSettle(ctx context.Context, r *run, _ engine.Step) (engine.Look, error) {
	rel, err := r.release(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	if held(rel) {
		return engine.Look{Why: fmt.Sprintf("revision %d holds the application at zero", rel.Revision)}, nil
	}
	ws, err := r.workloads(ctx)
	if err != nil {
		return engine.Look{}, err
	}
	if why := server.NotUp(ws, r.move.Replicas); why != "" {
		return engine.Look{Why: why}, nil // a run that was cut off between the upgrade and the counts
	}
	return engine.Look{Settled: true, Why: fmt.Sprintf("revision %d has the application up", rel.Revision)}, nil
}

// held tells whether the newest revision is the one that switched, with the
// application at zero, or one that never came to its end.
func held(rel server.Release) bool {
	return strings.HasPrefix(rel.Description, "circleci-dr switch") || rel.Status != "deployed"
}

func applySettle(ctx context.Context, r *run, st engine.Step) error {
	rel, err := r.release(ctx)
	if err == nil && held(rel) {
		change := switchChange(r.s, r.rel, r.move.Parts)
		change.HoldAtZero = false
		change.Description = "circleci-dr settled " + r.move.ID
		err = r.p.Switcher.Upgrade(ctx, change)
	}
	if lost := engine.LeaseLost(ctx); lost != nil {
		return errors.Join(err, lost)
	}
	// Counts that no values file knows come back whatever became of the
	// upgrade, and of the person who watched it.
	up, cancel := engine.Uninterrupted(ctx, resumeTime)
	defer cancel()
	r.giveUp = func() error { return context.Cause(ctx) } // they are back; nobody has to wait for their pods
	return errors.Join(err, r.bringUp(up, st))
}

func lookRemove(ctx context.Context, r *run, st engine.Step) (engine.Look, error) {
	e := engineOf(st)
	name := r.store(e)
	in := r.p.Stores.Internal(ctx, e, name)
	switch {
	case in.Unread() || in.Is() && in.Value.StatefulSet.Unread():
		return engine.Look{}, fmt.Errorf("read the objects of %s: %s%s", name, in.Why, in.Value.StatefulSet.Why)
	case in.IsNot() || in.Value.StatefulSet.IsNot():
		return engine.Look{Settled: true, Why: "StatefulSet " + name + " is gone"}, nil
	}
	return engine.Look{Why: "StatefulSet " + name + " still runs"}, nil
}

func applyRemove(ctx context.Context, r *run, st engine.Step) error {
	if r.move.Phase != MoveCommitted && r.move.Phase != MoveFinished {
		return errors.New("remove the internal database: the move is not committed")
	}
	return r.p.Stores.Remove(ctx, engineOf(st), r.store(engineOf(st)), r.p.Now())
}
