package mongo

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
)

// Some of what old servers wrote down no server takes any more. It is left
// out, and a copy says so; none of it changes what a collection or an index
// does.
var (
	deadCollectionOptions = []string{"autoIndexId", "flags", "temp", "uuid"}
	deadIndexOptions      = []string{"ns", "background", "dropDups", "safe", "w", "j", "fsync", "wtimeout"}
)

// optionsOfKinds are index options that mean something to indexes of one kind
// only. 4.4 and older take them on any other and take no notice, 5.0 and newer
// refuse them on a new one (SERVER-51871; the manual, compatibility changes of
// 5.0); mongorestore leaves them out with --convertLegacyIndexes.
var optionsOfKinds = map[string]string{
	"weights": "text", "default_language": "text", "language_override": "text", "textIndexVersion": "text",
	"2dsphereIndexVersion": "2dsphere", "bits": "2d", "min": "2d", "max": "2d", "bucketSize": "geoHaystack", "wildcardProjection": "wildcard",
}

// idleOf names the options of an index that mean something to indexes of
// another kind, and nothing to this one.
func idleOf(index bson.Raw) (idle []string) {
	key, _ := index.Lookup("key").DocumentOK()
	parts, err := key.Elements()
	if err != nil {
		return nil
	}
	kinds := map[string]bool{}
	for _, part := range parts {
		if kind, ok := part.Value().StringValueOK(); ok {
			kinds[kind] = true
		}
		if name := part.Key(); name == "$**" || strings.HasSuffix(name, ".$**") {
			kinds["wildcard"] = true
		}
	}
	elements, err := index.Elements()
	if err != nil {
		return nil
	}
	for _, e := range elements {
		if kind := optionsOfKinds[e.Key()]; kind != "" && !kinds[kind] {
			idle = append(idle, e.Key())
		}
	}
	return idle
}

// deadOf names what is left out of a specification; the index's own
// namespace, and that it was built in the background, never mattered.
func deadOf(spec bson.Raw, dead []string) (found []string) {
	elements, err := spec.Elements()
	if err != nil {
		return nil
	}
	for _, e := range elements {
		if name := e.Key(); slices.Contains(dead, name) && name != "ns" && name != "background" && name != "uuid" {
			found = append(found, name)
		}
	}
	return found
}

// alive is a specification without what no server takes any more.
func alive(spec bson.Raw, dead []string) (bson.D, error) {
	out := bson.D{}
	if len(spec) == 0 {
		return out, nil
	}
	elements, err := spec.Elements()
	if err != nil {
		return nil, fmt.Errorf("read a specification: %w", err)
	}
	for _, e := range elements {
		if !slices.Contains(dead, e.Key()) {
			out = append(out, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	return out, nil
}

// createCommand makes a collection, view or time series.
func (c collection) createCommand() (bson.D, error) {
	rest, err := alive(c.options, deadCollectionOptions)
	if err != nil {
		return nil, fmt.Errorf("read the options of %s: %w", c, err)
	}
	return append(bson.D{{Key: "create", Value: c.name}}, rest...), nil
}

// indexCommand makes all indexes but the one on _id; nil when there are none.
func (c collection) indexCommand() (bson.D, error) {
	var specs bson.A
	for _, index := range c.indexes {
		spec, err := alive(index, append(idleOf(index), deadIndexOptions...))
		if err != nil {
			return nil, fmt.Errorf("read index %s of %s: %w", indexName(index), c, err)
		}
		if c.option("collation").Type != 0 && index.Lookup("collation").Type == 0 && !has(spec, "collation") {
			// It compares bytes, and would inherit the collection's collation.
			spec = append(spec, bson.E{Key: "collation", Value: bson.D{{Key: "locale", Value: "simple"}}})
		}
		specs = append(specs, spec)
	}
	if len(specs) == 0 {
		return nil, nil
	}
	return bson.D{{Key: "createIndexes", Value: c.name}, {Key: "indexes", Value: specs}}, nil
}

func has(d bson.D, key string) bool {
	return slices.ContainsFunc(d, func(e bson.E) bool { return e.Key == key })
}

// expiry is one TTL index, or the TTL of a time series or clustered collection.
type expiry struct {
	field   string
	seconds int64
	partial bson.RawValue
}

// conditional tells whether a rule is only for some of the documents that have
// its field.
func (e expiry) conditional() bool { return e.partial.Type != 0 }

// unconditional are the same rules for all documents.
func unconditional(rules []expiry) []expiry {
	out := slices.Clone(rules)
	for i := range out {
		out[i].partial = bson.RawValue{}
	}
	return out
}

// expiries are the rules by which the server itself deletes documents.
func (c collection) expiries() []expiry {
	var found []expiry
	for _, index := range c.indexes {
		seconds, ok := expirySeconds(index.Lookup("expireAfterSeconds"))
		key, isDocument := index.Lookup("key").DocumentOK()
		if !ok || !isDocument {
			continue
		}
		elements, err := key.Elements()
		if err != nil || len(elements) != 1 {
			continue // the server ignores it on a compound index too
		}
		found = append(found, expiry{field: elements[0].Key(), seconds: seconds, partial: index.Lookup("partialFilterExpression")})
	}
	seconds, ok := expirySeconds(c.option("expireAfterSeconds"))
	switch {
	case ok && c.kind == kindTimeseries:
		field, _ := c.option("timeseries").Document().Lookup("timeField").StringValueOK()
		found = append(found, expiry{field: "control.min." + field, seconds: seconds})
	case ok:
		found = append(found, expiry{field: "_id", seconds: seconds})
	}
	return found
}

// expirySeconds is after how many seconds documents expire, if they do. Servers
// take 0 to the largest int32 (MongoDB's manual, TTL Indexes), but 4.4 also takes
// NaN, and older ones left other things behind: a value that is no such number is
// no reason to compare fewer documents.
func expirySeconds(v bson.RawValue) (int64, bool) {
	var seconds float64
	switch v.Type {
	case bson.TypeInt32, bson.TypeInt64:
		seconds = float64(v.AsInt64())
	case bson.TypeDouble:
		seconds = v.Double()
	default:
		return 0, false
	}
	if !(seconds >= 0 && seconds <= math.MaxInt32) { // NaN is neither
		return 0, false
	}
	return int64(seconds), true
}

// adapted says in words what a copy of this collection leaves out.
func (c collection) adapted() []string {
	var lines []string
	if dead := deadOf(c.options, deadCollectionOptions); len(dead) > 0 {
		lines = append(lines, fmt.Sprintf("collection %s loses %s, which no server knows any more", c, strings.Join(dead, ", ")))
	}
	for _, index := range c.indexes {
		if dead := deadOf(index, deadIndexOptions); len(dead) > 0 {
			lines = append(lines, fmt.Sprintf("index %s of %s loses %s, which no server knows any more", indexName(index), c, strings.Join(dead, ", ")))
		}
		if idle := idleOf(index); len(idle) > 0 {
			lines = append(lines, fmt.Sprintf("index %s of %s loses %s, which mean nothing to an index of its kind", indexName(index), c, strings.Join(idle, ", ")))
		}
	}
	return lines
}
