package mongoseed

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

var awkward = []struct {
	name string
	run  func(context.Context, *mongo.Client, Options) error
}{
	{Application + ": values", values}, {Application + ": collections", collections}, {Application + ": indexes", indexes},
	{Application + ": users and roles", users}, {Odd, odd},
}

// commands runs commands on a database in order.
func commands(ctx context.Context, db *mongo.Database, list ...bson.D) error {
	for _, c := range list {
		if err := db.RunCommand(ctx, c).Err(); err != nil {
			return fmt.Errorf("run %s %v: %w", c[0].Key, c[0].Value, err)
		}
	}
	return nil
}

// LongName is as long as the name of a collection may be: a namespace has 255
// bytes.
var LongName = "long." + strings.Repeat("ü", (255-len(Application)-len(".long."))/2)

func create(name string, options ...bson.E) bson.D {
	return append(bson.D{{Key: "create", Value: name}}, options...)
}

// french is a collation in which é is after e and numbers count as such.
var french = bson.D{{Key: "locale", Value: "fr"}, {Key: "strength", Value: 2}, {Key: "numericOrdering", Value: true}}

// collections makes collections of every kind of option, with documents that
// depend on it.
func collections(ctx context.Context, client *mongo.Client, o Options) error {
	db := client.Database(Application)
	required := bson.D{{Key: "$jsonSchema", Value: bson.D{{Key: "required", Value: bson.A{"login"}},
		{Key: "properties", Value: bson.D{{Key: "age", Value: bson.D{{Key: "bsonType", Value: "int"}, {Key: "minimum", Value: 0}}}}}}}}
	err := commands(ctx, db,
		create("events", bson.E{Key: "capped", Value: true}, bson.E{Key: "size", Value: 1 << 20}, bson.E{Key: "max", Value: 500}),
		create("events_by_size", bson.E{Key: "capped", Value: true}, bson.E{Key: "size", Value: 8192}),
		create("people_fr", bson.E{Key: "collation", Value: french}),
		create("accounts", bson.E{Key: "validator", Value: required}),
		create("accounts_lax", bson.E{Key: "validator", Value: bson.D{{Key: "age", Value: bson.D{{Key: "$gte", Value: 0}}}}},
			bson.E{Key: "validationLevel", Value: "moderate"}, bson.E{Key: "validationAction", Value: "warn"}),
		create("compressed", bson.E{Key: "storageEngine", Value: bson.D{{Key: "wiredTiger", Value: bson.D{{Key: "configString", Value: "block_compressor=zlib"}}}}}),
		create("empty"),
		create("two words"), create("größe"), create("with.dots.in.it"), create(LongName),
		create("failed_builds", bson.E{Key: "viewOn", Value: "builds"}, bson.E{Key: "pipeline", Value: bson.A{
			bson.D{{Key: "$match", Value: bson.D{{Key: "steps.status", Value: "failed"}}}}, bson.D{{Key: "$project", Value: bson.D{{Key: "steps", Value: 0}}}}}}),
		create("failed_builds_of_a_project", bson.E{Key: "viewOn", Value: "failed_builds"}, bson.E{Key: "pipeline", Value: bson.A{
			bson.D{{Key: "$match", Value: bson.D{{Key: "project", Value: objectID('p', 3)}}}}}}),
		create("builds_fr", bson.E{Key: "viewOn", Value: "builds"}, bson.E{Key: "pipeline", Value: bson.A{}}, bson.E{Key: "collation", Value: french}),
		create("view_of_nothing", bson.E{Key: "viewOn", Value: "does_not_exist"}, bson.E{Key: "pipeline", Value: bson.A{}}),
	)
	if err != nil {
		return err
	}
	r := stream(o.Seed, "collections")
	for _, name := range []string{"events", "events_by_size", "compressed", "two words", "größe", "with.dots.in.it", LongName} {
		// More than the capped ones keep, in another order than that of _id.
		err := insertMany(ctx, db.Collection(name), 700, func(i int64) bson.D {
			return bson.D{{Key: "_id", Value: int32(i * 7919 % 700)}, {Key: "text", Value: word(r, 40)}}
		})
		if err != nil {
			return err
		}
	}
	if err := insertMany(ctx, db.Collection("people_fr"), 4, func(i int64) bson.D {
		return bson.D{{Key: "_id", Value: []string{"cote", "coté10", "côte9", "péché"}[i]}}
	}); err != nil {
		return err
	}
	return refused(ctx, db)
}

// refused inserts documents that their own validators would refuse today: they
// are older than the validator.
func refused(ctx context.Context, db *mongo.Database) error {
	for _, name := range []string{"accounts", "accounts_lax"} {
		_, err := db.Collection(name).InsertMany(ctx, []any{
			bson.D{{Key: "_id", Value: 1}, {Key: "login", Value: "good"}, {Key: "age", Value: int32(7)}},
			bson.D{{Key: "_id", Value: 2}, {Key: "age", Value: int32(-1)}},
			bson.D{{Key: "_id", Value: 3}, {Key: "age", Value: "unknown"}},
		}, options.InsertMany().SetBypassDocumentValidation(true))
		if err != nil {
			return fmt.Errorf("insert into %s: %w", name, err)
		}
	}
	return nil
}

