package mongo

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/bson"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// commandsOfThePage are the command documents of the script with which
// docs/break-glass.md lifts a fence, in order. The script itself is mongosh's,
// which the tests do not have.
func commandsOfThePage(t *testing.T) []bson.D {
	t.Helper()
	page, err := os.ReadFile("../../docs/break-glass.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(page), "\n### MongoDB, in the cluster\n")
	blocks := strings.Split(chapter, "\n```bash\n")
	if len(blocks) < 3 {
		t.Fatal("the page has no chapter on MongoDB in the cluster with two blocks")
	}
	script, _, _ := strings.Cut(blocks[2], "\n```")
	var out []bson.D
	for _, call := range strings.Split(script, "Command(")[1:] {
		var raw json.RawMessage
		if err := json.NewDecoder(strings.NewReader(call)).Decode(&raw); err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		var doc bson.D
		if err := bson.UnmarshalExtJSON(raw, false, &doc); err != nil {
			t.Fatalf("%s: %v", raw, err)
		}
		out = append(out, doc)
	}
	if len(out) != 3 || out[0][0].Key != "currentOp" || out[1][0].Key != "fsyncUnlock" || out[2][0].Key != "delete" || !strings.Contains(script, `getSiblingDB("`+ownDatabase+`")`) {
		t.Fatalf("the page's commands are %v", out)
	}
	return out
}

// liftedByThePage demands that those commands lift a fence of the product's, and
// leave nothing of it.
func liftedByThePage(t *testing.T, s *mongotest.Server, p pair) {
	t.Helper()
	commands := commandsOfThePage(t)
	locked := func() bool {
		var now struct {
			Locked bool `bson:"fsyncLock"`
		}
		if err := s.Client(t).Database("admin").RunCommand(t.Context(), commands[0]).Decode(&now); err != nil {
			t.Fatal(err)
		}
		return now.Locked
	}
	if locked() {
		t.Error("the lock stands before there is one")
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	if !locked() {
		t.Error("the page does not see the lock")
	}
	var unlocked struct {
		Left int64 `bson:"lockCount"`
	}
	if err := s.Client(t).Database("admin").RunCommand(t.Context(), commands[1]).Decode(&unlocked); err != nil || unlocked.Left != 0 {
		t.Errorf("unlock: %v, %d left", err, unlocked.Left)
	}
	var removed struct {
		N int `bson:"n"`
	}
	if err := s.Client(t).Database(ownDatabase).RunCommand(t.Context(), commands[2]).Decode(&removed); err != nil || removed.N != 1 {
		t.Errorf("remove the record: %v, %d removed", err, removed.N)
	}
	if _, err := s.Client(t).Database("circle_ghe").Collection("jobs").InsertOne(t.Context(), bson.D{{Key: "_id", Value: "by hand"}, {Key: "name", Value: "by hand"}}); err != nil {
		t.Errorf("a write afterwards: %v", err)
	}
	if twice := do[mover.UnfenceResult](t, p, mover.OpUnfence); twice.Lifted != nil || locked() {
		t.Errorf("the product finds a fence still: %+v", twice.Lifted)
	}
}
