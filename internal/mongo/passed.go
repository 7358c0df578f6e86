package mongo

import (
	"cmp"
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"

	tooldb "github.com/mongodb/mongo-tools/common/db"
	"github.com/zeebo/xxh3"
	"go.mongodb.org/mongo-driver/bson"
)

// passed is the digest of a collection's documents, taken while they went by.
//
// A server deletes by itself what expires, so of a collection with expiries it
// is one digest of what stays, and one for each span of time of what expires
// in it: whoever compares later takes those that are still to come. A span is a
// minute wide in the first hour and a thirty-second of its distance later, so
// that their number has a limit, whatever dates there are.
type passed struct {
	// documents are all that went by.
	documents int64
	stays     digest
	// since is when the documents went by, in milliseconds of Unix time.
	since int64
	spans []span // by time; what had expired by since is in none
}

// span is what expires after one time, and not after that of the next span.
type span struct {
	after int64
	digest
}

const (
	spanUnit = int64(time.Minute / time.Millisecond)
	// evenSpans is how many spans are one unit wide.
	evenSpans = 64
)

// spanOf gives where the span begins and ends that holds a distance from since,
// which is positive. The begin is not in it, the end is.
func spanOf(distance int64) (after, until int64) {
	unit := (distance - 1) / spanUnit
	shift := max(bits.Len64(uint64(unit))-bits.Len64(evenSpans-1), 0)
	first := unit >> shift << shift
	if first+1<<shift > math.MaxInt64/spanUnit {
		return first * spanUnit, math.MaxInt64
	}
	return first * spanUnit, (first + 1<<shift) * spanUnit
}

// living is the digest of what does not expire until a time a little later than
// the one that is asked for, and that time.
func (p *passed) living(until time.Time) (digest, time.Time) {
	bound := p.since
	if distance := until.UnixMilli() - p.since; distance > 0 {
		_, end := spanOf(distance)
		bound = addUp(p.since, end)
	}
	sum := p.stays
	for _, s := range p.spans {
		if s.after >= bound {
			sum.merge(s.digest)
		}
	}
	return sum, time.UnixMilli(bound)
}

// taker makes the digest of documents that pass.
type taker struct {
	hasher
	rules []expiry
	taken passed
	spans map[int64]*digest
}

func newTaker(c collection, at time.Time) *taker {
	rules := c.expiries()
	return &taker{hasher: hasher{ordered: c.capped() && len(rules) == 0}, rules: rules, taken: passed{since: at.UnixMilli()}, spans: map[int64]*digest{}}
}

func (t *taker) take(document bson.Raw) {
	t.taken.documents++
	into := &t.taken.stays
	if end, ok := expiresAt(t.rules, document); ok {
		if end <= t.taken.since {
			return // gone, or going
		}
		after, _ := spanOf(end - t.taken.since)
		if t.spans[after] == nil {
			t.spans[after] = &digest{}
		}
		into = t.spans[after]
	}
	into.add(t.hash(document, into.documents))
}

// done is the digest of all that passed.
func (t *taker) done() *passed {
	for after, sum := range t.spans {
		t.taken.spans = append(t.taken.spans, span{t.taken.since + after, *sum})
	}
	slices.SortFunc(t.taken.spans, func(a, b span) int { return cmp.Compare(a.after, b.after) })
	return &t.taken
}

// taking has every document that mongorestore reads digested.
type taking struct {
	tooldb.RawDocSource
	taker *taker
}

// LoadNext passes the next document on.
func (t taking) LoadNext() []byte {
	document := t.RawDocSource.LoadNext()
	if document != nil {
		t.taker.take(document)
	}
	return document
}

// hasher makes the fingerprint of one document. The order of a capped
// collection is part of it.
type hasher struct {
	ordered bool
	h       *xxh3.Hasher
}

func (h *hasher) hash(document bson.Raw, place int64) xxh3.Uint128 {
	if !h.ordered {
		return xxh3.Hash128(document)
	}
	if h.h == nil {
		h.h = xxh3.New()
	}
	h.h.Reset()
	_, _ = h.h.Write(binary.LittleEndian.AppendUint64(nil, uint64(place))) // a hash takes everything
	_, _ = h.h.Write(document)
	return h.h.Sum128()
}

// expiresAt tells when the server would delete a document: by the earliest date
// that one of the rules finds in it. A condition of a rule is not looked at: of
// what it leaves alone we say that it expires, and compare it no later.
func expiresAt(rules []expiry, document bson.Raw) (at int64, ok bool) {
	for _, rule := range rules {
		if date, found := earliest(document, strings.Split(rule.field, ".")); found {
			end := addUp(date, rule.seconds*1000)
			if !ok || end < at {
				at = end
			}
			ok = true
		}
	}
	return at, ok
}

// earliest is the first of the dates that a query for this path looks at: in
// documents by name, in arrays of documents in each of them, by number in an
// array, and of an array at the end in each element (MongoDB's manual, Query an
// Array, and TTL Indexes, which go by the earliest).
func earliest(document bson.Raw, path []string) (at int64, ok bool) {
	value, err := document.LookupErr(path[0])
	if err != nil {
		return 0, false
	}
	return earliestOf(value, path[1:])
}

func earliestOf(value bson.RawValue, path []string) (at int64, ok bool) {
	note := func(date int64, found bool) {
		if found && (!ok || date < at) {
			at, ok = date, true
		}
	}
	if document, is := value.DocumentOK(); is {
		if len(path) == 0 {
			return 0, false
		}
		return earliest(document, path)
	}
	array, is := value.ArrayOK()
	if !is {
		date, isDate := value.DateTimeOK()
		return date, isDate && len(path) == 0
	}
	elements, err := array.Values()
	if err != nil {
		return 0, false
	}
	for _, element := range elements {
		if len(path) == 0 {
			date, isDate := element.DateTimeOK()
			note(date, isDate)
		} else if document, is := element.DocumentOK(); is {
			note(earliest(document, path))
		}
	}
	if len(path) > 0 {
		if i, err := strconv.Atoi(path[0]); err == nil && i >= 0 && i < len(elements) && strconv.Itoa(i) == path[0] {
			if len(path) > 1 {
				note(earliestOf(elements[i], path[1:]))
			} else { // an array that is named by its number is not looked into
				note(elements[i].DateTimeOK())
			}
		}
	}
	return at, ok
}

// addUp adds what is not negative, as far as there are numbers.
func addUp(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
