package mongo

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// TestErrorsQuoteNoDocument shows what a server says of a document it refuses.
func TestErrorsQuoteNoDocument(t *testing.T) {
	t.Parallel()
	s := mongotest.New(t, mongotest.Options{Release: "4.4"})
	insert(t, s, "main", "c", bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: "a secret"}, {Key: "loc", Value: "a secret place"}}, bson.D{{Key: "_id", Value: 2}, {Key: "a", Value: "a secret"}})
	m, err := newServer(sourceSide, endpoint(s), "test")
	if err != nil {
		t.Fatal(err)
	}
	defer m.close(t.Context())
	for _, row := range []struct{ key, unique, want string }{
		{"a", "true", "createIndexes in database main: (DuplicateKey) Index build failed"},
		{"loc", "2dsphere", "createIndexes in database main: (Location16755) Index build failed"},
	} {
		key, unique := any(1), true
		if row.unique == "2dsphere" {
			key, unique = "2dsphere", false
		}
		err := m.command(t.Context(), "main", bson.D{{Key: "createIndexes", Value: "c"}, {Key: "indexes", Value: bson.A{
			bson.D{{Key: "key", Value: bson.D{{Key: row.key, Value: key}}}, {Key: "name", Value: "i"}, {Key: "unique", Value: unique}}}}}, nil)
		var known *mover.Error
		if !errors.As(err, &known) || known.Code != mover.CodeFailed || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), row.want) {
			t.Errorf("got %v", err)
		}
	}
}

func TestDocumentDBIsKnownByItsNames(t *testing.T) {
	for host, want := range map[string]bool{
		"docdb.cluster-ccuszbx3pn5e.us-east-1.docdb.amazonaws.com:27017": true,
		"shop-123.eu-central-1.docdb-elastic.amazonaws.com:27017":        true,
		"x.cluster-y.docdb.cn-north-1.amazonaws.com.cn:27017":            true,
		"X.Cluster-Y.us-east-1.DocDB.amazonaws.com.":                     true,
		"ec2-1-2-3-4.compute-1.amazonaws.com:27017":                      false,
		"docdb.example.com:27017":                                        false,
		"amazonaws.com":                                                  false,
		"mongodb.circleci-server.svc.cluster.local:27017":                false,
		"internal-docdbproxy.us-east-1.elb.amazonaws.com:27017":          false,
	} {
		if got := amazonHost(host); got != want {
			t.Errorf("%s: %t, want %t", host, got, want)
		}
	}
}

func TestSpecificationsThatMeanTheSame(t *testing.T) {
	parse := func(text string) bson.Raw {
		var d bson.D
		if err := bson.UnmarshalExtJSON([]byte(text), false, &d); err != nil {
			t.Fatal(err)
		}
		raw, err := bson.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	for _, row := range []struct{ a, b, want string }{
		{`{"name": "i", "key": {"a": 1, "b": 1}}`, `{"key": {"a": 1, "b": 1}, "name": "i"}`, "[]"},
		{`{"key": {"a": 1, "b": 1}}`, `{"key": {"b": 1, "a": 1}}`, "[key]"},
		{`{"key": {"a": 1}}`, `{"key": {"a": 1.0}}`, "[key]"},
		{`{"expireAfterSeconds": 5}`, `{"expireAfterSeconds": 5.0}`, "[]"},
		{`{"expireAfterSeconds": 5}`, `{"expireAfterSeconds": {"$numberLong": "6"}}`, "[expireAfterSeconds]"},
		{`{"background": true, "ns": "a.b"}`, `{}`, "[]"},
		{`{"wildcardProjection": {"a": 1, "b.c": 1}}`, `{"wildcardProjection": {"b": {"c": true}, "a": true, "_id": false}}`, "[]"},
		{`{"wildcardProjection": {"a": 1}}`, `{"wildcardProjection": {"a": 1, "_id": 1}}`, "[wildcardProjection]"},
		{`{"wildcardProjection": {"a": 0}}`, `{"wildcardProjection": {"a": 1}}`, "[wildcardProjection]"},
		{`{"validator": {"a": {"$gt": 1}}}`, `{"validator": {"a": {"$gt": {"$numberLong": "1"}}}}`, "[validator]"},
		{`{"unique": true}`, `{}`, "[unique]"},
		{`{"sparse": null}`, `{}`, "[sparse]"},
	} {
		var got []string
		for _, d := range differingFields(parse(row.a), parse(row.b), deadIndexOptions) {
			got = append(got, d.name)
		}
		if fmt.Sprint(got) != row.want {
			t.Errorf("%s against %s: %v, want %s", row.a, row.b, got, row.want)
		}
	}
}
