package mongo

import (
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestWrittenSince goes through what happens to an internal server that was
// superseded and comes back: with an oplog all of it is known, without one a
// restart hides what was before it.
func TestWrittenSince(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"", "rs0"} {
		t.Run("set "+set, func(t *testing.T) {
			p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4", ReplicaSet: set}), target: mongotest.New(t, mongotest.Options{Release: "5.0", ReplicaSet: "rs0"})}
			sides := func() (source, target *mover.SideWrites) {
				t.Helper()
				in := do[mover.InspectResult](t, p, mover.OpInspect)
				if in.Source.Database == nil || in.Target.Database == nil {
					t.Fatalf("inspect: %s %s", in.Source.Error, in.Target.Error)
				}
				return in.Source.Database.Writes, in.Target.Database.Writes
			}
			if source, target := sides(); source != nil || target != nil {
				t.Errorf("sides that never had a turn say %+v and %+v", source, target)
			}
			committed(t, p)
			none := mover.SideWrites{Any: mover.WrittenNone, Why: "its write counters have not moved"}
			if source, target := sides(); *source != none || *target != none {
				t.Errorf("after the commit %+v and %+v", source, target)
			}
			do[struct{}](t, p, mover.OpCommit) // it records nothing anew
			do[mover.UnfenceResult](t, p, mover.OpUnfence)
			p.source.Restart(t)
			source, _ := sides()
			if set == "" && (source.Any != mover.WrittenUnknown || !strings.Contains(source.Why, "restarted")) || set != "" && *source != none {
				t.Errorf("after a restart %+v", source)
			}
			before := time.Now().Add(-2 * time.Second)
			p.source.Command(t, "circle_ghe", `{"findAndModify": "jobs", "query": {"_id": 1}, "update": {"$set": {"late": 1}}}`)
			p.target.Command(t, "circle_ghe", `{"findAndModify": "jobs", "query": {"_id": 2}, "update": {"$set": {"late": 1}}}`)
			source, target := sides()
			if source.Any != mover.WrittenSome || source.Exact != (set != "") || source.Exact && source.Last.Before(before) || !source.Exact && !source.Last.IsZero() {
				t.Errorf("after a write %+v", source)
			}
			if target.Any != mover.WrittenSome || !target.Exact || target.Last.Before(before) || target.From != "oplog" {
				t.Errorf("the target after a write %+v", target)
			}
		})
	}
}
