package mongoseed_test

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoseed"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoserver/tempmongo"
	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// TestGenerate fills three servers: two alike, and a plain one of another seed.
func TestGenerate(t *testing.T) {
	full := mongoseed.Options{Seed: 7, Awkward: true, Removed: true}
	first, second := filled(t, full), filled(t, full)
	plain := filled(t, mongoseed.Options{Seed: 8})

	t.Run("equal seeds give equal documents", func(t *testing.T) {
		if diff := cmp.Diff(digests(t, first), digests(t, second)); diff != "" {
			t.Errorf("two runs of one seed differ (-first +second):\n%s", diff)
		}
	})
	t.Run("another seed gives other documents, and a plain one nothing awkward", func(t *testing.T) {
		a, b := digests(t, first), digests(t, plain)
		var names []string
		for _, name := range []string{"circle_ghe.builds", "circle_ghe.projects", "circle_ghe.users", "build_state_dev_ghe.builds"} {
			if b[name] == "" || a[name] == b[name] {
				t.Errorf("seeds 7 and 8 give the same %s: %q", name, b[name])
			}
			delete(b, name)
		}
		for name := range maps.Keys(b) {
			names = append(names, name)
		}
		if len(names) > 0 {
			t.Errorf("a plain server has %v", names)
		}
	})
	t.Run("awkward objects are there", func(t *testing.T) { awkwardObjects(t, first) })
	t.Run("users log in", func(t *testing.T) { usersLogIn(t, first) })
}

func awkwardObjects(t *testing.T, o *options.ClientOptions) {
	t.Helper()
	db := connect(t, o).Database(mongoseed.Application)
	got := map[string]int{}
	specs, err := db.ListCollectionSpecifications(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		got[s.Type]++
		elements, err := s.Options.Elements()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range elements {
			got["option "+e.Key()]++
		}
	}
	cursor, err := db.Collection("indexed").Indexes().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var indexes []bson.D
	if err := cursor.All(t.Context(), &indexes); err != nil {
		t.Fatal(err)
	}
	got["indexes"] = len(indexes)
	for _, name := range []string{"values", "identifiers", "shapes", "events", "accounts", "fs.chunks"} {
		n, err := db.Collection(name).CountDocuments(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		got["documents in "+name] = int(n)
	}
	want := map[string]int{
		"collection": 21, "view": 4, "indexes": 21,
		"documents in accounts": 3, "documents in events": 500, "documents in fs.chunks": 5,
		"documents in identifiers": 47, "documents in shapes": 8, "documents in values": 47,
		"option capped": 2, "option size": 2, "option max": 1, "option collation": 2, "option storageEngine": 1,
		"option validator": 2, "option validationAction": 1, "option validationLevel": 1, "option viewOn": 4, "option pipeline": 4,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects differ (-want +got):\n%s", diff)
	}
}

func usersLogIn(t *testing.T, o *options.ClientOptions) {
	t.Helper()
	for _, u := range mongoseed.Users {
		for password, good := range map[string]bool{u.Password: true, "wrong": false} {
			own := *o
			client := connect(t, own.SetAuth(options.Credential{AuthMechanism: u.Mechanism, AuthSource: u.Database, Username: u.Name, Password: password}))
			if err := client.Ping(t.Context(), nil); (err == nil) != good {
				t.Errorf("%s logs in with %s: %v", u.Name, password, err)
			}
		}
	}
}

func filled(t *testing.T, o mongoseed.Options) *options.ClientOptions {
	t.Helper()
	server := tempmongo.Start(t, "4.4")
	if err := mongoseed.Generate(t.Context(), connect(t, server), o); err != nil {
		t.Fatal(err)
	}
	return server
}

func connect(t *testing.T, o *options.ClientOptions) *mongo.Client {
	t.Helper()
	client, err := mongo.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Disconnect(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client
}

// digests are the server's own of every collection.
func digests(t *testing.T, o *options.ClientOptions) map[string]string {
	t.Helper()
	client := connect(t, o)
	out := map[string]string{}
	for _, name := range []string{mongoseed.Application, mongoseed.Second, mongoseed.Odd} {
		var answer struct {
			Collections map[string]string `bson:"collections"`
		}
		if err := client.Database(name).RunCommand(t.Context(), bson.D{{Key: "dbHash", Value: 1}}).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		for collection, digest := range answer.Collections {
			out[fmt.Sprintf("%s.%s", name, collection)] = digest
		}
	}
	return out
}
