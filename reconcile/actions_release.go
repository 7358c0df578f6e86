package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"encoding/json"
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
		if !ok || w.Replicas == n || w.Autoscaler != "" && w.Replicas > 0 && n > 0 {
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
			return nil
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
	if strings.HasPrefix(rel.Description, "circleci-dr switch") || rel.Status != "deployed" {
		return Look{Why: fmt.Sprintf("revision %d holds the application at zero", rel.Revision)}, nil
	}
	return Look{true, fmt.Sprintf("revision %d has the application up", rel.Revision)}, nil
}

func applySettle(ctx context.Context, r *run, st Step) error {
	change := switchChange(r.s, r.rel, r.move.ID)
	change.HoldAtZero = false
	change.Description = "circleci-dr settled " + r.move.ID
	err := r.p.Switcher.Upgrade(ctx, change)
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

func lookGoBack(_ context.Context, r *run, _ Step) (Look, error) {
	return Look{!r.move.Open(), "the application is back on the internal database"}, nil
}

func applyGoBack(ctx context.Context, r *run, _ Step) error {
	return r.goBack(ctx, errors.New("the spec no longer asks for the move"))
}

// goBack brings the application back on the source: movers stopped, commit
// withdrawn if the target took no write, fence lifted, release rolled back,
// workloads at their recorded counts. It may be cut off and run again.
func (r *run) goBack(ctx context.Context, cause error) error {
	if r.move.Quiesced.IsZero() && r.move.Phase == MoveOpen {
		return r.closeMove(ctx, cause) // nothing was stopped or fenced yet
	}
	st := newStep(ActGoBack, string(PostgreSQL), "Bring the application back on the internal database")
	// One that still runs would undo what is done below.
	for _, op := range []Operation{OpFence, OpCopy, OpProve, OpCommit} {
		if err := r.p.Movers.Stop(ctx, JobName(op, r.move)); err != nil {
			return err
		}
	}
	if r.move.Phase == MoveCommitted || r.move.Deciding {
		if err := r.withdraw(ctx, st); err != nil {
			return err
		}
	} else if err := r.saveMove(ctx, func(m *Move) { m.Phase = MoveReturning }); err != nil {
		return err
	}
	if err := r.restoreSource(ctx, st); err != nil {
		return err
	}
	if err := r.bringUp(ctx, st); err != nil {
		return err
	}
	return r.closeMove(ctx, cause)
}

// closeMove ends a move that leaves the application on its source.
func (r *run) closeMove(ctx context.Context, cause error) error {
	if err := r.p.Workloads.Forget(ctx); err != nil {
		return err
	}
	return r.saveMove(ctx, func(m *Move) {
		m.Phase, m.LastError = MoveReverted, cause.Error()
		if !m.Quiesced.IsZero() {
			m.Resumed = r.p.Now()
		}
		m.Fence, m.Proof = nil, nil
	})
}

// restoreSource lifts the fence and gives the release its old revision. The
// fence goes first, so that no pod starts on a read-only database; a server
// that was deleted has to come back with the release before.
func (r *run) restoreSource(ctx context.Context, st Step) error {
	unfence := func() error {
		if _, err := runMover[json.RawMessage](ctx, r, st, r.mover(OpUnfence)); err != nil {
			return fmt.Errorf("let the internal database take writes again: %w", err)
		}
		return nil
	}
	back := func() error {
		rel, err := r.release(ctx)
		if err != nil || rel.Postgres.Internal && rel.Status == "deployed" && !r.noSource {
			return err
		}
		return r.p.Switcher.Rollback(ctx, r.move.Revision, false)
	}
	order := []func() error{unfence, back}
	if r.noSource {
		order = []func() error{back, unfence}
	}
	for _, do := range order {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// forwardError means that the way back is closed.
type forwardError struct {
	err error
	up  bool
}

// Error says why, where the application is, and what to do.
func (e *forwardError) Error() string {
	if e.up {
		return fmt.Sprintf("there is only forward: %v; the application runs on the target now, apply again to finish", e.err)
	}
	return fmt.Sprintf("there is only forward: %v; apply again to finish", e.err)
}

// Unwrap gives the cause to errors.Is and errors.As.
func (e *forwardError) Unwrap() error { return e.err }

// withdraw takes a commit back as long as the application wrote nothing. No
// pod may be left when the mover looks for writes. Where the answer is lost,
// the commit is made again: both sides know then whose turn it is.
func (r *run) withdraw(ctx context.Context, st Step) error {
	if err := r.stop(ctx, st); err != nil {
		return err
	}
	if err := r.saveMove(ctx, func(m *Move) { m.Deciding = true }); err != nil {
		return err
	}
	if _, err := runMover[json.RawMessage](ctx, r, st, r.mover(OpWithdraw)); err != nil {
		return r.forward(ctx, st, err)
	}
	l := Lineage{Epoch: r.move.Epoch, Authoritative: r.move.From, Move: r.move.ID, At: r.p.Now()}
	if err := replaceRecord(ctx, r.p.Records, RecordLineage, l); err != nil {
		return err
	}
	return r.saveMove(ctx, func(m *Move) { m.Phase, m.Deciding = MoveReturning, false })
}

// forward brings the application up on the target again after its commit
// could not be withdrawn.
func (r *run) forward(ctx context.Context, st Step, cause error) error {
	var refused *MoverError
	written := errors.As(cause, &refused) && refused.Code == CodeMoved
	if written {
		cause = fmt.Errorf("the target holds writes of the application: %w", cause)
	} else {
		cause = fmt.Errorf("whether the target holds writes of the application could not be found out: %w", cause)
	}
	if err := r.p.Movers.Stop(ctx, JobName(OpWithdraw, r.move)); err != nil {
		return errors.Join(cause, err)
	}
	if err := applyCommit(ctx, r, st); err != nil {
		return errors.Join(cause, fmt.Errorf("commit again: %w", err))
	}
	if err := r.bringUp(ctx, st); err != nil {
		return &forwardError{err: errors.Join(cause, err)}
	}
	if !written {
		return &forwardError{err: cause, up: true}
	}
	err := r.p.Workloads.Forget(ctx)
	if err == nil { // its writes are the proof of its sessions
		err = r.saveMove(ctx, func(m *Move) { m.Resumed = r.p.Now() })
	}
	return &forwardError{err: errors.Join(cause, err), up: true}
}
