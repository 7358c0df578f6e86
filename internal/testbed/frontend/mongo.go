package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/mongoenv"
	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/writes"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// mongoDatabase is where the chart says the documents are.
type mongoDatabase struct {
	options *options.ClientOptions
	name    string
	host    string // the hosts as configured
}

func mongoFromEnv(role string) (mongoDatabase, error) {
	s, err := mongoenv.Read(mongoenv.Environment{Variable: os.Getenv, File: os.ReadFile}, "circleci "+role)
	return mongoDatabase{options: s.Options, name: s.Database, host: s.Hosts}, err
}

// connect opens a session and returns the server's version.
func (d mongoDatabase) connect(ctx context.Context) (*mongo.Client, string, error) {
	client, err := mongo.Connect(d.options)
	if err != nil {
		return nil, "", fmt.Errorf("connect to %s: %w", d.host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var info struct {
		Version string `bson:"version"`
	}
	// It needs no login, but the connection it goes over does.
	if err := client.Database(d.name).RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info); err != nil {
		disconnect(ctx, client)
		return nil, "", fmt.Errorf("connect to %s: %w", d.host, err)
	}
	return client, info.Version, nil
}

// collection is where the numbered documents go, confirmed by a majority's
// journals.
func (d mongoDatabase) collection(client *mongo.Client) *mongo.Collection {
	journal := true
	return client.Database(d.name).Collection(writes.Collection,
		options.Collection().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal}))
}

func disconnect(ctx context.Context, client *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = client.Disconnect(ctx) // on the way out
}

// mongoReader is any service but the frontend: it keeps a session and reads a
// little every second.
type mongoReader struct {
	db     mongoDatabase
	status link
}

func (r *mongoReader) session(ctx context.Context) error {
	client, server, err := r.db.connect(ctx)
	if err != nil {
		return err
	}
	defer disconnect(ctx, client)
	r.status.connected(ctx, server)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		query, cancel := context.WithTimeout(ctx, 5*time.Second)
		names, err := client.Database(r.db.name).ListCollectionNames(query, bson.D{})
		cancel()
		if err != nil {
			return fmt.Errorf("read from %s: %w", r.db.host, err)
		}
		r.status.change(func(s *Link) { s.Reads++; s.Tables, s.LastOK = int64(len(names)), time.Now() })
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
