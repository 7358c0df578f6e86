package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

func (r *run) release(ctx context.Context) (Release, error) {
	rel := r.p.Releases.Release(ctx)
	if !rel.Is() {
		if rel.Why == "" {
			rel.Why = "it is not there"
		}
		return Release{}, fmt.Errorf("read release %s: %s", r.rel.Name, rel.Why)
	}
	return rel.Value, nil
}

// lookSwitch looks at the release and then at what really runs: the record
// alone proves nothing.
func lookSwitch(ctx context.Context, r *run, _ Step) (Look, error) {
	rel, err := r.release(ctx)
	if err != nil {
		return Look{}, err
	}
	if !switched(r.s, rel) || rel.Postgres.ExistingSecret != CredentialsName {
		return Look{Why: fmt.Sprintf("release %s reads %s:%d", rel.Name, rel.Postgres.Host, rel.Postgres.Port)}, nil
	}
	if rel.Status != "deployed" {
		return Look{Why: fmt.Sprintf("revision %d of release %s is %s", rel.Revision, rel.Name, rel.Status)}, nil
	}
	ws, err := r.workloads(ctx)
	if err != nil {
		return Look{}, err
	}
	var wrong []string
	found := 0
	for _, w := range ws {
		for _, host := range w.Hosts {
			if host == r.external().Host {
				found++
			} else {
				wrong = append(wrong, w.Key()+" names "+host)
			}
		}
	}
	if len(wrong) > 0 || found == 0 {
		return Look{Why: fmt.Sprintf("not every workload references %s: %s", r.external().Host, orNone(strings.Join(clip(wrong, 5), ", ")))}, nil
	}
	return Look{true, fmt.Sprintf("revision %d references %s", rel.Revision, r.external().Host)}, nil
}

func applySwitch(ctx context.Context, r *run, _ Step) error {
	return r.p.Switcher.Upgrade(ctx, switchChange(r.s, r.rel, r.move.ID))
}

func lookResume(ctx context.Context, r *run, _ Step) (Look, error) {
	ws, err := r.workloads(ctx)
	if err != nil {
		return Look{}, err
	}
	if why := notUp(ws, r.move.Replicas); why != "" {
		return Look{Why: why}, nil
	}
	if r.move.Resumed.IsZero() {
		return Look{Why: "no session of the application on the target was seen"}, nil
	}
	return Look{true, "every workload is ready and has sessions on the target"}, nil
}

