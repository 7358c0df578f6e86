package main

import (
	"context"
	"fmt"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/writes"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// mongoWriter is the frontend on MongoDB: it numbers documents without a gap,
// and counts one only when a majority has it in its journal and it was read
// back.
//
// There is no lock as with PostgreSQL. A write of this process that arrives
// late is found by its _id; one of a process before this has had the time that
// a pod takes to start.
type mongoWriter struct {
	*account
	db mongoDatabase
}

func newMongoWriter(db mongoDatabase, status *tracker, instance string) (*mongoWriter, error) {
	a, err := newAccount(status.mongodb(), db.host, instance, "LEDGER_MONGODB")
	if err != nil {
		return nil, err
	}
	return &mongoWriter{account: a, db: db}, nil
}

// session writes until an operation fails or ctx ends. A write that has begun
// is finished.
func (w *mongoWriter) session(ctx context.Context) error {
	client, server, err := w.db.connect(ctx)
	if err != nil {
		return err
	}
	defer disconnect(ctx, client)
	collection := w.db.collection(client)
	if err := w.begin(ctx, collection); err != nil {
		return fmt.Errorf("begin on %s: %w", w.db.host, err)
	}
	w.status.connected(ctx, server)
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		if err := w.write(context.WithoutCancel(ctx), collection); err != nil {
			return fmt.Errorf("write to %s: %w", w.db.host, err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *mongoWriter) begin(ctx context.Context, c *mongo.Collection) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := writes.Prepare(ctx, c); err != nil {
		return err
	}
	err := w.judge(ctx, func(ledger []writes.Entry) ([]writes.Entry, error) { return writes.MissingDocuments(ctx, c, ledger) })
	if err != nil {
		return err
	}
	if err := w.settle(ctx, c); err != nil {
		return err
	}
	highest, err := writes.Highest(ctx, c)
	if err != nil {
		return err
	}
	w.resume(highest)
	return nil
}

// settle tries the same document again: the first try may still be on its way,
// and of two only one can stand.
func (w *mongoWriter) settle(ctx context.Context, c *mongo.Collection) error {
	if w.unknown == nil {
		return nil
	}
	already, err := writes.Insert(ctx, c, *w.unknown)
	if err != nil {
		return err
	}
	if already {
		return w.settled(true)
	}
	entry := *w.unknown
	if err := w.settled(false); err != nil {
		return err
	}
	return w.confirm(entry)
}

func (w *mongoWriter) write(ctx context.Context, c *mongo.Collection) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	entry := w.entry()
	w.unknown = &entry
	already, err := writes.Insert(ctx, c, entry)
	if err != nil {
		return err
	}
	if already {
		return fmt.Errorf("insert document %d: it stands already, though its number is new", entry.N)
	}
	found, err := writes.Find(ctx, c, entry)
	if err != nil {
		return err
	}
	if found == nil {
		return w.vanished(entry)
	}
	if *found != entry {
		return fmt.Errorf("read document %d back: it says %v, written was %v", entry.N, *found, entry)
	}
	w.unknown = nil
	w.next++
	return w.confirm(entry)
}
