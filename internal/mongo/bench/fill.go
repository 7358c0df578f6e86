package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"

	"github.com/circleci-dr/circleci-dr/internal/mongotest"
)

// fill makes one collection with most of the data, a few with the rest, and
// many small ones, each with indexes.
func fill(ctx context.Context, s *mongotest.Server, size int) error {
	const documentsPerMB = 1000
	r := rand.New(rand.NewPCG(1, 2)) // the same data in every run
	for i := range 30 {
		share := 10
		switch {
		case i == 0:
			share = size * documentsPerMB * 7 / 10
		case i < 6:
			share = size * documentsPerMB * 6 / 100
		}
		name := fmt.Sprintf("c%02d", i)
		for left := share; left > 0; left -= 10000 {
			var batch []any
			for range min(left, 10000) {
				batch = append(batch, bson.D{{Key: "_id", Value: primitive.NewObjectID()}, {Key: "n", Value: r.IntN(100000)}, {Key: "state", Value: []string{"success", "failed"}[r.IntN(2)]},
					{Key: "at", Value: primitive.DateTime(r.Int64N(1 << 40))}, {Key: "log", Value: words(r, 850)}})
			}
			if err := s.Insert(ctx, "bench", name, batch); err != nil {
				return err
			}
		}
		if err := s.Index(ctx, "bench", name, bson.D{{Key: "n", Value: 1}, {Key: "state", Value: 1}}, bson.D{{Key: "at", Value: -1}}); err != nil {
			return err
		}
	}
	return nil
}
