package mongo

import (
	"fmt"
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

func TestMoveAwkward(t *testing.T) {
	t.Parallel()
	for _, to := range []string{"4.4", "5.0", "6.0"} {
		t.Run("to "+to, func(t *testing.T) {
			p := newPair(t, "4.4", to)
			awkward(t, p.source)
			insert(t, p.source, "admin", "stray", bson.D{{Key: "_id", Value: 1}})
			insert(t, p.source, "local", "stray", bson.D{{Key: "_id", Value: 1}})
			inspected := do[mover.InspectResult](t, p, mover.OpInspect)
			if len(inspected.Blocked) > 0 || inspected.Source.Error+inspected.Target.Error != "" {
				t.Fatalf("blocked %+v, source %+v, target %+v", inspected.Blocked, inspected.Source, inspected.Target)
			}
			do[mover.FenceResult](t, p, mover.OpFence)
			copied := do[mover.CopyResult](t, p, mover.OpCopy)
			want := []string{"admin.stray is not carried: it is in a database of the server's own", "local.stray is not carried: it is in a database of the server's own",
				"user app of database main is not carried: users are the target's own"}
			if !slices.Equal(copied.Adapted, want) || !slices.Equal(inspected.Adapted, want) {
				t.Errorf("adapted %q, announced %q, want %q", copied.Adapted, inspected.Adapted, want)
			}
			proof := equal(t, p)
			compared := fmt.Sprint(proof.Compared)
			if compared != "map[collections:14 databases:3 documents:542 indexes:15 options:22 views:4]" {
				t.Errorf("compared %s", compared)
			}
		})
	}
}

// TestMoveToAManagedAdmin: the role that a managed service gives is enough for
// everything that an application leaves in a database.
func TestMoveToAManagedAdmin(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	awkward(t, p.source)
	p.target.User(t, "admin", "admin", `["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"]`)
	request := func(op mover.Operation) mover.Request {
		req := p.request(op)
		req.Target.Username = "admin"
		return req
	}
	run[mover.FenceResult](t, request(mover.OpFence))
	run[mover.CopyResult](t, request(mover.OpCopy))
	if proof := run[mover.Proof](t, request(mover.OpProve)); !proof.Equal() {
		t.Errorf("not equal: %q", differences(proof))
	}
}

// TestMoveNewKinds moves what 5.0 and 6.0 brought.
func TestMoveNewKinds(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"5.0", "6.0"} {
		t.Run("from "+release, func(t *testing.T) {
			p := newPair(t, release, "6.0")
			p.source.Command(t, "main", `{"create": "series", "timeseries": {"timeField": "at", "metaField": "host", "granularity": "minutes"}, "expireAfterSeconds": 3600}`)
			p.source.Command(t, "main", `{"createIndexes": "series", "indexes": [{"key": {"host": 1, "at": -1}, "name": "by host"}]}`)
			p.source.Command(t, "main", `{"create": "on the series", "viewOn": "series", "pipeline": [{"$match": {"host": "a"}}]}`)
			for i := range 300 {
				insert(t, p.source, "main", "series", bson.D{{Key: "at", Value: farAhead + primitive.DateTime(i*1000)}, {Key: "host", Value: string(rune('a' + i%3))}, {Key: "n", Value: i}, {Key: fmt.Sprintf("field %d", i%7), Value: nil}})
			}
			p.source.Command(t, "main", `{"insert": "dollars", "documents": [{"_id": {"b": 2}, "$top": {"$b.c": 1}}]}`)
			views := 1
			if release == "6.0" {
				p.source.Command(t, "main", `{"create": "clustered", "clusteredIndex": {"key": {"_id": 1}, "unique": true, "name": "by itself"}, "expireAfterSeconds": 100}`)
				p.source.Command(t, "main", `{"insert": "clustered", "documents": [{"_id": 1}, {"_id": "x"}]}`)
				p.source.Command(t, "main", `{"create": "images", "changeStreamPreAndPostImages": {"enabled": true}}`)
			}
			do[mover.FenceResult](t, p, mover.OpFence)
			do[mover.CopyResult](t, p, mover.OpCopy)
			proof := equal(t, p)
			if proof.Compared["timeseriess"] != 0 || proof.Compared["time series"] != 1 || proof.Compared["views"] != views {
				t.Errorf("compared %v", proof.Compared)
			}
			n, err := p.target.Client(t).Database("main").Collection("series").CountDocuments(t.Context(), bson.D{})
			if err != nil || n != 300 {
				t.Errorf("the series has %d measurements, %v", n, err)
			}
			p.target.Command(t, "main", `{"insert": "series", "documents": [{"at": {"$date": "2998-01-01T00:00:00Z"}, "host": "z"}]}`)
			if got := differences(do[mover.Proof](t, p, mover.OpProve)); !slices.Equal(got, []string{"main: timeseries series: document count differs"}) {
				t.Errorf("an extra measurement gives %q", got)
			}
		})
	}
	old := newPair(t, "6.0", "4.4")
	old.source.Command(t, "main", `{"create": "series", "timeseries": {"timeField": "at"}}`)
	do[mover.FenceResult](t, old, mover.OpFence)
	want := []mover.UnsupportedObject{{Database: "main", Object: "series", Reason: "a time series needs MongoDB 5.0 or newer on the target"}}
	if got := do[mover.InspectResult](t, old, mover.OpInspect).Blocked; !slices.Equal(got, want) {
		t.Errorf("blocked %+v", got)
	}
	codeIs(t, old.request(mover.OpCopy), mover.CodeUnsupported, targetSide)
}
