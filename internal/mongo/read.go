package mongo

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"golang.org/x/sync/errgroup"
)

// readWhole reads every document of the source and keeps nothing: before
// another side's data is given up, this one has to be known to be readable. It
// needs no fence and changes nothing.
func (m *job) readWhole(ctx context.Context) (mover.ReadResult, error) {
	began := time.Now()
	result := mover.ReadResult{At: began.UTC()}
	databases, err := m.source.databases(ctx)
	if err != nil {
		return result, err
	}
	all, _, total := plan(databases)
	m.progress.Enter("read", "", total)
	var documents atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(m.req.Streams)
	for _, c := range all {
		g.Go(func() error {
			sum, err := m.source.read(gctx, c, bson.D{})
			if err != nil {
				return fmt.Errorf("read %s: %w", c, err)
			}
			documents.Add(sum.documents)
			m.progress.Add(c.String(), int(c.bytes))
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return result, classify(sourceSide, err)
	}
	result.Tables, result.Rows, result.Bytes, result.Duration = len(all), documents.Load(), total, time.Since(began)
	return result, nil
}
