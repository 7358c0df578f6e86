package reconcile

import (
	"errors"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// A read that is refused for want of a right names every right that is
// missing, and where rights are complete nothing is said of them.
func TestAnUnreadableStateNamesTheMissingRights(t *testing.T) {
	for _, c := range []struct {
		denied []server.Permission
		want   []string
	}{
		{nil, []string{"application workloads: forbidden"}},
		{
			[]server.Permission{{Verb: "list", Resource: "pods"}, {Verb: "get", Group: "batch", Resource: "jobs"}},
			[]string{"application workloads: forbidden", "this user lacks 2 rights the plan uses: get jobs.batch, list pods"},
		},
	} {
		o, _, err := newWorld().plan(externalSpec())
		if err != nil {
			t.Fatal(err)
		}
		o.Workloads, o.Denied = engine.CouldNot[[]server.Workload](errors.New("forbidden")), engine.Found(c.denied)
		_, err = MakePlan(externalSpec(), o)
		var unread *UnreadableError
		if !errors.As(err, &unread) || !slices.Equal(unread.What, c.want) {
			t.Errorf("with %v denied: %v", c.denied, err)
		}
	}
}
