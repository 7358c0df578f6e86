package mongoseed

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// values inserts a document of every type and of every extreme, identifiers of
// every type, and documents of every extreme of shape.
func values(ctx context.Context, client *mongo.Client, o Options) error {
	db := client.Database(Application)
	for name, list := range map[string][]any{"values": everyValue(), "identifiers": everyValue()} {
		c := db.Collection(name)
		err := insertMany(ctx, c, int64(len(list)), func(i int64) bson.D {
			if name == "identifiers" {
				return bson.D{{Key: "_id", Value: list[i]}, {Key: "n", Value: i}}
			}
			return bson.D{{Key: "_id", Value: i}, {Key: "value", Value: list[i]}, {Key: "in", Value: bson.A{list[i], bson.D{{Key: "x", Value: list[i]}}}}}
		})
		if err != nil {
			return err
		}
	}
	if _, err := db.Collection("shapes").InsertMany(ctx, shapes()); err != nil {
		return fmt.Errorf("insert into shapes: %w", err)
	}
	return file(ctx, db, o)
}

func decimal(text string) bson.Decimal128 {
	d, err := bson.ParseDecimal128(text)
	if err != nil {
		panic(err) // the texts are constants
	}
	return d
}

// everyValue can all be identifiers too: none is an array, a regular
// expression or undefined, and no two are equal to the server.
func everyValue() []any {
	binary := func(kind byte) bson.Binary {
		return bson.Binary{Subtype: kind, Data: bytes.Repeat([]byte{kind, 0xff}, 8)}
	}
	return []any{
		math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1,
		int32(math.MinInt32), int32(7), int64(math.MaxInt64), int64(math.MinInt64), int64(1)<<53 + 1,
		decimal("1.10"), decimal("9.999999999999999999999999999999999E+6144"), decimal("-1E-6176"),
		"", "text", "with \x00 in it", "日本語 \U0001F600 e\u0301", strings.Repeat("x", 1000),
		bson.D{}, bson.D{{Key: "b", Value: 1}, {Key: "a", Value: 2}}, bson.D{{Key: "a", Value: 2}, {Key: "b", Value: 1}},
		binary(0), binary(2), binary(3), binary(4), binary(5), binary(128), bson.Binary{},
		bson.ObjectID{}, objectID('v', 1), true, false, nil,
		bson.DateTime(0), bson.DateTime(-62135596800000), bson.DateTime(math.MaxInt64), bson.DateTime(math.MinInt64),
		bson.Timestamp{T: 1, I: 2}, bson.Timestamp{T: math.MaxUint32, I: math.MaxUint32},
		bson.JavaScript("function() {}"), bson.CodeWithScope{Code: "x", Scope: bson.D{{Key: "x", Value: 1}}}, bson.Symbol("symbol"),
		bson.DBPointer{DB: "circle_ghe.users", Pointer: objectID('u', 1)}, bson.MinKey{}, bson.MaxKey{},
	}
}

// shapes are documents that are awkward as a whole.
func shapes() []any {
	deep := bson.D{{Key: "end", Value: true}}
	for range 90 {
		deep = bson.D{{Key: "d", Value: deep}}
	}
	wide := bson.D{{Key: "_id", Value: "wide"}}
	for i := range 5000 {
		wide = append(wide, bson.E{Key: fmt.Sprintf("field %d", 5000-i), Value: int32(i)})
	}
	largest := bson.D{{Key: "_id", Value: "largest"}, {Key: "data", Value: ""}}
	raw, err := bson.Marshal(largest)
	if err != nil {
		panic(err) // of two strings
	}
	largest[1].Value = strings.Repeat("0123456789abcdef", 1<<20)[:16<<20-len(raw)] // 16 MiB is what the server takes
	return []any{
		bson.D{{Key: "_id", Value: "deep"}, {Key: "d", Value: deep}}, wide, largest,
		bson.D{{Key: "_id", Value: "names"}, {Key: "a.b", Value: 1}, {Key: "in", Value: bson.D{{Key: "$x", Value: 1}, {Key: "", Value: 2}, {Key: "ü", Value: 3}}}, {Key: "", Value: 4}},
		bson.D{{Key: "_id", Value: "twice"}, {Key: "x", Value: 1}, {Key: "x", Value: 2}},
		bson.D{{Key: "first", Value: 1}, {Key: "_id", Value: "not first"}},
		bson.D{{Key: "_id", Value: "others"}, {Key: "regex", Value: bson.Regex{Pattern: "^a.*\\d$", Options: "imsx"}}, {Key: "undefined", Value: bson.Undefined{}}, {Key: "arrays", Value: bson.A{bson.A{}, bson.A{bson.A{1}}, nil}}},
		bson.D{{Key: "_id", Value: "zeroes"}, {Key: "decimals", Value: bson.A{decimal("-0"), decimal("0.000"), decimal("NaN"), decimal("-Infinity"), decimal("0E+6000")}}},
	}
}

// file is a file as the drivers cut it up.
func file(ctx context.Context, db *mongo.Database, o Options) error {
	const chunk, chunks = 255 << 10, 5
	r := stream(o.Seed, "file")
	id := objectID('f', 1)
	_, err := db.Collection("fs.files").InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "length", Value: int64(chunk * chunks)},
		{Key: "chunkSize", Value: int32(chunk)}, {Key: "uploadDate", Value: epoch}, {Key: "filename", Value: "output.log"}})
	if err != nil {
		return fmt.Errorf("insert into fs.files: %w", err)
	}
	_, err = db.Collection("fs.chunks").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "files_id", Value: 1}, {Key: "n", Value: 1}}})
	if err != nil {
		return fmt.Errorf("index fs.chunks: %w", err)
	}
	return insertMany(ctx, db.Collection("fs.chunks"), chunks, func(i int64) bson.D {
		data := make([]byte, chunk)
		for j := range data {
			data[j] = byte(r.Uint32())
		}
		return bson.D{{Key: "_id", Value: objectID('c', i)}, {Key: "files_id", Value: id}, {Key: "n", Value: int32(i)}, {Key: "data", Value: bson.Binary{Data: data}}}
	})
}
