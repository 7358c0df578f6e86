package mongo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// named are the objects that an inspection says cannot be carried.
func named(result mover.InspectResult) []string {
	var lines []string
	for _, u := range result.Blocked {
		lines = append(lines, u.Database+": "+u.Object+": "+u.Reason)
	}
	slices.Sort(lines)
	return lines
}

// TestTrialNamesWhatTheTargetRefuses: index options, field names and values of
// _id that older servers took, named while the application is up.
func TestTrialNamesWhatTheTargetRefuses(t *testing.T) {
	t.Parallel()
	source := mongotest.New(t, mongotest.Options{Release: "4.4"})
	for _, command := range []string{
		// What has a valid equal.
		`{"createIndexes": "jobs", "indexes": [{"key": {"id": 1}, "name": "id", "weights": {"id": 10}}]}`,
		`{"createIndexes": "jobs", "indexes": [{"key": {"a": 1}, "name": "a", "default_language": "english", "textIndexVersion": 3}]}`,
		`{"createIndexes": "jobs", "indexes": [{"key": {"b": 1}, "name": "b", "bits": 20, "min": -180, "max": 180}]}`,
		`{"createIndexes": "jobs", "indexes": [{"key": {"c": 1}, "name": "c", "2dsphereIndexVersion": 3}]}`,
		// What has none.
		`{"createIndexes": "jobs", "indexes": [{"key": {"t": 1}, "name": "never", "expireAfterSeconds": {"$numberDouble": "NaN"}}]}`,
		`{"createIndexes": "jobs", "indexes": [{"key": {"loc": "geoHaystack", "d": 1}, "name": "hay", "bucketSize": 1}]}`,
		`{"createIndexes": "fine", "indexes": [{"key": {"x": "text"}, "name": "x", "textIndexVersion": 2}, {"key": {"y": "2dsphere"}, "name": "y", "2dsphereIndexVersion": 2}, {"key": {"z": "2d"}, "name": "z", "bits": 20, "min": -180, "max": 180}]}`,
		`{"insert": "jobs", "documents": [{"_id": 1, "id": 1, "a": 2, "b": 3, "c": 4, "deep": {"$x": 1, "a.b": 2}}, {"_id": {"$ref": "jobs", "$id": 1}}, {"_id": {"$ref": "jobs", "$id": {"$oid": "5f5f5f5f5f5f5f5f5f5f5f5f"}, "$db": "main", "z": 1}}]}`,
	} {
		source.Command(t, "main", command)
	}
	applyOps(t, source, "testdata/documents-no-insert-takes.json")
	for _, row := range []struct {
		release string
		want    []string
	}{
		{"4.4", []string{
			"refused: a document of collection c: it has a field whose name begins with $, which the target refuses: Document can't have $ prefixed field names: $a",
			"refused: a document of collection c: it has a regular expression as its _id, which the target refuses: can't use a regex for _id",
			"refused: a document of collection c: it has an _id with a field whose name begins with $, which the target refuses: $a is not valid for storage.",
			"refused: a document of collection c: it has an array as its _id, which the target refuses: can't use an array for _id"}},
		{"5.0", []string{
			"main: index never on jobs: the target makes something else of it: expireAfterSeconds differs (NaN, 0 there)",
			"main: jobs: index hay is a geoHaystack index, which MongoDB 5.0 and newer no longer have",
			"refused: a document of collection c: it has a regular expression as its _id, which the target refuses: The '_id' value cannot be of type regex",
			"refused: a document of collection c: it has an _id with a field whose name begins with $, which the target refuses: _id fields may not contain '$'-prefixed fields: $a is not valid for storage.",
			"refused: a document of collection c: it has an array as its _id, which the target refuses: The '_id' value cannot be of type array"}},
		{"6.0", []string{
			"main: index never on jobs: the target makes something else of it: expireAfterSeconds differs (NaN, 2.147483647e+09 there)",
			"main: jobs: index hay is a geoHaystack index, which MongoDB 5.0 and newer no longer have",
			"refused: a document of collection c: it has a regular expression as its _id, which the target refuses: The '_id' value cannot be of type regex",
			"refused: a document of collection c: it has an _id with a field whose name begins with $, which the target refuses: _id fields may not contain '$'-prefixed fields: $a is not valid for storage.",
			"refused: a document of collection c: it has an array as its _id, which the target refuses: The '_id' value cannot be of type array"}},
	} {
		p := pair{source: source, target: mongotest.New(t, mongotest.Options{Release: row.release, ReplicaSet: "rs0"})}
		inspected := do[mover.InspectResult](t, p, mover.OpInspect)
		if got := named(inspected); !slices.Equal(got, row.want) {
			t.Errorf("%s: named\n%s\nwant\n%s", row.release, strings.Join(got, "\n"), strings.Join(row.want, "\n"))
		}
		if why := inspected.Target.Database.Settings["trial"] + inspected.Target.Database.Settings["majority"]; why != "" {
			t.Errorf("%s: not tried: %s", row.release, why)
		}
		if left, err := p.target.Client(t).ListDatabaseNames(t.Context(), bson.D{}); err != nil || slices.ContainsFunc(left, scratchName) {
			t.Errorf("%s: left %q, %v", row.release, left, err)
		}
		want := []string{
			"index a of main.jobs loses default_language, textIndexVersion, which mean nothing to an index of its kind",
			"index b of main.jobs loses bits, min, max, which mean nothing to an index of its kind",
			"index c of main.jobs loses 2dsphereIndexVersion, which mean nothing to an index of its kind",
			"index id of main.jobs loses weights, which mean nothing to an index of its kind"}
		if !slices.Equal(inspected.Adapted, want) {
			t.Errorf("%s: adapted %q", row.release, inspected.Adapted)
		}
	}
}

