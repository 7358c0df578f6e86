package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/x/mongo/driver/topology"
)

// limits are how long one call may take. No call of ours is without one: the
// driver waits for ever for a server that says nothing, and the server waits
// for ever for a majority that never comes. docs/limits.md lists them.
type limits struct {
	// connect is for finding the server that takes writes, and for shaking
	// hands with it.
	connect time.Duration
	// answer is for what only looks, marks or makes something empty.
	answer time.Duration
	// batch is for a piece of a collection, read or written.
	batch time.Duration
	// work is for what reads or changes a whole collection or database, and rate
	// how many bytes of it a second are the least to expect.
	work time.Duration
	rate int64
	// majority is for the one write by which a plan learns whether a majority
	// of the replica set takes writes at all.
	majority time.Duration
	// trial is for all that a plan tries on the target; the Job that inspects
	// has three minutes.
	trial time.Duration
}

var outageLimits = limits{connect: 10 * time.Second, answer: time.Minute, batch: 2 * time.Minute, work: 5 * time.Minute, rate: 1 << 20, majority: 10 * time.Second,
	trial: 40 * time.Second}

// of is the limit for work on so many bytes.
func (l limits) of(bytes int64) time.Duration {
	return l.work + time.Duration(float64(bytes)/float64(l.rate)*float64(time.Second))
}

// quickly gives one call the time of an answer.
func (s *server) quickly(ctx context.Context, what string, call func(context.Context) error) error {
	return s.within(ctx, s.limits.answer, what, call)
}

// within gives one call a limit, and its error a class.
func (s *server) within(ctx context.Context, limit time.Duration, what string, call func(context.Context) error) error {
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := call(inner)
	var selection topology.ServerSelectionError
	switch {
	case err == nil, errors.Is(err, mongo.ErrNoDocuments):
		return err
	case inner.Err() != nil && ctx.Err() == nil && numberOf(err) == 0 && !errors.As(err, &selection):
		err = fmt.Errorf("%s has not answered for %s: %w", s.where(), limit, err)
	}
	return classify(s.side, fmt.Errorf("%s: %w", what, err))
}

// command runs one quick command and decodes its answer, unless into is nil.
func (s *server) command(ctx context.Context, database string, command bson.D, into any) error {
	return s.commandWithin(ctx, s.limits.answer, database, command, into)
}

// commandWithin runs a command that may take longer than others.
func (s *server) commandWithin(ctx context.Context, limit time.Duration, database string, command bson.D, into any) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	return s.within(ctx, limit, fmt.Sprintf("%s in database %s", command[0].Key, database), func(ctx context.Context) error {
		result := s.client.Database(database).RunCommand(ctx, command)
		if err := result.Err(); err != nil || into == nil {
			return err
		}
		return result.Decode(into)
	})
}

// all reads a cursor whose result is small to its end.
func all[T any](ctx context.Context, open func(context.Context) (*mongo.Cursor, error)) ([]T, error) {
	cursor, err := open(ctx)
	if err != nil {
		return nil, err
	}
	var found []T
	return found, cursor.All(ctx, &found)
}
