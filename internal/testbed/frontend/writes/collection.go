package writes

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Collection is where the frontend numbers its documents.
const Collection = "frontend_writes"

// document is a numbered document. Its _id says who wrote which number, so
// that a second try of the same is refused and not doubled.
type document struct {
	ID     string    `bson:"_id"`
	N      int64     `bson:"n"`
	Writer string    `bson:"writer"`
	At     time.Time `bson:"at"`
	Host   string    `bson:"host"`
}

func (d document) entry() Entry {
	return Entry{N: d.N, Writer: d.Writer, At: d.At.UTC(), Host: d.Host}
}

func id(e Entry) string { return fmt.Sprintf("%s/%d", e.Writer, e.N) }

// Prepare makes the index that finds the last number.
func Prepare(ctx context.Context, c *mongo.Collection) error {
	if _, err := c.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "n", Value: 1}}}); err != nil {
		return fmt.Errorf("index %s: %w", c.Name(), err)
	}
	return nil
}

// Insert writes the entry. already says that it stood there before: an earlier
// try of the same had arrived.
func Insert(ctx context.Context, c *mongo.Collection, e Entry) (already bool, err error) {
	_, err = c.InsertOne(ctx, document{ID: id(e), N: e.N, Writer: e.Writer, At: e.At, Host: e.Host})
	if mongo.IsDuplicateKeyError(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("insert document %d: %w", e.N, err)
	}
	return false, nil
}

// Find returns the entry that stands under the number and writer of e, nil
// when there is none.
func Find(ctx context.Context, c *mongo.Collection, e Entry) (*Entry, error) {
	found, err := documents(ctx, c, bson.D{{Key: "_id", Value: id(e)}}, options.Find())
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return &found[0], nil
}

// Highest is the highest number that stands, 0 when there is none.
func Highest(ctx context.Context, c *mongo.Collection) (int64, error) {
	found, err := documents(ctx, c, bson.D{}, options.Find().SetSort(bson.D{{Key: "n", Value: -1}}).SetLimit(1))
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0].N, nil
}

// CountCollection is Count for the documents in MongoDB.
func CountCollection(ctx context.Context, c *mongo.Collection) (Report, error) {
	found, err := readCollection(ctx, c)
	if err != nil {
		return Report{}, err
	}
	return count(found), nil
}

// AuditCollection is Audit for the documents in MongoDB.
func AuditCollection(ctx context.Context, c *mongo.Collection, ledger io.Reader) (Report, error) {
	found, err := readCollection(ctx, c)
	if err != nil {
		return Report{}, err
	}
	return audit(found, ledger)
}

// MissingDocuments returns the ledger's entries that the collection does not
// have.
func MissingDocuments(ctx context.Context, c *mongo.Collection, ledger []Entry) ([]Entry, error) {
	found, err := readCollection(ctx, c)
	if err != nil {
		return nil, err
	}
	return missing(found, ledger), nil
}

func readCollection(ctx context.Context, c *mongo.Collection) ([]Entry, error) {
	return documents(ctx, c, bson.D{}, options.Find().SetSort(bson.D{{Key: "n", Value: 1}, {Key: "at", Value: 1}}).SetAllowDiskUse(true))
}

func documents(ctx context.Context, c *mongo.Collection, filter bson.D, o *options.FindOptionsBuilder) ([]Entry, error) {
	cursor, err := c.Find(ctx, filter, o)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Name(), err)
	}
	var found []document
	if err := cursor.All(ctx, &found); err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Name(), err)
	}
	entries := make([]Entry, 0, len(found))
	for _, d := range found {
		entries = append(entries, d.entry())
	}
	return entries, nil
}
