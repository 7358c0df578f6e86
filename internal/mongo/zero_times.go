package mongo

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	tooldb "github.com/mongodb/mongo-tools/common/db"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/x/bsonx/bsoncore"
)

// zeroTimes notes which documents have an empty timestamp among their own
// fields: a server that such a document is inserted into puts its own time
// there. An update does not.
type zeroTimes struct {
	tooldb.RawDocSource
	updates []bson.D
}

// LoadNext passes the next document on.
func (z *zeroTimes) LoadNext() []byte {
	document := z.RawDocSource.LoadNext()
	if len(document) < 5 {
		return document
	}
	var id bson.RawValue
	var set bson.D
	for rest := document[4 : len(document)-1]; len(rest) > 0; {
		element, after, ok := bsoncore.ReadElement(rest)
		if !ok {
			return document // mongorestore finds out what is wrong
		}
		rest = after
		switch key := element.Key(); {
		case key == "_id":
			value := element.Value()
			id = bson.RawValue{Type: value.Type, Value: bytes.Clone(value.Data)}
		case element[0] == byte(bson.TypeTimestamp) && bytes.Equal(element[len(element)-8:], make([]byte, 8)) && key != "" && !strings.ContainsAny(key, ".$"):
			set = append(set, bson.E{Key: key, Value: primitive.Timestamp{}})
		}
	}
	if len(set) > 0 && id.Type != 0 {
		z.updates = append(z.updates, bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: id}}}, {Key: "u", Value: bson.D{{Key: "$set", Value: set}}}})
	}
	return document
}

// restoreZeros gives the documents their empty timestamps back.
func (c *copyRun) restoreZeros(ctx context.Context, what collection, z *zeroTimes) error {
	for left := z.updates; len(left) > 0; {
		n := min(len(left), batchSize)
		command := bson.D{{Key: "update", Value: what.data()}, {Key: "updates", Value: left[:n]}, {Key: "bypassDocumentValidation", Value: true}}
		if err := c.target.commandWithin(ctx, c.target.limits.batch, what.database, command, nil); err != nil {
			return fmt.Errorf("give the documents of %s their empty timestamps back: %w", what, err)
		}
		left = left[n:]
	}
	return nil
}
