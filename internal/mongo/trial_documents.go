package mongo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// shape is a kind of document that some servers took once and others refuse.
// A target is asked about an example; only for one that it refuses are the
// source's documents looked at.
type shape struct {
	name    string
	example any
	// has is true of a document that has the shape, in the server's language
	// for expressions.
	has bson.D
}

// shapes are what the server's own check of a document knows beside size and
// depth (src/mongo/db/ops/insert.cpp, fixDocumentForInsert, and
// src/mongo/db/update/storage_validation.cpp).
var shapes = []shape{
	{"a field whose name begins with $", bson.D{{Key: "_id", Value: "dollar"}, {Key: "$a", Value: 1}}, anyField("$$ROOT", "$eq", "$")},
	{"a field whose name holds a dot", bson.D{{Key: "_id", Value: "dot"}, {Key: "a.b", Value: 1}}, anyField("$$ROOT", "$gte", ".")},
	{"an array as its _id", bson.D{{Key: "_id", Value: bson.A{1}}}, idOfType("array")},
	{"a regular expression as its _id", bson.D{{Key: "_id", Value: primitive.Regex{Pattern: "a"}}}, idOfType("regex")},
	{"undefined as its _id", bson.D{{Key: "_id", Value: primitive.Undefined{}}}, idOfType("undefined")},
	{"an _id with a field whose name begins with $", bson.D{{Key: "_id", Value: bson.D{{Key: "$a", Value: 1}}}}, anySign(withoutReference, "$eq", "$")},
}

// withoutReference are the fields of an _id less those of a reference to a
// document, which are the only ones whose name may begin with $: in front of all
// others $ref, a string, and $id, and then $db or not.
var withoutReference = bson.D{{Key: "$let", Value: bson.D{
	{Key: "vars", Value: bson.D{{Key: "all", Value: namesAndValues("$_id")}}},
	{Key: "in", Value: bson.D{{Key: "$cond", Value: bson.A{
		bson.D{{Key: "$and", Value: bson.A{nameIs(0, "$ref"), nameIs(1, "$id"), bson.D{{Key: "$eq", Value: bson.A{bson.D{{Key: "$type", Value: bson.D{{Key: "$arrayElemAt", Value: bson.A{"$$all.v", 0}}}}}, "string"}}}}}},
		bson.D{{Key: "$slice", Value: bson.A{"$$all", bson.D{{Key: "$cond", Value: bson.A{nameIs(2, "$db"), 3, 2}}}, math.MaxInt32}}},
		"$$all",
	}}}},
}}}

func nameIs(at int, name string) bson.D {
	return bson.D{{Key: "$eq", Value: bson.A{bson.D{{Key: "$arrayElemAt", Value: bson.A{"$$all.k", at}}}, bson.D{{Key: "$literal", Value: name}}}}}
}

// namesAndValues are the fields of what is a document, and none of anything else.
func namesAndValues(of string) bson.D {
	document := bson.D{{Key: "$cond", Value: bson.A{bson.D{{Key: "$eq", Value: bson.A{bson.D{{Key: "$type", Value: of}}, "object"}}}, of, bson.D{}}}}
	return bson.D{{Key: "$objectToArray", Value: document}}
}

// anyField is anySign of the fields of a document.
func anyField(of, compare, sign string) bson.D { return anySign(namesAndValues(of), compare, sign) }

// anySign is true when the name of a field has a sign at its beginning, with
// $eq, or anywhere, with $gte. Bytes are looked at: a name may be no UTF-8.
func anySign(fields any, compare, sign string) bson.D {
	place := bson.D{{Key: "$indexOfBytes", Value: bson.A{"$$this.k", bson.D{{Key: "$literal", Value: sign}}}}}
	return bson.D{{Key: "$anyElementTrue", Value: bson.A{bson.D{{Key: "$map", Value: bson.D{{Key: "input", Value: fields}, {Key: "in", Value: bson.D{{Key: compare, Value: bson.A{place, 0}}}}}}}}}}
}

// idOfType asks for the type itself: a query for an array looks at elements.
func idOfType(name string) bson.D {
	return bson.D{{Key: "$eq", Value: bson.A{bson.D{{Key: "$type", Value: "$_id"}}, name}}}
}

// documents looks for documents that the target would refuse.
func (t *trial) documents(ctx context.Context, all []database) error {
	var refused []shape
	reasons := map[string]string{}
	for _, s := range shapes {
		err := t.target.insertOne(ctx, t.name, "documents", s.example)
		if err == nil {
			continue
		}
		var write mongo.WriteException
		if !errors.As(err, &write) || len(write.WriteErrors) == 0 || notAllowed(err) {
			return fmt.Errorf("try to write a document: %w", err)
		}
		refused, reasons[s.name] = append(refused, s), withoutValues(errors.New(write.WriteErrors[0].Message)).Error()
	}
	if len(refused) == 0 {
		return nil
	}
	collections, _, _ := plan(all)
	slices.Reverse(collections) // the small ones first: the time may not do for all
	until := time.Now().Add(t.target.limits.trial / 2)
	for _, c := range collections {
		if c.kind == kindTimeseries || c.documents == 0 {
			continue
		}
		found, err := t.source.shaped(ctx, c, refused, time.Until(until))
		if err != nil {
			t.untried, t.why = t.untried+1, fmt.Errorf("look at the documents of %s: %w", c, err)
			continue
		}
		for _, s := range found {
			t.found = append(t.found, mover.UnsupportedObject{Database: c.database, Object: "a document of collection " + c.name,
				Reason: fmt.Sprintf("it has %s, which the target refuses: %s", s.name, reasons[s.name])})
		}
	}
	return nil
}

// insertOne writes one document that nobody waits for.
func (s *server) insertOne(ctx context.Context, database, name string, document any) error {
	return s.quickly(ctx, "write to database "+database, func(ctx context.Context) error {
		_, err := s.client.Database(database).Collection(name).InsertOne(ctx, document)
		return err
	})
}

// shaped tells which shapes documents of a collection have. Names of fields and
// values stay where they are.
func (s *server) shaped(ctx context.Context, c collection, shapes []shape, limit time.Duration) ([]shape, error) {
	if limit <= 0 {
		return nil, context.DeadlineExceeded
	}
	group := bson.D{{Key: "_id", Value: nil}}
	for i, one := range shapes {
		group = append(group, bson.E{Key: fmt.Sprint("s", i), Value: bson.D{{Key: "$max", Value: one.has}}})
	}
	var answer []bson.M
	err := s.within(ctx, limit+s.limits.connect, "look at the documents of "+c.String(), func(ctx context.Context) (err error) {
		answer, err = all[bson.M](ctx, func(ctx context.Context) (*mongo.Cursor, error) {
			return s.client.Database(c.database).Collection(c.data()).Aggregate(ctx, mongo.Pipeline{{{Key: "$group", Value: group}}}, options.Aggregate().SetMaxTime(limit))
		})
		return err
	})
	if err != nil || len(answer) == 0 {
		return nil, err
	}
	var found []shape
	for i, one := range shapes {
		if yes, ok := answer[0][fmt.Sprint("s", i)].(bool); ok && yes {
			found = append(found, one)
		}
	}
	return found, nil
}
