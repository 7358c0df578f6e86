package mongo

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// longAgo and farAhead stand on both sides of any expiry.
var (
	longAgo  = primitive.NewDateTimeFromTime(time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC))
	farAhead = primitive.NewDateTimeFromTime(time.Date(2999, 2, 3, 4, 5, 6, 0, time.UTC))
)

// awkwardCommands make what a careless copy loses, in the database they stand
// by.
var awkwardCommands = [][2]string{
	{"main", `{"create": "capped", "capped": true, "size": 8192, "max": 20}`},
	{"main", `{"create": "collated", "collation": {"locale": "de", "strength": 2}}`},
	{"main", `{"create": "a.b.c"}`},
	{"main", `{"create": "empty"}`},
	{"main", `{"create": "old id", "idIndex": {"key": {"_id": 1}, "name": "_id_", "v": 1}}`},
	{"main", `{"create": "söme 100% \"odd\" *name\\"}`},
	{"main", `{"create": "tuned", "storageEngine": {"wiredTiger": {"configString": "block_compressor=zlib"}}, "indexOptionDefaults": {"storageEngine": {"wiredTiger": {}}}}`},
	{"main", `{"create": "strict", "validator": {"$and": [{"a": {"$type": "int"}}, {"b.c": {"$exists": true}}]}, "validationLevel": "moderate", "validationAction": "error"}`},
	{"main", `{"create": "schema", "validator": {"$jsonSchema": {"required": ["x"], "properties": {"x": {"bsonType": "string", "pattern": "^a$"}}}}, "validationAction": "warn"}`},
	{"main", `{"createIndexes": "indexed", "indexes": [
		{"key": {"at": 1}, "name": "ttl", "expireAfterSeconds": 3600},
		{"key": {"b": -1, "a": 1}, "name": "b and a", "unique": true, "sparse": true},
		{"key": {"n": 1}, "name": "partial", "partialFilterExpression": {"n": {"$gt": 5}, "s": {"$exists": true}}},
		{"key": {"title": "text", "body": "text"}, "name": "text", "weights": {"title": 10}, "default_language": "german", "language_override": "lang"},
		{"key": {"loc": "2dsphere", "n": 1}, "name": "geo"},
		{"key": {"flat": "2d"}, "name": "flat", "bits": 20, "min": -200, "max": 200},
		{"key": {"$**": 1}, "name": "all", "wildcardProjection": {"a": 1, "deep.er": 1}},
		{"key": {"attrs.$**": 1}, "name": "attrs"},
		{"key": {"h": 1}, "name": "hidden", "hidden": true},
		{"key": {"k": "hashed"}, "name": "hashed"},
		{"key": {"old": 1}, "name": "version one", "v": 1},
		{"key": {"c": 1}, "name": "collated index", "collation": {"locale": "fr", "strength": 1}},
		{"key": {"deep.er": 1.0}, "name": "a double", "background": true}]}`},
	{"main", `{"createIndexes": "collated", "indexes": [{"key": {"w": 1}, "name": "inherits"}, {"key": {"w": -1}, "name": "bytes", "collation": {"locale": "simple"}}]}`},
	{"main", `{"create": "jobs view", "viewOn": "indexed", "pipeline": [{"$match": {"a": {"$gt": 1}}}, {"$project": {"a": 1, "x.y": "$b"}}], "collation": {"locale": "en"}}`},
	{"main", `{"create": "a view on a view", "viewOn": "jobs view", "pipeline": [{"$limit": 3}], "collation": {"locale": "en"}}`},
	{"main", `{"create": "view of nothing", "viewOn": "there is no such thing", "pipeline": []}`},
	{"only_a_view", `{"create": "lonely", "viewOn": "nothing", "pipeline": [{"$count": "n"}]}`},
	{"Ünï-cödé", `{"create": "c", "changing": null}`},
}

// awkward fills a source.
func awkward(t *testing.T, s *mongotest.Server) {
	t.Helper()
	for _, c := range awkwardCommands {
		s.Command(t, c[0], strings.Replace(c[1], `, "changing": null`, "", 1))
	}
	insert(t, s, "main", "types", types()...)
	for _, d := range []string{"strict", "schema"} {
		withoutValidation(t, s, "main", d, bson.D{{Key: "_id", Value: 1}, {Key: "violates", Value: true}})
	}
	for i := range 30 { // ten fall out again
		insert(t, s, "main", "capped", bson.D{{Key: "_id", Value: 100 - i}, {Key: "n", Value: i}})
	}
	var many []any
	for i := range 500 {
		many = append(many, bson.D{{Key: "a", Value: i}, {Key: "b", Value: i}, {Key: "n", Value: i % 10}, {Key: "s", Value: "x"}, {Key: "title", Value: "Häuser am See"},
			{Key: "lang", Value: "german"}, {Key: "loc", Value: bson.D{{Key: "type", Value: "Point"}, {Key: "coordinates", Value: bson.A{float64(i % 90), 1.5}}}},
			{Key: "flat", Value: bson.A{float64(i % 90), 3.0}}, {Key: "attrs", Value: bson.D{{Key: fmt.Sprintf("k%d", i), Value: i}}}, {Key: "k", Value: i}, {Key: "c", Value: "é"}})
	}
	insert(t, s, "main", "indexed", many...)
	insert(t, s, "main", "indexed", bson.D{{Key: "b", Value: -1}, {Key: "at", Value: farAhead}}, bson.D{{Key: "b", Value: -2}, {Key: "at", Value: bson.A{farAhead, "x"}}})
	insert(t, s, "main", "collated", bson.D{{Key: "_id", Value: "Straße"}, {Key: "w", Value: "A"}}, bson.D{{Key: "_id", Value: "b"}, {Key: "w", Value: "a"}})
	insert(t, s, "main", "a.b.c", bson.D{{Key: "x", Value: 1}})
	insert(t, s, "main", "söme 100% \"odd\" *name\\", bson.D{{Key: "x", Value: 1}})
	insert(t, s, "main", "system.js", bson.D{{Key: "_id", Value: "f"}, {Key: "value", Value: primitive.JavaScript("function (x) { return x }")}})
	insert(t, s, "main", "large", bson.D{{Key: "_id", Value: 1}, {Key: "raw", Value: make([]byte, 12<<20)}}, bson.D{{Key: "_id", Value: 2}, {Key: "text", Value: strings.Repeat("é", 6<<20)}})
	s.User(t, "main", "app", `[{"role": "readWrite", "db": "main"}]`)
}

