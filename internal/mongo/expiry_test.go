package mongo

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// TestOddExpiryHidesNoDocument: whatever an old server let somebody write down
// as the seconds of a TTL index, every document is compared.
func TestOddExpiryHidesNoDocument(t *testing.T) {
	t.Parallel()
	still := []string{"--setParameter", "ttlMonitorEnabled=false"}
	p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4", Arguments: still}), target: mongotest.New(t, mongotest.Options{Release: "4.4", Arguments: still})}
	var made, want []string
	for i, seconds := range []any{math.NaN(), math.Inf(1), math.Inf(-1), "an hour", -5, 1e300, true, nil} {
		name := fmt.Sprintf("c%d", i)
		insert(t, p.source, "main", name, bson.D{{Key: "_id", Value: 1}, {Key: "at", Value: longAgo}}, bson.D{{Key: "_id", Value: 2}, {Key: "at", Value: farAhead}}, bson.D{{Key: "_id", Value: 3}})
		index := bson.D{{Key: "key", Value: bson.D{{Key: "at", Value: 1}}}, {Key: "name", Value: "ttl"}, {Key: "expireAfterSeconds", Value: seconds}}
		err := p.source.Client(t).Database("main").RunCommand(t.Context(), bson.D{{Key: "createIndexes", Value: name}, {Key: "indexes", Value: bson.A{index}}}).Err()
		t.Logf("%v: %v", seconds, err)
		if err == nil {
			made = append(made, name)
			want = append(want, "main: collection "+name+": document count differs")
		}
	}
	if !slices.Contains(made, "c0") {
		t.Fatal("the server took no NaN, so this proves nothing")
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	if n := equal(t, p).Compared["documents"]; n != 3*8 {
		t.Errorf("compared %d documents of %d", n, 3*8)
	}
	for _, name := range made {
		p.target.Command(t, "main", `{"delete": "`+name+`", "deletes": [{"q": {"_id": 1}, "limit": 1}]}`)
	}
	if got := differences(do[mover.Proof](t, p, mover.OpProve)); !slices.Equal(got, want) {
		t.Errorf("differences %q, want %q", got, want)
	}
}

func TestSecondsOfAnExpiry(t *testing.T) {
	for _, row := range []struct {
		value any
		want  int64
		ok    bool
	}{
		{int32(60), 60, true}, {int64(60), 60, true}, {60.9, 60, true}, {int32(0), 0, true}, {int64(math.MaxInt32), math.MaxInt32, true},
		{int64(math.MaxInt32) + 1, 0, false}, {int32(-1), 0, false}, {math.NaN(), 0, false}, {math.Inf(1), 0, false}, {"60", 0, false}, {nil, 0, false},
	} {
		raw, err := bson.Marshal(bson.D{{Key: "v", Value: row.value}})
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := expirySeconds(bson.Raw(raw).Lookup("v")); got != row.want || ok != row.ok {
			t.Errorf("%v: %d, %t, want %d, %t", row.value, got, ok, row.want, row.ok)
		}
	}
	if _, ok := expirySeconds(bson.RawValue{}); ok {
		t.Error("no value gave seconds")
	}
}

// TestWhatIsLeftInTheServersOwnPlacesIsNamed: what somebody keeps where a move
// takes nothing from is named before the outage, and nothing of the server's is.
func TestWhatIsLeftInTheServersOwnPlacesIsNamed(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"4.4", "6.0"} {
		p := pair{source: mongotest.New(t, mongotest.Options{Release: release, ReplicaSet: "rs1"}), target: mongotest.New(t, mongotest.Options{Release: release, ReplicaSet: "rs0"})}
		insert(t, p.source, "main", "jobs", bson.D{{Key: "_id", Value: 1}})
		p.source.Command(t, "main", `{"create": "seen", "viewOn": "jobs", "pipeline": []}`)
		if got := do[mover.InspectResult](t, p, mover.OpInspect).Adapted; len(got) > 0 {
			t.Errorf("%s: nobody has left anything, named %q", release, got)
		}
		var want []string
		for _, database := range []string{"admin", "config"} { // for local see TestMoveAwkward
			insert(t, p.source, database, "circle_settings", bson.D{{Key: "_id", Value: "retention"}, {Key: "days", Value: 660}})
			want = append(want, database+".circle_settings is not carried: it is in a database of the server's own")
		}
		if got := do[mover.InspectResult](t, p, mover.OpInspect).Adapted; !slices.Equal(got, want) {
			t.Errorf("%s: named %q, want %q", release, got, want)
		}
	}
}
