package mongotest

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

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
