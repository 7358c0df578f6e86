package mongo

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestFenceStopsWrites holds a write back until the fence is lifted, through
// repeated runs and a server that goes on to be read.
func TestFenceStopsWrites(t *testing.T) {
	t.Parallel()
	for _, release := range []string{"4.4", "5.0", "6.0"} {
		for _, set := range []string{"", "rs0"} {
			t.Run(release+set, func(t *testing.T) {
				s := mongotest.New(t, mongotest.Options{Release: release, ReplicaSet: set})
				p := pair{source: s, target: s}
				simple(t, s)
				first := do[mover.FenceResult](t, p, mover.OpFence)
				again := do[mover.FenceResult](t, p, mover.OpFence)
				if first.Fence != again.Fence || !maps.Equal(first.Counters, again.Counters) || first.Fence.How != howLock {
					t.Errorf("fenced twice: %+v and %+v", first, again)
				}
				other := p.request(mover.OpFence)
				other.Fence = "fence-2"
				codeIs(t, other, mover.CodeOtherHolder, sourceSide)
				other.Operation = mover.OpUnfence
				codeIs(t, other, mover.CodeOtherHolder, sourceSide)
				written := make(chan error, 1)
				go func() {
					_, err := s.Client(t).Database("circle_ghe").Collection("jobs").InsertOne(context.Background(), bson.D{{Key: "_id", Value: "late"}})
					written <- err
				}()
				late := bson.D{{Key: "find", Value: "jobs"}, {Key: "filter", Value: matter("late")}}
				waitForLock(t, s)
				var found struct {
					Cursor struct {
						Batch []bson.Raw `bson:"firstBatch"`
					} `bson:"cursor"`
				}
				if err := s.Client(t).Database("circle_ghe").RunCommand(context.Background(), late).Decode(&found); err != nil || len(found.Cursor.Batch) > 0 {
					t.Errorf("behind the fence: %v, %v", found.Cursor.Batch, err)
				}
				inspected := do[mover.InspectResult](t, p, mover.OpInspect)
				if f := inspected.Source.Database.Fence; f == nil || *f != first.Fence || !maps.Equal(inspected.Source.Database.Counters, first.Counters) {
					t.Errorf("inspected fence %+v, counters %v", f, inspected.Source.Database.Counters)
				}
				lifted := do[mover.UnfenceResult](t, p, mover.OpUnfence)
				if lifted.Lifted == nil || *lifted.Lifted != first.Fence {
					t.Errorf("lifted %+v, want %+v", lifted.Lifted, first.Fence)
				}
				if err := <-written; err != nil {
					t.Errorf("the write that waited: %v", err)
				}
				if twice := do[mover.UnfenceResult](t, p, mover.OpUnfence); twice.Lifted != nil {
					t.Errorf("lifted a second time: %+v", twice.Lifted)
				}
				if now := do[mover.InspectResult](t, p, mover.OpInspect).Source.Database; now.Fence != nil || maps.Equal(now.Counters, first.Counters) {
					t.Errorf("after the write: fence %+v, counters still %v", now.Fence, now.Counters)
				}
				liftedByThePage(t, s, p)
			})
		}
	}
}

