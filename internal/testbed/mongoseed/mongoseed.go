// Package mongoseed fills the MongoDB of the fixture release: documents in
// bulk, made from a seed and a size, and the awkward things that copies tend to
// lose. It knows MongoDB; it knows no cluster, no chart and no file.
package mongoseed

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// Application is the application's main database; Second belongs to it as
// well, and is easily forgotten. Odd has a name that needs care.
const (
	Application = "circle_ghe"
	Second      = "build_state_dev_ghe"
	Odd         = "Reports-2019"
)

// Options say how much data, and which.
type Options struct {
	// Seed decides the bytes of the documents. Equal seeds and sizes give equal
	// documents.
	Seed int64
	// Bytes is about how many bytes of documents there are in bulk.
	Bytes int64
	// Awkward adds collections, options, indexes, users and values that copies
	// tend to lose.
	Awkward bool
	// Removed adds, to Awkward, what later releases no longer have: they cannot
	// take it.
	Removed bool
	// Progress is told what is being done; it may be nil.
	Progress func(string)
}

const (
	bytesPerBuild = 1024
	minimumBuilds = 200
	batch         = 1000
)

// Generate fills a server that has none of the databases yet.
func Generate(ctx context.Context, client *mongo.Client, o Options) error {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	steps := []struct {
		name string
		run  func(context.Context, *mongo.Client, Options) error
	}{
		{Application + ": projects and users", people}, {Application + ": builds", builds}, {Second + ": builds", state},
	}
	if o.Awkward {
		steps = append(steps, awkward...)
	}
	for _, step := range steps {
		o.Progress(step.name)
		if err := step.run(ctx, client, o); err != nil {
			return fmt.Errorf("fill %s: %w", step.name, err)
		}
	}
	return nil
}

// stream is a source of random numbers of its own for each collection, so that
// a change of one leaves the others as they were.
func stream(seed int64, name string) *rand.Rand {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], uint64(seed))
	copy(key[8:], name)
	return rand.New(rand.NewChaCha8(key)) //nolint:gosec // the same bytes again is what it is for
}

// epoch is the time of the first document.
var epoch = time.Date(2019, 3, 1, 8, 0, 0, 0, time.UTC)

// objectID looks like one that a driver made, in order.
func objectID(kind byte, n int64) bson.ObjectID {
	var id bson.ObjectID
	binary.BigEndian.PutUint32(id[:4], uint32(epoch.Unix()+n*7))
	id[4] = kind
	binary.BigEndian.PutUint32(id[8:], uint32(n))
	return id
}

func word(r *rand.Rand, length int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
	b := make([]byte, length)
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

// insertMany inserts n documents in batches.
func insertMany(ctx context.Context, c *mongo.Collection, n int64, document func(i int64) bson.D) error {
	for from := int64(0); from < n; from += batch {
		var documents []any
		for i := from; i < min(from+batch, n); i++ {
			documents = append(documents, document(i))
		}
		if _, err := c.InsertMany(ctx, documents); err != nil {
			return fmt.Errorf("insert into %s: %w", c.Name(), err)
		}
	}
	return nil
}

func people(ctx context.Context, client *mongo.Client, o Options) error {
	db := client.Database(Application)
	r := stream(o.Seed, "projects")
	err := insertMany(ctx, db.Collection("projects"), 50, func(i int64) bson.D {
		return bson.D{{Key: "_id", Value: objectID('p', i)}, {Key: "vcs_url", Value: fmt.Sprintf("https://git.example.test/%s/%d", word(r, 8), i)},
			{Key: "feature_flags", Value: bson.D{{Key: "oss", Value: r.IntN(2) == 0}, {Key: "parallelism", Value: int32(r.IntN(16))}}}}
	})
	if err != nil {
		return err
	}
	r = stream(o.Seed, "users")
	return insertMany(ctx, db.Collection("users"), 100, func(i int64) bson.D {
		return bson.D{{Key: "_id", Value: objectID('u', i)}, {Key: "login", Value: fmt.Sprintf("%s-%d", word(r, 6), i)},
			{Key: "emails", Value: bson.A{word(r, 7) + "@example.test", word(r, 9) + "@example.test"}}, {Key: "bio", Value: word(r, 60)}}
	})
}

func builds(ctx context.Context, client *mongo.Client, o Options) error {
	c := client.Database(Application).Collection("builds")
	if _, err := c.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: bson.D{{Key: "project", Value: 1}, {Key: "build_num", Value: -1}}},
		{Keys: bson.D{{Key: "start_time", Value: -1}}},
	}); err != nil {
		return fmt.Errorf("index builds: %w", err)
	}
	r := stream(o.Seed, "builds")
	return insertMany(ctx, c, max(o.Bytes/bytesPerBuild, minimumBuilds), func(i int64) bson.D {
		steps := bson.A{}
		for range 4 {
			steps = append(steps, bson.D{{Key: "name", Value: word(r, 20)}, {Key: "status", Value: []string{"success", "failed", "canceled"}[r.IntN(3)]},
				{Key: "millis", Value: r.Int64N(1 << 40)}, {Key: "output", Value: word(r, 110)}})
		}
		return bson.D{{Key: "_id", Value: objectID('b', i)}, {Key: "project", Value: objectID('p', r.Int64N(50))}, {Key: "build_num", Value: int32(i)},
			{Key: "start_time", Value: epoch.Add(time.Duration(i) * time.Minute)}, {Key: "vcs_revision", Value: word(r, 40)},
			{Key: "cost", Value: r.Float64()}, {Key: "steps", Value: steps}}
	})
}

// state fills the second database with a tenth of that.
func state(ctx context.Context, client *mongo.Client, o Options) error {
	r := stream(o.Seed, "state")
	return insertMany(ctx, client.Database(Second).Collection("builds"), max(o.Bytes/bytesPerBuild/10, minimumBuilds/10), func(i int64) bson.D {
		return bson.D{{Key: "_id", Value: fmt.Sprintf("build/%d", i)}, {Key: "state", Value: word(r, 100)}, {Key: "seq", Value: r.Int64()}}
	})
}
