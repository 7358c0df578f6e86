package mongotest

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/bson"
)

// LoseMajority makes a set of one node a set of three: itself, an arbiter, and
// a secondary that is down, whose address it returns. The set goes on to take
// writes, and none of them reaches a majority of those that hold data.
func (s *Server) LoseMajority(t testing.TB) (down string) {
	t.Helper()
	arbiter := New(t, Options{Release: s.Release, ReplicaSet: s.ReplicaSet, Member: true})
	gone := New(t, Options{Release: s.Release, ReplicaSet: s.ReplicaSet, Member: true})
	if err := gone.Kill(); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	admin := s.Client(t).Database("admin")
	var now struct {
		Config bson.D `bson:"config"`
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "replSetGetConfig", Value: 1}}).Decode(&now); err != nil {
		t.Fatal(err)
	}
	for i, e := range now.Config {
		if members, ok := e.Value.(bson.A); ok && e.Key == "members" {
			now.Config[i].Value = append(members, bson.D{{Key: "_id", Value: 1}, {Key: "host", Value: arbiter.Address()}, {Key: "arbiterOnly", Value: true}},
				bson.D{{Key: "_id", Value: 2}, {Key: "host", Value: gone.Address()}})
		}
	}
	// Forced, because no majority is there to agree.
	err := admin.RunCommand(ctx, bson.D{{Key: "replSetReconfig", Value: now.Config}, {Key: "force", Value: true}}).Err()
	if err := errors.Join(err, s.awaitPrimary(ctx, admin)); err != nil {
		t.Fatalf("add members to the set: %v", err)
	}
	return gone.Address()
}