// indexes makes a collection with an index of every kind, and documents that
// are in them.
func indexes(ctx context.Context, client *mongo.Client, o Options) error {
	db := client.Database(Application)
	key := func(field string, kind any, more ...bson.E) bson.E {
		return bson.E{Key: "key", Value: append(bson.D{{Key: field, Value: kind}}, more...)}
	}
	and := func(field string, kind any) bson.E { return bson.E{Key: field, Value: kind} }
	index := func(name string, parts bson.E, more ...bson.E) bson.D {
		return append(bson.D{{Key: "name", Value: name}, parts}, more...)
	}
	on := func(option string) bson.E { return bson.E{Key: option, Value: true} }
	list := bson.A{
		index("compound", key("a", 1, and("b", -1), and("c.d", 1))),
		index("unique", key("u", 1), on("unique")),
		index("unique sparse", key("us", 1), on("unique"), on("sparse")),
		index("partial", key("p", 1), bson.E{Key: "partialFilterExpression", Value: bson.D{{Key: "p", Value: bson.D{{Key: "$gt", Value: 5}}}}}, on("unique")),
		index("ttl", key("expires", 1), bson.E{Key: "expireAfterSeconds", Value: int32(50 * 365 * 86400)}),
		index("text", key("title", "text", and("body", "text")), bson.E{Key: "weights", Value: bson.D{{Key: "title", Value: 10}}},
			bson.E{Key: "default_language", Value: "german"}, bson.E{Key: "language_override", Value: "sprache"}),
		index("sphere", key("place", "2dsphere", and("a", 1))),
		index("flat", key("flat", "2d"), bson.E{Key: "bits", Value: 20}, bson.E{Key: "min", Value: -500.0}, bson.E{Key: "max", Value: 500.0}),
		index("hashed", key("h", "hashed")),
		index("compound hashed", key("a", 1, and("h", "hashed"))),
		index("wildcard", key("$**", 1), bson.E{Key: "wildcardProjection", Value: bson.D{{Key: "w", Value: 1}, {Key: "x.y", Value: 1}}}),
		index("wildcard below", key("w.$**", 1)),
		index("collated", key("s", 1), bson.E{Key: "collation", Value: french}, on("unique")),
		index("hidden", key("hide", 1), on("hidden")),
		index("first version", key("v1", 1), bson.E{Key: "v", Value: 1}),
		index("multikey", key("tags", 1, and("a", 1))),
		index("in the background", key("bg", 1), on("background")),
		index("a \"name\" with $igns & späces", key("odd", 1)),
		index("number of a direction", key("dir", -2.5)),
	}
	if o.Removed {
		list = append(list, index("haystack", key("flat", "geoHaystack", and("a", 1)), bson.E{Key: "bucketSize", Value: 1}))
	}
	if err := commands(ctx, db, bson.D{{Key: "createIndexes", Value: "indexed"}, {Key: "indexes", Value: list}}); err != nil {
		return err
	}
	r := stream(o.Seed, "indexed")
	return insertMany(ctx, db.Collection("indexed"), 300, func(i int64) bson.D {
		d := bson.D{{Key: "_id", Value: i}, {Key: "a", Value: r.IntN(10)}, {Key: "b", Value: word(r, 5)}, {Key: "c", Value: bson.D{{Key: "d", Value: r.Float64()}}},
			{Key: "u", Value: i}, {Key: "p", Value: min(i, 5)}, {Key: "expires", Value: epoch.Add(time.Duration(i) * time.Hour)},
			{Key: "title", Value: word(r, 8) + " " + word(r, 8)}, {Key: "body", Value: word(r, 30)}, {Key: "sprache", Value: []string{"german", "french", "none"}[i%3]},
			{Key: "place", Value: bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: bson.A{r.Float64()*360 - 180, r.Float64()*180 - 90}}}},
			{Key: "flat", Value: bson.A{r.Float64() * 100, r.Float64() * 100}}, {Key: "h", Value: word(r, 3)}, {Key: "w", Value: bson.D{{Key: word(r, 1), Value: i}}},
			{Key: "s", Value: fmt.Sprintf("n%d", i)}, {Key: "tags", Value: bson.A{word(r, 2), word(r, 2), int32(i)}}}
		if i%3 == 0 {
			d = append(d, bson.E{Key: "us", Value: i})
		}
		return d
	})
}

// odd makes a database with an odd name, an odd collection, and a function.
func odd(ctx context.Context, client *mongo.Client, _ Options) error {
	db := client.Database(Odd)
	if _, err := db.Collection("system.js").InsertOne(ctx, bson.D{{Key: "_id", Value: "twice"}, {Key: "value", Value: bson.JavaScript("function(x) { return 2 * x; }")}}); err != nil {
		return fmt.Errorf("store a function: %w", err)
	}
	return insertMany(ctx, db.Collection("2019"), 10, func(i int64) bson.D { return bson.D{{Key: "_id", Value: i}} })
}