func document(t *testing.T, text string) bson.D {
	t.Helper()
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(text), false, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestIdleIndexOptionsAreLeftOut: what 5.0 refuses and 4.4 took no notice of is
// no reason not to move, and is equal afterwards.
func TestIdleIndexOptionsAreLeftOut(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "5.0")
	p.source.Command(t, "main", `{"createIndexes": "jobs", "indexes": [{"key": {"id": 1}, "name": "id", "weights": {"id": 10}}, {"key": {"b": 1}, "name": "b", "bits": 20, "min": -180, "max": 180},
		{"key": {"c": 1}, "name": "c", "2dsphereIndexVersion": 3}, {"key": {"a": 1}, "name": "a", "default_language": "english", "textIndexVersion": 3, "unique": true}]}`)
	insert(t, p.source, "main", "jobs", bson.D{{Key: "_id", Value: 1}, {Key: "id", Value: 1}, {Key: "b", Value: primitive.NewObjectID()}})
	if got := named(do[mover.InspectResult](t, p, mover.OpInspect)); len(got) > 0 {
		t.Errorf("named %q", got)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	equal(t, p)
	p.target.Command(t, "main", `{"dropIndexes": "jobs", "index": "a"}`)
	p.target.Command(t, "main", `{"createIndexes": "jobs", "indexes": [{"key": {"a": 1}, "name": "a"}]}`)
	if got := differences(do[mover.Proof](t, p, mover.OpProve)); !slices.Equal(got, []string{"main: index a on jobs: unique differs"}) {
		t.Errorf("differences %q", got)
	}
}

// TestTrialsLeavingsAreDropped: a trial that was killed is cleared away by a later one,
// and one that may still run is left alone.
func TestTrialsLeavingsAreDropped(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	simple(t, p.source)
	old := fmt.Sprintf("%s%x_0", trialPrefix, time.Now().Add(-time.Hour).Unix())
	young := fmt.Sprintf("%s%x_0", trialPrefix, time.Now().Unix())
	for _, name := range []string{old, young, trialPrefix + "somebody"} {
		insert(t, p.target, name, "c", bson.D{{Key: "_id", Value: 1}})
	}
	inspected := do[mover.InspectResult](t, p, mover.OpInspect)
	if n := len(inspected.Target.Database.Databases); n != 0 {
		t.Errorf("the target has %d databases: %+v", n, inspected.Target.Database.Databases)
	}
	left, err := p.target.Client(t).ListDatabaseNames(t.Context(), bson.D{})
	if err != nil || slices.Contains(left, old) || !slices.Contains(left, young) {
		t.Errorf("left %q, %v", left, err)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	equal(t, p)
}

// TestMajorityThatNeverComes: the target takes writes, and none that waits for
// a majority ever ends.
func TestMajorityThatNeverComes(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	simple(t, p.source)
	down := p.target.LoseMajority(t)
	limits := outageLimits
	limits.majority, limits.answer = 2*time.Second, 3*time.Second
	result, err := runWithin(t.Context(), p.request(mover.OpInspect), limits)
	if err != nil {
		t.Fatal(err)
	}
	target := result.(mover.InspectResult).Target
	if target.Database == nil {
		t.Fatalf("inspected %+v", target)
	}
	why := target.Database.Settings["majority"]
	if !strings.HasPrefix(why, "a write did not reach a majority of replica set rs0 within 2s") || !strings.Contains(why, down) {
		t.Errorf("majority: %q, trial: %q", why, target.Database.Settings["trial"])
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err = runWithin(ctx, p.request(mover.OpCopy), limits)
	if errorCode(err) != mover.CodeUnreachable || ctx.Err() != nil {
		t.Errorf("the copy ended with %v", err)
	}
}
