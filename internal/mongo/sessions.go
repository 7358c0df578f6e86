package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

// endSessions ends what other clients have under way: transactions, cursors
// and operations, those that wait for a lock too. Their connections stay,
// MongoDB cannot end those. It returns how many operations there were; where
// we may not end any, none.
func (s *server) endSessions(ctx context.Context) (int, error) {
	others, err := s.operations(ctx, false)
	if err != nil {
		return 0, err
	}
	ended := 0
	for _, o := range others {
		if !o.Active {
			continue
		}
		err := s.command(ctx, "admin", bson.D{{Key: "killOp", Value: 1}, {Key: "op", Value: o.ID}}, nil)
		if notAllowed(err) {
			return ended, nil
		}
		if err != nil {
			return ended, err
		}
		ended++
	}
	err = s.command(ctx, "admin", bson.D{{Key: "killAllSessions", Value: bson.A{}}}, nil)
	if notAllowed(err) {
		err = nil
	}
	return ended, err
}

// operation is what another client does or holds open.
type operation struct {
	ID     bson.RawValue `bson:"opid"`
	Active bool          `bson:"active"`
	NS     string        `bson:"ns"`
	Users  []struct {
		User string `bson:"user"`
		DB   string `bson:"db"`
	} `bson:"effectiveUsers"`
}

// operations lists other clients' operations, with idle connections if asked.
// It is empty where we may not see them.
func (s *server) operations(ctx context.Context, idle bool) ([]operation, error) {
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	found, err := s.currentOps(ctx, "look for other clients' operations", mongo.Pipeline{
		{{Key: "$currentOp", Value: bson.D{{Key: "allUsers", Value: true}, {Key: "idleConnections", Value: idle}}}},
		{{Key: "$match", Value: bson.D{
			{Key: "effectiveUsers.0", Value: bson.D{{Key: "$exists", Value: true}}},
			{Key: "effectiveUsers.user", Value: bson.D{{Key: "$ne", Value: "__system"}}},
			{Key: "appName", Value: bson.D{{Key: "$not", Value: bson.D{{Key: "$regex", Value: "^" + appPrefix + "/"}}}}},
		}}},
		{{Key: "$project", Value: bson.D{{Key: "opid", Value: 1}, {Key: "active", Value: 1}, {Key: "ns", Value: 1}, {Key: "effectiveUsers", Value: 1}}}},
	})
	if notAllowed(err) {
		return nil, nil
	}
	return found, err
}

// currentOps runs a pipeline on what the server has under way.
func (s *server) currentOps(ctx context.Context, what string, pipeline mongo.Pipeline) (found []operation, err error) {
	err = s.quickly(ctx, what, func(ctx context.Context) (err error) {
		found, err = all[operation](ctx, func(ctx context.Context) (*mongo.Cursor, error) {
			return s.client.Database("admin").Aggregate(ctx, pipeline)
		})
		return err
	})
	return found, err
}
