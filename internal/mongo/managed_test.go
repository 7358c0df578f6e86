package mongo

import (
	"slices"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// needed are the commands without which nothing can be said about a server;
// what they need is a right like any other.
var needed = []string{"listDatabases", "listCollections", "listIndexes", "collStats", "buildInfo", "find"}

// TestARefusalIsAMissingRight: whatever a managed service does not allow, under
// whichever number, is done without or named as a right; it is no failure.
func TestARefusalIsAMissingRight(t *testing.T) {
	t.Parallel()
	p := pair{source: mongotest.New(t, mongotest.Options{Release: "4.4"}), target: mongotest.New(t, mongotest.Options{Release: "4.4", ReplicaSet: "rs0"})}
	insert(t, p.source, "main", "jobs", bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: 1}})
	insert(t, p.target, "main", "jobs", bson.D{{Key: "_id", Value: 1}})
	p.target.Command(t, "main", `{"createIndexes": "jobs", "indexes": [{"key": {"a": 1}, "name": "a"}]}`)
	req := p.request(mover.OpInspect)
	service, through := newProxy(t, req.Target)
	req.Target = through
	inspected := run[mover.InspectResult](t, req)
	if inspected.Target.Error != "" || inspected.Target.Database.Settings["trial"] != "" {
		t.Fatalf("inspected %+v", inspected.Target)
	}
	commands := slices.DeleteFunc(service.commands(), func(name string) bool {
		return slices.Contains([]string{"isMaster", "ismaster", "hello", "saslStart", "saslContinue", "endSessions", ""}, name) // without them nobody is logged in
	})
	if len(commands) < 15 {
		t.Fatalf("only %q came by", commands)
	}
	for _, number := range []int{8000, 13, 59, 115, 303, 323} {
		for _, command := range commands {
			if number != 8000 && !slices.Contains([]string{"getCmdLineOpts", "connectionStatus", "currentOp", "listDatabases"}, command) {
				continue // one number does for the others
			}
			service.set(func(name string, _ bson.Raw) int {
				if name == command {
					return number
				}
				return 0
			}, "")
			side := run[mover.InspectResult](t, req).Target
			switch {
			case number == 303 && command == "getCmdLineOpts": // that is how DocumentDB is known
				if side.Database == nil || side.Database.Settings["product"] != productDocumentDB {
					t.Errorf("%s answered with %d: %+v", command, number, side)
				}
			case slices.Contains(needed, command):
				if side.Code != mover.CodePrivilege {
					t.Errorf("%s answered with %d: code %q, %s", command, number, side.Code, side.Error)
				}
			case side.Database == nil:
				t.Errorf("%s answered with %d: code %q, %s", command, number, side.Code, side.Error)
			case number == 8000 && slices.Contains([]string{"create", "createIndexes", "dropDatabase"}, command) && side.Database.Settings["trial"] == "" && command != "createIndexes":
				t.Errorf("%s answered with %d: nobody says that the target could not be asked", command, number)
			}
		}
	}
}

// TestMoveToAServiceThatAllowsLittle: a whole move, to a target that refuses all
// that a move can do without.
func TestMoveToAServiceThatAllowsLittle(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	simple(t, p.source)
	req := p.request(mover.OpInspect)
	service, through := newProxy(t, req.Target)
	service.set(func(name string, body bson.Raw) int {
		_, whole := body.Lookup("authorizedDatabases").BooleanOK()
		if slices.Contains([]string{"getCmdLineOpts", "getParameter", "serverStatus", "aggregate $currentOp", "currentOp", "killOp", "killAllSessions", "top", "dbHash", "usersInfo", "rolesInfo",
			"connectionStatus", "replSetGetStatus", "fsync"}, name) || name == "listDatabases" && whole {
			return 8000
		}
		return 0
	}, "")
	req.Target = through
	inspected := run[mover.InspectResult](t, req)
	if len(inspected.Blocked) > 0 || inspected.Target.Error != "" {
		t.Fatalf("blocked %+v, target %+v", inspected.Blocked, inspected.Target)
	}
	for _, op := range []mover.Operation{mover.OpFence, mover.OpCopy, mover.OpProve, mover.OpCommit, mover.OpWithdraw, mover.OpUnfence} {
		req.Operation = op
		if op == mover.OpUnfence {
			req.Target = nil
		}
		result, err := Run(t.Context(), req, nil)
		if err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		if proof, ok := result.(mover.Proof); ok && !proof.Equal() {
			t.Errorf("not equal: %q", differences(proof))
		}
	}
}
