package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

func mongoDB() *storeKind {
	return &storeKind{
		StoreKind: server.KindOf(mover.MongoDB),
		words: storeWords{
			tables: "collections", fenceTitle: "Stop writes to the %s MongoDB",
			fence: "sessions ended, write counters read; locked with fsyncLock where its user may, so that every write waits, elsewhere a write is noticed and stops the move",
			proof: "collections, options, indexes, views, validators, number of documents and content hash of every collection; a trial write as the application's user",
		},
		observed: func(o *Observation) *DatastoreObservation { return &o.Mongo },
		check:    preflightMongo,
		// Its fence may be a lock, behind which nothing could be written.
		unfencedCopy: true,
	}
}