// waitForLock waits until an insert hangs at the server's lock.
func waitForLock(t *testing.T, s *mongotest.Server) {
	t.Helper()
	for range 200 {
		var now struct {
			Operations []bson.Raw `bson:"inprog"`
		}
		if err := bson.Unmarshal(s.Command(t, "admin", `{"currentOp": 1, "waitingForLock": true, "op": "insert"}`), &now); err != nil {
			t.Fatal(err)
		}
		if len(now.Operations) > 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("no write waits for the lock")
}

// TestFenceIsLostWithTheProcess restarts a fenced server.
func TestFenceIsLostWithTheProcess(t *testing.T) {
	t.Parallel()
	s := mongotest.New(t, mongotest.Options{Release: "4.4"})
	p := pair{source: s, target: s}
	simple(t, s)
	do[mover.FenceResult](t, p, mover.OpFence)
	s.Restart(t)
	if f := do[mover.InspectResult](t, p, mover.OpInspect).Source.Database.Fence; f != nil {
		t.Errorf("after a restart %+v still stands", f)
	}
	other := p.request(mover.OpFence)
	other.Fence = "fence-2" // what is left of the first one does not matter
	if got := run[mover.FenceResult](t, other); got.Fence.ID != "fence-2" {
		t.Errorf("fenced %+v", got.Fence)
	}
	other.Operation = mover.OpUnfence
	run[mover.UnfenceResult](t, other)
	s.Command(t, "admin", `{"fsync": 1, "lock": true}`)
	err := codeIs(t, p.request(mover.OpFence), mover.CodeOtherHolder, sourceSide)
	if want := "fence: somebody else has locked the server against writes; run db.fsyncUnlock() on it first"; err.Error() != want {
		t.Errorf("got %q", err)
	}
	s.Command(t, "admin", `{"fsyncUnlock": 1}`)
}

// TestUnfenceWaitsForASourceThatRestarts: the way back begins while the source
// is away.
func TestUnfenceWaitsForASourceThatRestarts(t *testing.T) {
	t.Parallel()
	s := mongotest.New(t, mongotest.Options{Release: "4.4"})
	p := pair{source: s, target: s}
	simple(t, s)
	do[mover.FenceResult](t, p, mover.OpFence)
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	waited := 0
	_, err := Run(t.Context(), p.request(mover.OpUnfence), func(e mover.Event) {
		if strings.HasPrefix(e.Message, "waiting for the source to answer") {
			if waited++; waited == 1 {
				s.Restart(t)
			}
		}
	})
	if err != nil || waited != 1 { // its lock went with the process
		t.Errorf("unfence after %d waits: %v", waited, err)
	}
}

// watched is a source whose admin may do what a managed service's may: no
// lock, but reading the oplog or the counters.
func watched(t *testing.T, release, set string) (pair, func(mover.Operation) mover.Request) {
	t.Helper()
	p := pair{source: mongotest.New(t, mongotest.Options{Release: release, ReplicaSet: set}), target: mongotest.New(t, mongotest.Options{Release: "6.0", ReplicaSet: "rs0"})}
	simple(t, p.source)
	p.source.User(t, "admin", "admin", `["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor", {"role": "read", "db": "local"}]`)
	p.target.User(t, "admin", "admin", `["readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor", {"role": "read", "db": "local"}]`)
	return p, func(op mover.Operation) mover.Request {
		req := p.request(op)
		req.Source.Username, req.Target.Username = "admin", "admin"
		return req
	}
}

// TestWatchedFence notices every kind of write between fence and commit.
func TestWatchedFence(t *testing.T) {
	t.Parallel()
	for _, set := range []string{"", "rs0"} {
		t.Run("set "+set, func(t *testing.T) {
			p, request := watched(t, "4.4", set)
			for i, write := range []string{
				`{"insert": "jobs", "documents": [{"_id": "late"}]}`,
				`{"update": "jobs", "updates": [{"q": {"_id": 1}, "u": {"$set": {"late": 1}}}]}`,
				`{"delete": "jobs", "deletes": [{"q": {"_id": 2}, "limit": 1}]}`,
				`{"findAndModify": "jobs", "query": {"_id": 3}, "update": {"$set": {"late": 1}}}`,
				`{"create": "late"}`,
				`{"collMod": "jobs", "validator": {"late": 1}}`,
				`{"dropIndexes": "jobs", "index": "by name"}`,
			} {
				fenced := run[mover.FenceResult](t, request(mover.OpFence))
				if fenced.Fence.How != howWatch {
					t.Fatalf("fenced %+v", fenced.Fence)
				}
				if i == 0 {
					run[mover.CopyResult](t, request(mover.OpCopy))
					proof := run[mover.Proof](t, request(mover.OpProve))
					if !proof.Equal() || !maps.Equal(proof.Counters, fenced.Counters) {
						t.Fatalf("not equal %q, or counters moved: %v, %v", differences(proof), fenced.Counters, proof.Counters)
					}
				}
				p.source.Command(t, "circle_ghe", write)
				commit := request(mover.OpCommit)
				commit.Counters = fenced.Counters
				codeIs(t, commit, mover.CodeMoved, sourceSide)
				run[mover.UnfenceResult](t, request(mover.OpUnfence))
			}
		})
	}
}

// TestExpiringDocuments moves documents that the target's server may delete
// at any moment.
func TestExpiringDocuments(t *testing.T) {
	t.Parallel()
	p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4", Arguments: []string{"--setParameter", "ttlMonitorEnabled=false"}}),
		target: mongotest.New(t, mongotest.Options{Release: "5.0", ReplicaSet: "rs0", Arguments: []string{"--setParameter", "ttlMonitorSleepSecs=1"}})}
	insert(t, p.source, "main", "expiring", bson.D{{Key: "_id", Value: 1}, {Key: "at", Value: longAgo}}, bson.D{{Key: "_id", Value: 2}, {Key: "at", Value: farAhead}},
		bson.D{{Key: "_id", Value: 3}, {Key: "at", Value: bson.A{farAhead, longAgo}}}, bson.D{{Key: "_id", Value: 4}}, bson.D{{Key: "_id", Value: 5}, {Key: "at", Value: "never"}})
	p.source.Command(t, "main", `{"createIndexes": "expiring", "indexes": [{"key": {"at": 1}, "name": "ttl", "expireAfterSeconds": 60}]}`)
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	for {
		n, err := p.target.Client(t).Database("main").Collection("expiring").CountDocuments(context.Background(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		if n == 3 {
			break // the server has deleted what it deletes
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got := fmt.Sprint(equal(t, p).Compared); got != "map[collections:1 databases:1 documents:3 indexes:1]" {
		t.Errorf("compared %s", got)
	}
	p.target.Command(t, "main", `{"update": "expiring", "updates": [{"q": {"_id": 2}, "u": {"$set": {"x": 1}}}]}`)
	if proof := do[mover.Proof](t, p, mover.OpProve); proof.Equal() {
		t.Error("a changed document among expiring ones is not found")
	}
}
