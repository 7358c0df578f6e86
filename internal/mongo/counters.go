package mongo

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/zeebo/xxh3"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

// How writes are noticed. Two readings must differ when one document was
// written between them.
//
// A member of a replica set writes everything down in its oplog: LastWrite is
// where its newest entry stands that is not the server's own and not ours. A
// server by itself has no oplog. It counts, for every collection, how often
// its write lock was taken, and starts at zero with each start of the process:
// LastWrite is that sum, the process, and a fingerprint of collections and
// indexes, which a change of those does not count.

// The forms of LastWrite.
const (
	oplogNone   = "oplog none"
	oplogFormat = "oplog %d.%d"
	topFormat   = "process %s writes %d catalog %s"
)

// readCounters reads the write counters of the given databases.
func (s *server) readCounters(ctx context.Context, names []string) (map[string]mover.WriteCounter, error) {
	if err := s.connect(ctx); err != nil {
		return nil, err
	}
	if s.hello.SetName != "" {
		last, err := s.newestWrite(ctx)
		if errorCode(err) == mover.CodePrivilege {
			return s.topCounters(ctx, names) // a member counts like a server by itself
		}
		if err != nil {
			return nil, err
		}
		counters := map[string]mover.WriteCounter{}
		for _, name := range names {
			counters[name] = mover.WriteCounter{LastWrite: last}
		}
		return counters, nil
	}
	return s.topCounters(ctx, names)
}

// newestWrite is the position of the newest write of anybody but the server
// and us. What a proof makes and drops is ours too.
func (s *server) newestWrite(ctx context.Context) (string, error) {
	filter := bson.D{
		{Key: "op", Value: bson.D{{Key: "$ne", Value: "n"}}},
		{Key: "ns", Value: bson.D{{Key: "$not", Value: primitive.Regex{Pattern: `^((config|local|` + ownDatabase + `(_trial_[^.]*)?)\.|admin\.system\.|[^.]+\.` + probeCollection + `$)`}}}},
		{Key: "o.create", Value: bson.D{{Key: "$ne", Value: probeCollection}}},
		{Key: "o.drop", Value: bson.D{{Key: "$ne", Value: probeCollection}}},
	}
	var entry struct {
		At primitive.Timestamp `bson:"ts"`
	}
	// An oplog in which nobody but the server wrote is read to its end.
	err := s.within(ctx, s.limits.work, "read the oplog to notice writes", func(ctx context.Context) error {
		return s.client.Database("local").Collection("oplog.rs").FindOne(ctx, filter,
			options.FindOne().SetSort(bson.D{{Key: "$natural", Value: -1}}).SetProjection(bson.D{{Key: "ts", Value: 1}})).Decode(&entry)
	})
	if errors.Is(err, mongo.ErrNoDocuments) {
		return oplogNone, nil
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(oplogFormat, entry.At.T, entry.At.I), nil
}

// counted is one of the counters that a server by itself keeps.
type counted struct {
	Count int64 `bson:"count"`
}

func (s *server) topCounters(ctx context.Context, names []string) (map[string]mover.WriteCounter, error) {
	var top struct {
		Totals bson.Raw `bson:"totals"`
	}
	if err := s.command(ctx, "admin", bson.D{{Key: "top", Value: 1}}, &top); err != nil {
		return nil, err
	}
	elements, err := top.Totals.Elements()
	if err != nil {
		return nil, fail(s.side, mover.CodeFailed, fmt.Errorf("read write counters: %w", err))
	}
	process, err := s.process(ctx)
	if err != nil {
		return nil, err
	}
	counters, locks := map[string]mover.WriteCounter{}, map[string]int64{}
	for _, e := range elements {
		name, rest, _ := strings.Cut(e.Key(), ".")
		raw, ok := e.Value().DocumentOK()
		if !ok || rest == probeCollection {
			continue
		}
		var ns struct {
			Insert counted `bson:"insert"`
			Update counted `bson:"update"`
			Remove counted `bson:"remove"`
			Write  counted `bson:"writeLock"`
		}
		if err := bson.Unmarshal(raw, &ns); err != nil {
			return nil, fail(s.side, mover.CodeFailed, fmt.Errorf("read write counters of %s: %w", e.Key(), err))
		}
		c := counters[name]
		c.Inserted, c.Updated, c.Deleted = c.Inserted+ns.Insert.Count, c.Updated+ns.Update.Count, c.Deleted+ns.Remove.Count
		counters[name] = c
		locks[name] += ns.Write.Count
	}
	out := map[string]mover.WriteCounter{}
	for _, name := range names {
		print, err := s.catalogPrint(ctx, name)
		if err != nil {
			return nil, err
		}
		c := counters[name]
		c.LastWrite = fmt.Sprintf(topFormat, process, locks[name], print)
		out[name] = c
	}
	return out, nil
}

// process names the server's process: its counters begin anew with each.
func (s *server) process(ctx context.Context) (string, error) {
	var now hello
	if err := s.command(ctx, "admin", bson.D{{Key: "isMaster", Value: 1}}, &now); err != nil {
		return "", err
	}
	return now.Topology.Process.Hex(), nil
}

// catalogPrint is a fingerprint of a database's collections and indexes.
func (s *server) catalogPrint(ctx context.Context, name string) (string, error) {
	d := database{name: name, left: map[string]string{}}
	if err := s.readCollections(ctx, &d); err != nil {
		return "", err
	}
	h := xxh3.New()
	for _, c := range d.collections {
		_, _ = fmt.Fprintf(h, "%d:%s %s ", len(c.name), c.name, c.kind) // a hash takes everything
		_, _ = h.Write(c.options)
		for _, index := range c.indexes {
			_, _ = h.Write(index)
		}
	}
	sum := h.Sum128()
	return fmt.Sprintf("%016x%016x", sum.Hi, sum.Lo), nil
}

// unmoved fails with CodeMoved when the source was written to since the proof.
func (m *job) unmoved(ctx context.Context) error {
	if len(m.req.Counters) == 0 {
		return nil
	}
	fence, err := m.source.readFence(ctx)
	if err != nil {
		return err
	}
	if !fence.stands() || fence.ID != m.req.Fence {
		return failf(sourceSide, mover.CodeMoved, "commit the switch: fence %q does not stand on the source", m.req.Fence)
	}
	databases, err := m.source.databases(ctx)
	if err != nil {
		return err
	}
	now, err := m.source.readCounters(ctx, names(databases))
	if err != nil || maps.Equal(m.req.Counters, now) {
		return err
	}
	return failf(sourceSide, mover.CodeMoved, "commit the switch: the source was written to since the proof, in spite of the fence")
}
