package reconcile

import (
	"context"
	"encoding/json"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// tool reconciles the release in place of Helm, together with the person who
// commits what it applies. The two are as awkward as they get: told what to
// commit, the person resumes the reconciliation first, so that the tool starts
// the application on the old values again and again, and commits late.
type tool struct {
	by    spec.ManagedBy
	since int // ticks since the values were announced
	// away is a person who commits nothing, careless one who does after the
	// move has gone back.
	away, careless bool
	// state is what the tool's own object says; nil for suspended.
	state func() engine.Observed[server.Reconciliation]
}

// The ticks between two syncs, and until the values are committed.
const (
	syncEvery   = 4
	committedAt = 13
)

func (w *world) Reconciliation(ctx context.Context, _ server.Release) engine.Observed[server.Reconciliation] {
	return look(ctx, w, "Reconciliation", func() engine.Observed[server.Reconciliation] {
		if w.tool.state != nil {
			return w.tool.state()
		}
		return engine.Found(server.Reconciliation{Object: "HelmRelease flux-system/server", Suspended: true, How: "spec.suspend is true"})
	})
}

// decodeMove reads the move's record without a call.
func decodeMove(w *world) (m Move) {
	if rec, ok := w.records[RecordMove]; ok {
		if err := json.Unmarshal(rec.Data, &m); err != nil {
			panic(err)
		}
	}
	return m
}

// toolTick is the tool's and the person's half second.
func (w *world) toolTick() {
	if w.tool.by == "" || w.tool.by == spec.ManagedByHelm {
		return
	}
	m := decodeMove(w)
	told := m.HandOff != nil && !m.HandOff.Announced.IsZero() && (m.Phase == MoveOpen || w.tool.careless && m.Phase == MoveReverted)
	if !told || !w.newest().internal || w.tool.away || w.apps["Deployment/frontend"].hosts[mover.PostgreSQL] == externalHost {
		w.tool.since = 0
		return
	}
	w.tool.since++
	switch {
	case w.tool.since == committedAt:
		if w.tool.by == spec.ManagedByArgoCD { // it keeps no Helm record
			for _, a := range w.apps {
				for _, p := range m.Parts {
					a.hosts[p.Engine] = w.of(p.Engine).out
				}
			}
			break
		}
		next := *w.newest()
		for _, p := range m.Parts {
			if p.Engine == mover.MongoDB {
				next.mongoInside, next.mongoSecret = false, server.CredentialsName(mover.MongoDB)
			} else {
				next.internal, next.secret = false, server.CredentialsName(mover.PostgreSQL)
			}
		}
		w.revise("pending-upgrade", "Upgrade complete", next)
		for _, db := range w.databases() {
			db.store = db.store && (next.inside(db.engine) || db.safe)
		}
		w.render()
		fallthrough
	case w.tool.since%syncEvery == 0:
		for key, n := range m.Replicas {
			w.apps[key].replicas = n
		}
	}
}
