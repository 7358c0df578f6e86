package mongo

import (
	"context"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/zeebo/xxh3"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"golang.org/x/sync/errgroup"
)

// expiryMargin is how far ahead of now a document must live to be compared:
// the server deletes expired ones by itself, on each side when it likes.
const expiryMargin = 30 * time.Minute

// digest is the fingerprint of a collection: how many documents, and the
// 128-bit hashes of all added modulo 2^128, so that their order does not
// matter and a document that is there twice counts. It finds accidents, not
// an adversary.
type digest struct {
	documents int64
	hi, lo    uint64
}

func (d *digest) add(h xxh3.Uint128) {
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, h.Lo, 0)
	d.hi, _ = bits.Add64(d.hi, h.Hi, carry)
	d.documents++
}

// merge adds what another digest covers.
func (d *digest) merge(other digest) {
	var carry uint64
	d.lo, carry = bits.Add64(d.lo, other.lo, 0)
	d.hi, _ = bits.Add64(d.hi, other.hi, carry)
	d.documents += other.documents
}

// compareContents compares documents, a few collections at a time.
func (p *proof) compareContents(ctx context.Context, all []pairOf) error {
	var total int64
	for _, c := range all {
		total += c.source.bytes
	}
	slices.SortStableFunc(all, func(a, b pairOf) int { return int(min(max(b.source.bytes-a.source.bytes, -1), 1)) })
	p.progress.Enter("compare", "", total)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.req.Streams)
	for _, c := range all {
		g.Go(func() error {
			if err := p.compareContent(gctx, c); err != nil {
				return fmt.Errorf("compare %s: %w", c.source, err)
			}
			p.progress.Add(c.source.String(), int(c.source.bytes))
			return nil
		})
	}
	return g.Wait()
}

// compareContent compares the documents of one collection: by the digest that
// was taken when the source's went by, where it counts, else by the hash the
// servers make of it where both do, otherwise, and to say what differs, by
// reading them.
func (p *proof) compareContent(ctx context.Context, c pairOf) error {
	taken := p.counting(c.source)
	// The hash goes by _id, so it does not see the order of a capped collection.
	if taken == nil && p.source != nil && !p.scan && len(c.source.expiries()) == 0 && !c.source.capped() {
		want, have, err := p.hashes(ctx, c)
		if err != nil {
			return err
		}
		if want != "" && want == have {
			p.Compared("documents", int(c.source.documents))
			return nil
		}
	}
	want, have, err := p.digests(ctx, c, taken)
	if err != nil {
		return err
	}
	p.Compared("documents", int(want.documents))
	switch {
	case want.documents != have.documents:
		p.Differ(c.source.database, c.source.kind, c.source.name, "document count differs", fmt.Sprint(want.documents), fmt.Sprint(have.documents))
	case want != have:
		p.Differ(c.source.database, c.source.kind, c.source.name, "content differs: same document count, other content", "", "")
	}
	return nil
}

// counting is the digest that was taken when the documents went by, nil where a
// server is better asked: it can tell which documents a condition lets expire,
// and in which order those stand that are left of a capped collection.
func (p *proof) counting(c collection) *passed {
	rules := c.expiries()
	if p.source != nil && (slices.ContainsFunc(rules, expiry.conditional) || c.capped() && len(rules) > 0) {
		return nil
	}
	return c.passed
}

// digests are those of both sides. Where the source's was taken when its
// documents went by, only the target has to be read.
func (p *proof) digests(ctx context.Context, c pairOf, taken *passed) (want, have digest, err error) {
	rules, until := c.source.expiries(), time.Now().Add(expiryMargin)
	switch {
	case taken != nil:
		want, until = taken.living(until)
		have, err = p.target.readAs(ctx, c.target, living(unconditional(rules), until), c.target.capped() && len(rules) == 0)
		return want, have, err
	case p.source == nil:
		return want, have, failf(sourceSide, mover.CodeInconclusive, "there is no digest of its documents on record, and no source to ask")
	}
	filter := living(rules, until)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { want, err = p.source.read(gctx, c.source, filter); return err })
	g.Go(func() (err error) { have, err = p.target.read(gctx, c.target, filter); return err })
	return want, have, g.Wait()
}

