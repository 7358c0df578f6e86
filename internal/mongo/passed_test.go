package mongo

import (
	"math"
	"testing"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// TestSpansFollowEachOther: every distance is in one span, spans are narrow, and
// there are not many up to the end of time.
func TestSpansFollowEachOther(t *testing.T) {
	number, end := 0, int64(0)
	for ; end < math.MaxInt64; number++ {
		after, until := spanOf(end + 1)
		if lastAfter, lastUntil := spanOf(until); after != end || lastAfter != after || lastUntil != until {
			t.Fatalf("behind %d is a span from %d to %d, whose end is in one from %d to %d", end, after, until, lastAfter, lastUntil)
		}
		if width := until - after; width > max(spanUnit, after/32) {
			t.Errorf("the span behind %d is %d wide", after, width)
		}
		end = until
	}
	if number > 1500 {
		t.Errorf("there are %d spans", number)
	}
}

// expiring are documents in which a rule about a, b.c, b.0.c, b.0 or d finds a
// date, or seems to.
func expiring(since time.Time) []any {
	at := func(minutes int64) primitive.DateTime {
		return primitive.DateTime(since.UnixMilli() + minutes*60000)
	}
	all := []any{
		bson.D{}, bson.D{{Key: "a", Value: nil}}, bson.D{{Key: "a", Value: "2001-01-01"}}, bson.D{{Key: "a", Value: primitive.Timestamp{T: 1}}}, bson.D{{Key: "a", Value: int64(1)}},
		bson.D{{Key: "a", Value: primitive.DateTime(math.MinInt64)}}, bson.D{{Key: "a", Value: primitive.DateTime(math.MaxInt64)}}, bson.D{{Key: "a", Value: primitive.MinKey{}}},
		bson.D{{Key: "a", Value: bson.A{}}}, bson.D{{Key: "a", Value: bson.A{at(90), "x", at(200), nil}}}, bson.D{{Key: "a", Value: bson.A{bson.A{at(90)}}}},
		bson.D{{Key: "a", Value: bson.D{{Key: "a", Value: at(90)}}}}, bson.D{{Key: "b", Value: at(90)}}, bson.D{{Key: "b", Value: bson.D{{Key: "c", Value: at(90)}}}},
		bson.D{{Key: "b", Value: bson.D{{Key: "0", Value: bson.D{{Key: "c", Value: at(90)}}}}}}, bson.D{{Key: "b", Value: bson.D{{Key: "0", Value: at(90)}}}},
		bson.D{{Key: "b", Value: bson.A{at(91), bson.D{{Key: "c", Value: at(92)}}}}}, bson.D{{Key: "b", Value: bson.A{bson.D{{Key: "c", Value: at(93)}}, bson.D{{Key: "c", Value: bson.A{at(94), at(5)}}}}}},
		bson.D{{Key: "b", Value: bson.A{bson.A{at(95)}, bson.A{bson.D{{Key: "c", Value: at(96)}}}}}}, bson.D{{Key: "b", Value: bson.A{bson.D{{Key: "0", Value: at(97)}}}}},
		bson.D{{Key: "b", Value: bson.A{bson.A{bson.D{{Key: "c", Value: at(98)}}}}}}, bson.D{{Key: "b", Value: bson.A{bson.A{bson.A{at(99)}}}}},
		bson.D{{Key: "d", Value: at(100)}, {Key: "a", Value: at(300)}}, bson.D{{Key: "d", Value: at(400)}, {Key: "a", Value: at(100)}},
		// The same field twice: no driver writes that, a server keeps it.
		bson.Raw(rawDocument("\x07_id\x00abcdefghijkl\x09a\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02a\x00\x02\x00\x00\x00x\x00")),
		bson.Raw(rawDocument("\x07_id\x00abcdefghijkm\x02a\x00\x02\x00\x00\x00x\x00\x09a\x00\x01\x00\x00\x00\x00\x00\x00\x00")),
	}
	for minutes := int64(-200); minutes < 1e8; minutes += max(3, minutes/5) {
		all = append(all, bson.D{{Key: "a", Value: at(minutes)}}, bson.D{{Key: "a", Value: at(minutes) - 1}}, bson.D{{Key: "a", Value: at(minutes) + 1}})
	}
	return all
}

// TestWhatPassesIsWhatAServerFinds: the digest of documents that went by is, for
// any later time, the one that a server gives when it is asked for those that
// live until then.
func TestWhatPassesIsWhatAServerFinds(t *testing.T) {
	t.Parallel()
	since := time.Now().Truncate(time.Millisecond)
	for _, release := range []string{"4.4", "6.0"} {
		p := pair{source: mongotest.New(t, mongotest.Options{Release: release, Arguments: []string{"--setParameter", "ttlMonitorEnabled=false"}})}
		insert(t, p.source, "main", "c", expiring(since)...)
		s, err := newServer(sourceSide, endpoint(p.source), "test")
		if err != nil {
			t.Fatal(err)
		}
		defer s.close(t.Context())
		if err := s.connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		compared := map[int64]bool{}
		for _, fields := range [][]string{{"a"}, {"b.c"}, {"b.0.c"}, {"b.0"}, {"a", "d"}, {"missing"}} {
			for _, seconds := range []int64{0, 3600, math.MaxInt32} {
				c := collection{database: "main", name: "c", kind: kindCollection}
				for _, field := range fields {
					c.indexes = append(c.indexes, bsonOf(t, bson.D{{Key: "key", Value: bson.D{{Key: field, Value: 1}}}, {Key: "expireAfterSeconds", Value: seconds}}))
				}
				taken := takenOf(t, s, c, since)
				for _, later := range []time.Duration{-time.Hour, 0, time.Millisecond, time.Minute, expiryMargin, 100 * time.Minute, 1000 * time.Hour, 30 * 365 * 24 * time.Hour} {
					want, until := taken.living(since.Add(later))
					have, err := s.read(t.Context(), c, living(c.expiries(), until))
					if err != nil || want != have {
						t.Errorf("%s: rules about %q after %d s, %s later: %+v passed, the server gives %+v, %v", release, fields, seconds, later, want, have, err)
					}
					if early := until.Sub(since) - later; later > 0 && (early < 0 || early > max(time.Minute, later/32+time.Minute)) {
						t.Errorf("asked for %s, got %s", later, until.Sub(since))
					}
					compared[want.documents] = true
				}
			}
		}
		if len(compared) < 12 {
			t.Errorf("only %v", compared)
		}
	}
}

// takenOf has every document of a collection pass.
func takenOf(t *testing.T, s *server, c collection, since time.Time) *passed {
	t.Helper()
	taker := newTaker(c, since)
	cursor, err := s.client.Database(c.database).Collection(c.data()).Find(t.Context(), bson.D{}, options.Find().SetHint(bson.D{{Key: "$natural", Value: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	for cursor.Next(t.Context()) {
		taker.take(cursor.Current)
	}
	if err := cursor.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := passedFrom(taker.done())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// passedFrom writes a digest down and reads it back.
func passedFrom(p *passed) (*passed, error) { return p.text().passed() }

func bsonOf(t *testing.T, value any) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// fleeting are collections from which a server deletes by itself, in all the
// ways there are.
var fleeting = []string{
	`{"createIndexes": "ttl", "indexes": [{"key": {"at": 1}, "name": "at", "expireAfterSeconds": 60}, {"key": {"deep.er": 1}, "name": "deeper", "expireAfterSeconds": 0}]}`,
	`{"createIndexes": "some", "indexes": [{"key": {"at": 1}, "name": "at", "expireAfterSeconds": 60, "partialFilterExpression": {"done": true}}]}`,
	`{"create": "capped", "capped": true, "size": 65536}`,
	`{"create": "series", "timeseries": {"timeField": "at", "metaField": "host"}, "expireAfterSeconds": 3600}`,
	`{"create": "clustered", "clusteredIndex": {"key": {"_id": 1}, "unique": true}, "expireAfterSeconds": 100}`,
	`{"create": "plain"}`,
}

// fleet makes them, on 6.0, with documents that are gone, that go soon, that go
// later and that stay. On a source nothing is deleted, on a target it is.
func fleet(t *testing.T) pair {
	t.Helper()
	p := pair{source: mongotest.New(t, mongotest.Options{Release: "6.0", Arguments: []string{"--setParameter", "ttlMonitorEnabled=false"}}), target: mongotest.New(t, mongotest.Options{Release: "6.0", ReplicaSet: "rs0"})}
	for _, command := range fleeting {
		p.source.Command(t, "main", command)
	}
	soon, later := primitive.NewDateTimeFromTime(time.Now().Add(10*time.Minute)), primitive.NewDateTimeFromTime(time.Now().Add(100*time.Hour))
	for i, at := range []primitive.DateTime{longAgo, soon, later, farAhead} {
		insert(t, p.source, "main", "ttl", bson.D{{Key: "at", Value: at}, {Key: "n", Value: 1}}, bson.D{{Key: "deep", Value: bson.A{bson.D{{Key: "er", Value: at}}}}}, bson.D{{Key: "at", Value: i}, {Key: "n", Value: 1}})
		insert(t, p.source, "main", "some", bson.D{{Key: "at", Value: at}, {Key: "done", Value: true}}, bson.D{{Key: "at", Value: at}, {Key: "n", Value: 1}}, bson.D{{Key: "n", Value: 1}})
		insert(t, p.source, "main", "capped", bson.D{{Key: "n", Value: 1}}, bson.D{{Key: "n", Value: 2}})
		insert(t, p.source, "main", "series", bson.D{{Key: "at", Value: at}, {Key: "host", Value: i}}, bson.D{{Key: "at", Value: at}, {Key: "host", Value: "b"}})
		insert(t, p.source, "main", "clustered", bson.D{{Key: "_id", Value: at}, {Key: "n", Value: 1}}, bson.D{{Key: "_id", Value: i}, {Key: "n", Value: 1}})
		insert(t, p.source, "main", "plain", bson.D{{Key: "n", Value: 1}})
	}
	return p
}
