package main

import (
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
)

func TestATestbedBelongsToTheCheckoutThatBootedIt(t *testing.T) {
	cases := map[string]struct {
		owner string
		found cluster.Condition
		keep  bool
		say   string
	}{
		"none":               {"", cluster.None, false, ""},
		"a live one of ours": {"/work", cluster.Live, true, "a testbed is running; starting what it lacks"},
		"a live one of another checkout": {"/other", cluster.Live, false,
			"the running testbed belongs to /other, and a machine has room for one: taking it down to boot that of /work"},
		"a live one of nobody": {"", cluster.Live, false,
			"the running testbed belongs to an unknown checkout, and a machine has room for one: taking it down to boot that of /work"},
		"a dead one of ours":             {"/work", cluster.Stale, false, "found a dead testbed of /work, removing it"},
		"a dead one of another checkout": {"/other", cluster.Stale, false, "found a dead testbed of /other, removing it"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			keep, say := judge(cluster.State{Checkout: c.owner}, c.found, "/work")
			if keep != c.keep || say != c.say {
				t.Errorf("got %v, %q; want %v, %q", keep, say, c.keep, c.say)
			}
		})
	}
}