func applyResume(ctx context.Context, r *run, st Step) error {
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
func (r *run) bringUp(ctx context.Context, st Step) error {
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
	if err := errors.Join(failed...); err != nil {
		return err
	}
	begun := r.p.Now()
	for {
		ws, err := r.workloads(ctx)
		if err != nil {
			return err
		}
		why := notUp(ws, r.move.Replicas)
		if why == "" {
			return nil
		}
		waited := r.p.Now().Sub(begun)
		if trouble := troubleOf(ws); trouble != "" && waited > troubleTime || waited > resumeTime {
			return fmt.Errorf("the application did not become ready within %s: %s", waited.Round(time.Second), orElse(trouble, why))
		}
		r.ev.StepProgress(st, MoverEvent{Phase: "starting", Message: why})
		if err := r.p.Wait(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func troubleOf(ws []Workload) string {
	for _, w := range ws {
		if w.Trouble != "" && w.Ready < w.Replicas {
			return w.Key() + ": " + w.Trouble
		}
	}
	return ""
}

// notUp names the first workload that is not at its recorded count.
func notUp(ws []Workload, want map[string]int) string {
	waiting, first := 0, ""
	for _, w := range ws {
		if !atRecorded([]Workload{w}, want) {
			waiting++
			if first == "" {
				first = fmt.Sprintf("%s has %d of %d ready", w.Key(), w.Ready, want[w.Key()])
			}
		}
	}
	if waiting > 1 {
		return fmt.Sprintf("%s, and %d more", first, waiting-1)
	}
	return first
}

// seeSessions asks the target itself whether the application is connected:
// ready pods may still talk to the wrong server.
func (r *run) seeSessions(ctx context.Context, st Step) error {
	want := 0
	for _, n := range r.move.Replicas {
		want += n
	}
	if want == 0 {
		return nil // the application was at zero before, nothing will connect
	}
	in := sides{Target: r.in.Target, TargetSecret: r.in.TargetSecret, TargetCA: r.in.TargetCA}
	until := r.p.Now().Add(sessionsTime)
	for {
		found := inspect(ctx, r.p, in, r.id, func(MoverEvent) {})
		switch {
		case found.Unread():
			return fmt.Errorf("look for the application's sessions on the target: %s", found.Why)
		case found.Value.Target == nil || found.Value.Target.Database == nil:
			return errors.New("look for the application's sessions on the target: " + sideError(found.Value.Target))
		}
		if slices.ContainsFunc(found.Value.Target.Database.Sessions, func(c SessionCount) bool {
			return c.Role == r.external().Username && c.Count > 0
		}) {
			// What drift will be asked about next: the target, and no source.
			return replaceRecord(ctx, r.p.Records, RecordInspection, found.Value)
		}
		if r.p.Now().After(until) {
			return fmt.Errorf("the application is up, but has no session as %s on %s after %s", r.external().Username, r.move.Target, sessionsTime)
		}
		r.ev.StepProgress(st, MoverEvent{Phase: "starting", Message: "waiting for sessions on the target"})
		if err := r.p.Wait(ctx, time.Second); err != nil {
			return err
		}
	}
}

func sideError(side *InspectedSide) string {
	if side == nil {
		return "it was not inspected"
	}
	return side.Error
}

func lookSettle(ctx context.Context, r *run, _ Step) (Look, error) {
	rel, err := r.release(ctx)
	if err != nil {
		return Look{}, err
	}
	if held(rel) {
		return Look{Why: fmt.Sprintf("revision %d holds the application at zero", rel.Revision)}, nil
	}
	ws, err := r.workloads(ctx)
	if err != nil {
		return Look{}, err
	}
	if why := notUp(ws, r.move.Replicas); why != "" {
		return Look{Why: why}, nil // a run that was cut off between the upgrade and the counts
	}
	return Look{true, fmt.Sprintf("revision %d has the application up", rel.Revision)}, nil
}

// held tells whether the newest revision is the one that switched, with the
// application at zero, or one that never came to its end.
func held(rel Release) bool {
	return strings.HasPrefix(rel.Description, "circleci-dr switch") || rel.Status != "deployed"
}

func applySettle(ctx context.Context, r *run, st Step) error {
	rel, err := r.release(ctx)
	if err == nil && held(rel) {
		change := switchChange(r.s, r.rel, r.move.ID)
		change.HoldAtZero = false
		change.Description = "circleci-dr settled " + r.move.ID
		err = r.p.Switcher.Upgrade(ctx, change)
	}
	if errors.Is(context.Cause(ctx), ErrLeaseLost) {
		return errors.Join(err, context.Cause(ctx))
	}
	// Counts that no values file knows come back whatever became of the
	// upgrade, and of the person who watched it.
	up, cancel := uninterrupted(ctx, resumeTime)
	defer cancel()
	return errors.Join(err, r.bringUp(up, st))
}

func lookRemove(ctx context.Context, r *run, _ Step) (Look, error) {
	in := r.p.Stores.Internal(ctx, PostgreSQL, r.store())
	switch {
	case in.Unread() || in.Is() && in.Value.StatefulSet.Unread():
		return Look{}, fmt.Errorf("read the objects of %s: %s%s", r.store(), in.Why, in.Value.StatefulSet.Why)
	case in.IsNot() || in.Value.StatefulSet.IsNot():
		return Look{true, "StatefulSet " + r.store() + " is gone"}, nil
	}
	return Look{Why: "StatefulSet " + r.store() + " still runs"}, nil
}

func applyRemove(ctx context.Context, r *run, _ Step) error {
	if r.move.Phase != MoveCommitted && r.move.Phase != MoveFinished {
		return errors.New("remove the internal database: the move is not committed")
	}
	return r.p.Stores.Remove(ctx, PostgreSQL, r.store(), r.p.Now())
}
