package reconcile

import (
	"context"
	"encoding/json"

	"github.com/circleci-dr/circleci-dr/spec"
)

// tool reconciles the release in place of Helm, together with the person who
// commits what it applies. The two are as awkward as they get: told what to
// commit, the person resumes the reconciliation first, so that the tool starts
// the application on the old values again and again, and commits late.
type tool struct {
	by    spec.ManagedBy
	since int // ticks since the values were announced
	away  bool
}

// The ticks between two syncs, and until the values are committed.
const (
	syncEvery   = 4
	committedAt = 13
)

func (w *world) Reconciliation(ctx context.Context, _ Release) Observed[Reconciliation] {
	return look(ctx, w, "Reconciliation", func() Observed[Reconciliation] {
		return Found(Reconciliation{Object: "HelmRelease flux-system/server", Suspended: true, How: "spec.suspend is true"})
	})
}

// toolTick is the tool's and the person's half second.
func (w *world) toolTick() {
	if w.tool.by == "" || w.tool.by == spec.ManagedByHelm {
		return
	}
	var m Move
	if rec, ok := w.records[RecordMove]; ok {
		if err := json.Unmarshal(rec.Data, &m); err != nil {
			panic(err)
		}
	}
	if m.Phase != MoveOpen || m.HandOff == nil || m.HandOff.Announced.IsZero() || !w.newest().internal || w.tool.away {
		w.tool.since = 0
		return
	}
	w.tool.since++
	switch {
	case w.tool.since == committedAt:
		next := *w.newest()
		next.internal, next.secret = false, CredentialsName(PostgreSQL)
		w.revise("pending-upgrade", "Upgrade complete", next)
		w.store = w.store && w.safe
		w.render()
		fallthrough
	case w.tool.since%syncEvery == 0:
		for key, n := range m.Replicas {
			w.apps[key].replicas = n
		}
	}
}
