package mongo

import (
	"fmt"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

func TestMoveAwkward(t *testing.T) {
	for _, to := range []string{"4.4", "5.0", "6.0"} {
		t.Run("to "+to, func(t *testing.T) {
			p := newPair(t, "4.4", to)
			awkward(t, p.source)
			inspected := do[reconcile.InspectResult](t, p, reconcile.OpInspect)
			if len(inspected.Blocked) > 0 || inspected.Source.Error+inspected.Target.Error != "" {
				t.Fatalf("blocked %+v, source %+v, target %+v", inspected.Blocked, inspected.Source, inspected.Target)
			}
			do[reconcile.FenceResult](t, p, reconcile.OpFence)
			copied := do[reconcile.CopyResult](t, p, reconcile.OpCopy)
			want := []string{"user app of database main is not carried: users are the target's own"}
			if !slices.Equal(copied.Adapted, want) || !slices.Equal(inspected.Adapted, want) {
				t.Errorf("adapted %q, announced %q, want %q", copied.Adapted, inspected.Adapted, want)
			}
			proof := equal(t, p)
			compared := fmt.Sprint(proof.Compared)
			if compared != "map[collections:13 databases:3 documents:542 indexes:15 options:21 views:4]" {
				t.Errorf("compared %s", compared)
			}
		})
	}
}
