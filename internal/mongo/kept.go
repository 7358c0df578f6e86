package mongo

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// A copy leaves on the target what it recorded of its source, with the digests
// of the documents that went by, so that the proof, which is another process,
// need not read the source again.
const (
	recordCollection = "source"
	// recordPiece is how much of the text is in one document, which may have
	// 16 MiB.
	recordPiece = 8 << 20
)

// piece is a part of the text. Of two copies that both wrote one, the parts do
// not mix.
type piece struct {
	Number int    `bson:"_id"`
	Token  string `bson:"token"`
	Of     int    `bson:"of"`
	Text   []byte `bson:"text"`
}

func (s *server) recordOf() *mongo.Collection {
	return s.client.Database(ownDatabase).Collection(recordCollection)
}

// forgetRecord removes what an earlier copy left.
func (s *server) forgetRecord(ctx context.Context) error {
	return s.quickly(ctx, "remove the record of an earlier copy in database "+ownDatabase, func(ctx context.Context) error {
		_, err := s.recordOf().DeleteMany(ctx, bson.D{})
		return err
	})
}

// keepRecord writes down what was recorded of the source.
func (c *copyRun) keepRecord(ctx context.Context) error {
	for i := range c.record.databases {
		d := &c.record.databases[i]
		for j := range d.collections {
			d.collections[j].passed = c.passed[[2]string{d.name, d.collections[j].name}]
		}
	}
	text, err := json.Marshal(c.record)
	if err != nil {
		return fail(sourceSide, mover.CodeFailed, fmt.Errorf("write the source's record: %w", err))
	}
	count := (len(text) + recordPiece - 1) / recordPiece
	for i := range count {
		p := piece{Number: i, Token: c.token, Of: count, Text: text[i*recordPiece : min((i+1)*recordPiece, len(text))]}
		err := c.target.within(ctx, c.target.limits.batch, "write the source's record in database "+ownDatabase, func(ctx context.Context) error {
			_, err := c.target.recordOf().ReplaceOne(ctx, bson.D{{Key: "_id", Value: i}}, p, options.Replace().SetUpsert(true))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// readRecord reads what a copy recorded of its source; nil when there is none.
func (s *server) readRecord(ctx context.Context) (*recorded, error) {
	var pieces []piece
	err := s.within(ctx, s.limits.batch, "read the source's record in database "+ownDatabase, func(ctx context.Context) (err error) {
		pieces, err = all[piece](ctx, func(ctx context.Context) (*mongo.Cursor, error) {
			return s.recordOf().Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
		})
		return err
	})
	if err != nil || len(pieces) == 0 {
		return nil, err
	}
	var text []byte
	for i, p := range pieces {
		if p.Number != i || p.Of != len(pieces) || p.Token != pieces[0].Token {
			return nil, nil // a copy was cut off while it wrote it down
		}
		text = append(text, p.Text...)
	}
	var r recorded
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fail(s.side, mover.CodeInconclusive, err)
	}
	return &r, nil
}

// trust takes over the digests of the documents that went by when they were
// copied, if nothing was written to the source since: same fence, same write
// counters.
func (p *proof) trust(ctx context.Context, source *recorded, now map[string]mover.WriteCounter) error {
	if p.req.Thorough || p.source == nil || now == nil {
		return nil
	}
	then, err := p.target.readRecord(ctx)
	if code := errorCode(err); err != nil && (code == mover.CodeInconclusive || code == mover.CodePrivilege) {
		p.progress.Say("what the copy recorded cannot be read, so the source is asked again: %v", err)
		return nil
	}
	if err != nil || then == nil {
		return err
	}
	if !then.fence.stands() || then.fence.ID != source.fence.ID || !maps.Equal(then.counters, now) {
		p.progress.Say("the source was written to since the copy, so it is asked again")
		return nil
	}
	source.takeOver(then)
	return nil
}

// takeOver gives each collection the digest that it has in another record. One
// over fewer documents or more than the source has would hide that the reading
// ended early, and is not taken.
func (r *recorded) takeOver(other *recorded) {
	taken := map[[2]string]*passed{}
	for _, d := range other.databases {
		for _, c := range d.collections {
			taken[[2]string{d.name, c.name}] = c.passed
		}
	}
	for i := range r.databases {
		for j := range r.databases[i].collections {
			c := &r.databases[i].collections[j]
			if p := taken[[2]string{c.database, c.name}]; p != nil && p.documents == c.documents {
				c.passed = p
			}
		}
	}
}
