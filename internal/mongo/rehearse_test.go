package mongo

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/internal/movertest"
	"github.com/circleci-dr/circleci-dr/reconcile"
	"go.mongodb.org/mongo-driver/bson"
)

// onServer lists the databases of a server, ours apart.
func onServer(t *testing.T, s *mongotest.Server) []string {
	t.Helper()
	names, err := s.Client(t).ListDatabaseNames(context.Background(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(n string) bool { return n == ownDatabase })
}

// TestRehearsal rehearses the awkward fixture, whose copy is proven equal, and
// finds nothing; it names what a target refuses; killed anywhere it leaves
// nothing after the next one or a copy, and nobody sees what it left.
func TestRehearsal(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	awkward(t, p.source)
	was := onServer(t, p.target)
	got := do[reconcile.Rehearsal](t, p, reconcile.OpRehearse)
	for _, d := range got.Differences {
		t.Errorf("%+v", d)
	}
	t.Logf("%v, took %s, left %q", got.Compared, got.Duration, got.Left)
	if got.Compared["collections"] == 0 || got.Compared["indexes"] == 0 || got.Compared["views"] == 0 {
		t.Errorf("compared %v", got.Compared)
	}
	if is := onServer(t, p.target); !slices.Equal(is, was) {
		t.Errorf("the target had %q and has %q", was, is)
	}
	if seen := do[reconcile.InspectResult](t, p, reconcile.OpInspect).Source.Database.Schema; seen != got.Schema || seen == "" {
		t.Errorf("the inspection gives schema %q, the rehearsal %q", seen, got.Schema)
	}
	for range 3 {
		movertest.KillAt(t, p.request(reconcile.OpRehearse), "rehearse "+lastOf(t, p))
		seen := do[reconcile.InspectResult](t, p, reconcile.OpInspect).Target.Database
		if len(seen.Databases) != 0 {
			t.Errorf("an inspection sees %+v", seen.Databases)
		}
	}
	do[reconcile.Rehearsal](t, p, reconcile.OpRehearse)
	if is := onServer(t, p.target); !slices.Equal(is, was) {
		t.Errorf("after kills the target had %q and has %q", was, is)
	}
	movertest.KillAt(t, p.request(reconcile.OpRehearse), "rehearse "+lastOf(t, p))
	do[reconcile.FenceResult](t, p, reconcile.OpFence)
	do[reconcile.CopyResult](t, p, reconcile.OpCopy)
	if is := onServer(t, p.target); slices.ContainsFunc(is, func(n string) bool { return strings.HasPrefix(n, rehearsalPrefix) }) {
		t.Errorf("after a copy the target has %q", is)
	}
}

// lastOf is the source's last database by name, which is rehearsed last.
func lastOf(t *testing.T, p pair) string {
	t.Helper()
	all := do[reconcile.InspectResult](t, p, reconcile.OpInspect).Source.Database.Databases
	return all[len(all)-1].Name
}

// TestRehearsalNamesWhatIsRefused: index options that 4.4 let in and 5.0 refuses.
func TestRehearsalNamesWhatIsRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "5.0")
	db := p.source.Client(t).Database("main")
	run := func(command bson.D) {
		t.Helper()
		if err := db.RunCommand(context.Background(), command).Err(); err != nil {
			t.Fatal(err)
		}
	}
	run(bson.D{{Key: "create", Value: "jobs"}})
	run(bson.D{{Key: "createIndexes", Value: "jobs"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "id", Value: 1}}}, {Key: "name", Value: "weighty"}, {Key: "weights", Value: bson.D{{Key: "id", Value: 10}}}}}}})
	run(bson.D{{Key: "createIndexes", Value: "jobs"}, {Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "b", Value: 1}}}, {Key: "name", Value: "fine"}}}}})
	got := do[reconcile.Rehearsal](t, p, reconcile.OpRehearse)
	if len(got.Differences) != 1 || got.Differences[0].Object != "weighty on jobs" || !strings.Contains(got.Differences[0].What, "cannot be made on the target: ") {
		t.Errorf("got %+v", got.Differences)
	}
}
