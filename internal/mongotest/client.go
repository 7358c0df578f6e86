package mongotest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// connect opens a client straight to this server.
func (s *Server) connect(ctx context.Context, auth *options.Credential) (*mongo.Client, error) {
	o := options.Client().SetHosts([]string{s.Address()}).SetDirect(true).SetServerSelectionTimeout(20 * time.Second)
	if auth != nil {
		o.SetAuth(*auth)
	}
	if s.TLS {
		config, err := s.tlsConfig()
		if err != nil {
			return nil, err
		}
		o.SetTLSConfig(config)
	}
	client, err := mongo.Connect(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return client, nil
}

// ConnectAs opens a client as a user of a database.
func (s *Server) ConnectAs(t testing.TB, user, source string) *mongo.Client {
	t.Helper()
	client, err := s.connect(context.Background(), &options.Credential{Username: user, Password: Password, AuthSource: source})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	return client
}

// Client is a client as the root user.
func (s *Server) Client(t testing.TB) *mongo.Client {
	t.Helper()
	if s.client == nil {
		client, err := s.connect(context.Background(), &options.Credential{Username: Root, Password: Password, AuthSource: "admin"})
		if err != nil {
			t.Fatal(err)
		}
		s.client = client
	}
	return s.client
}

// Command runs one command, in MongoDB's extended JSON, and fails the test when it
// fails.
func (s *Server) Command(t testing.TB, database, command string) bson.Raw {
	t.Helper()
	var doc bson.D
	if err := bson.UnmarshalExtJSON([]byte(command), false, &doc); err != nil {
		t.Fatalf("read command %s: %v", command, err)
	}
	raw, err := s.Client(t).Database(database).RunCommand(context.Background(), doc).Raw()
	if err != nil {
		t.Fatalf("run %s in %s: %v", command, database, err)
	}
	return raw
}

// User makes a user of a database with roles, in extended JSON.
func (s *Server) User(t testing.TB, database, name, roles string) {
	t.Helper()
	s.Command(t, database, fmt.Sprintf(`{"createUser": %q, "pwd": %q, "roles": %s}`, name, Password, roles))
}

// as runs f with a client as the root user.
func (s *Server) as(ctx context.Context, f func(*mongo.Client) error) error {
	client, err := s.connect(ctx, &options.Credential{Username: Root, Password: Password, AuthSource: "admin"})
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(ctx) }()
	return f(client)
}

// Insert writes documents into a collection.
func (s *Server) Insert(ctx context.Context, database, collection string, documents []any) error {
	return s.as(ctx, func(c *mongo.Client) error {
		if _, err := c.Database(database).Collection(collection).InsertMany(ctx, documents, options.InsertMany().SetOrdered(false)); err != nil {
			return fmt.Errorf("insert into %s.%s: %w", database, collection, err)
		}
		return nil
	})
}

// Index builds indexes with the given keys.
func (s *Server) Index(ctx context.Context, database, collection string, keys ...bson.D) error {
	return s.as(ctx, func(c *mongo.Client) error {
		var models []mongo.IndexModel
		for _, key := range keys {
			models = append(models, mongo.IndexModel{Keys: key})
		}
		if _, err := c.Database(database).Collection(collection).Indexes().CreateMany(ctx, models); err != nil {
			return fmt.Errorf("index %s.%s: %w", database, collection, err)
		}
		return nil
	})
}

// Drop drops a database.
func (s *Server) Drop(ctx context.Context, database string) error {
	return s.as(ctx, func(c *mongo.Client) error { return c.Database(database).Drop(ctx) })
}