// types are documents with every kind of value, also those no driver makes any
// more.
func types() []any {
	deep := bson.D{{Key: "leaf", Value: nil}}
	for range 80 {
		deep = bson.D{{Key: "", Value: bson.A{nil, deep}}}
	}
	binaries := bson.A{}
	for _, subtype := range []byte{0, 1, 2, 3, 4, 5, 128, 255} {
		binaries = append(binaries, primitive.Binary{Subtype: subtype, Data: []byte("0123456789abcdef")})
	}
	decimal := func(s string) primitive.Decimal128 {
		d, err := primitive.ParseDecimal128(s)
		if err != nil {
			panic(err)
		}
		return d
	}
	// The same field twice, and a string that is no UTF-8: no driver writes that, a server keeps it.
	twice := rawDocument("\x10_id\x00\x09\x00\x00\x00\x10a\x00\x01\x00\x00\x00\x10a\x00\x02\x00\x00\x00")
	broken := rawDocument("\x10_id\x00\x0a\x00\x00\x00\x02a\x00\x04\x00\x00\x00\xff\xfe\x80\x00")
	return []any{
		bson.D{{Key: "_id", Value: nil}, {Key: "deep", Value: deep}},
		bson.D{{Key: "_id", Value: bson.D{{Key: "b", Value: 1}, {Key: "a", Value: bson.A{1, "x"}}}}, {Key: "", Value: ""}, {Key: " ", Value: bson.D{{Key: "", Value: bson.D{}}}}},
		bson.D{{Key: "_id", Value: 1}, {Key: "numbers", Value: bson.A{math.NaN(), math.Float64frombits(0x7ff8000000000001), math.Copysign(0, -1), math.Inf(-1), int32(1), int64(1), 1.0, math.MaxInt64}}},
		bson.D{{Key: "_id", Value: 2}, {Key: "decimals", Value: bson.A{decimal("NaN"), decimal("-0"), decimal("1.0"), decimal("1.00"), decimal("-Infinity"), decimal("9.999999999999999999999999999999999E+6144")}}},
		bson.D{{Key: "_id", Value: 3}, {Key: "binaries", Value: binaries}, {Key: "uuid", Value: primitive.Binary{Subtype: 4, Data: make([]byte, 16)}}},
		bson.D{{Key: "_id", Value: 4}, {Key: "regex", Value: primitive.Regex{Pattern: "^a/b", Options: "imsx"}}, {Key: "ref", Value: bson.D{{Key: "$ref", Value: "jobs"}, {Key: "$id", Value: primitive.NewObjectID()}, {Key: "$db", Value: "main"}}}},
		bson.D{{Key: "_id", Value: 5}, {Key: "js", Value: primitive.JavaScript("1")}, {Key: "scoped", Value: primitive.CodeWithScope{Code: "x", Scope: bson.D{{Key: "x", Value: 1}}}},
			{Key: "symbol", Value: primitive.Symbol("s")}, {Key: "undefined", Value: primitive.Undefined{}}, {Key: "pointer", Value: primitive.DBPointer{DB: "a.b", Pointer: primitive.NewObjectID()}},
			{Key: "min", Value: primitive.MinKey{}}, {Key: "max", Value: primitive.MaxKey{}}, {Key: "ts", Value: primitive.Timestamp{T: 1, I: 2}}, {Key: "zero", Value: bson.D{{Key: "ts", Value: primitive.Timestamp{}}}}},
		bson.D{{Key: "_id", Value: 6}, {Key: "dots", Value: bson.D{{Key: "a.b", Value: 1}, {Key: "$c", Value: 2}, {Key: "d", Value: bson.D{{Key: "$e.f", Value: 3}}}}}, {Key: "naïve ключ 🚀", Value: "日本\x00語"}},
		bson.D{{Key: "_id", Value: 7}, {Key: "at", Value: longAgo}, {Key: "before", Value: primitive.DateTime(-62135596800000)}},
		twice, broken,
	}
}

// rawDocument puts a length before elements and an end behind them.
func rawDocument(elements string) bson.Raw {
	raw := binary.LittleEndian.AppendUint32(nil, uint32(len(elements)+5))
	return append(append(raw, elements...), 0)
}

// withoutValidation inserts what the collection's validator refuses.
func withoutValidation(t *testing.T, s *mongotest.Server, database, name string, document bson.D) {
	t.Helper()
	command := bson.D{{Key: "insert", Value: name}, {Key: "documents", Value: bson.A{document}}, {Key: "bypassDocumentValidation", Value: true}}
	if err := s.Client(t).Database(database).RunCommand(context.Background(), command).Err(); err != nil {
		t.Fatal(err)
	}
}