// hashes asks both servers at once for their hash of one collection. It is
// empty where a server gives none.
func (p *proof) hashes(ctx context.Context, c pairOf) (want, have string, err error) {
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { want, err = p.source.hash(gctx, c.source); return err })
	g.Go(func() (err error) { have, err = p.target.hash(gctx, c.target); return err })
	return want, have, g.Wait()
}

func (s *server) hash(ctx context.Context, c collection) (string, error) {
	var answer struct {
		Collections map[string]string `bson:"collections"`
	}
	err := s.commandWithin(ctx, s.limits.of(c.bytes), c.database, bson.D{{Key: "dbHash", Value: 1}, {Key: "collections", Value: bson.A{c.data()}}}, &answer)
	if notAllowed(err) {
		return "", nil
	}
	return answer.Collections[c.data()], err
}

// read reads every document that passes the filter. The order of a capped
// collection is part of it.
func (s *server) read(ctx context.Context, c collection, filter bson.D) (digest, error) {
	return s.readAs(ctx, c, filter, c.capped())
}

func (s *server) readAs(ctx context.Context, c collection, filter bson.D, ordered bool) (digest, error) {
	var d digest
	cursor, err := s.scan(ctx, c, filter)
	if err != nil {
		return d, err
	}
	h := hasher{ordered: ordered}
	for cursor.next(ctx) {
		d.add(h.hash(cursor.Current, d.documents))
	}
	return d, cursor.close(ctx)
}

// scanned is a cursor over a whole collection. A batch that only holds what
// passes a filter may take the server as long as the whole.
type scanned struct {
	*mongo.Cursor
	server *server
	limit  time.Duration
	what   string
	err    error
}

// scan opens a cursor over the documents that pass the filter, in their order
// on disk.
func (s *server) scan(ctx context.Context, c collection, filter bson.D) (*scanned, error) {
	found := &scanned{server: s, limit: s.limits.batch, what: "read " + c.String()}
	if len(filter) > 0 {
		found.limit = s.limits.of(c.bytes)
	}
	err := s.within(ctx, found.limit, found.what, func(ctx context.Context) (err error) {
		found.Cursor, err = s.client.Database(c.database).Collection(c.data()).Find(ctx, filter, options.Find().SetHint(bson.D{{Key: "$natural", Value: 1}}))
		return err
	})
	return found, err
}

// next goes to the next document. Only a new batch has to be waited for.
func (c *scanned) next(ctx context.Context) bool {
	if c.RemainingBatchLength() > 0 {
		return c.Next(ctx)
	}
	more := false
	c.err = c.server.within(ctx, c.limit, c.what, func(ctx context.Context) error {
		more = c.Next(ctx)
		return c.Err()
	})
	return more
}

// close gives why the reading ended, nil at the end of the collection.
func (c *scanned) close(ctx context.Context) error {
	closed := c.server.quickly(ctx, c.what, c.Close)
	if c.err != nil {
		return c.err
	}
	return closed
}

// living leaves out the documents that the server may delete by itself until a
// time that lies behind the comparison. Both sides are asked with the same
// filter.
func living(expiring []expiry, until time.Time) bson.D {
	var dying bson.A
	for _, e := range expiring {
		at := primitive.NewDateTimeFromTime(until.Add(-time.Duration(e.seconds) * time.Second))
		one := bson.D{{Key: e.field, Value: bson.D{{Key: "$lte", Value: at}}}}
		if e.partial.Type != 0 {
			one = bson.D{{Key: "$and", Value: bson.A{one, e.partial}}}
		}
		dying = append(dying, one)
	}
	if len(dying) == 0 {
		return bson.D{}
	}
	return bson.D{{Key: "$nor", Value: dying}}
}

// sortedKeys are the keys of both maps.
func sortedKeys(a, b map[string]string) []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	return slices.Compact(keys)
}
