package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

func postgreSQL() *storeKind {
	return &storeKind{
		StoreKind: server.KindOf(mover.PostgreSQL),
		words: storeWords{
			tables: "tables", plain: true, fenceTitle: "Make the %s database read-only",
			fence: "default_transaction_read_only = on, sessions ended, write counters read",
			proof: "schemas, every row, indexes, constraints, sequences, large objects, owners and grants; a trial write as the application's role",
		},
		observed: func(o *Observation) *DatastoreObservation { return &o.Postgres },
		check: func(s *spec.Spec, o Observation, p Part) []engine.Finding {
			var out []engine.Finding
			if p.To == spec.External {
				out = preflightSecureMode(s, o.Release.Value)
			}
			return append(out, preflightPostgres(s, o, p)...)
		},
		setsAside: true, renames: true, rehearses: true, closes: true, unfencedCommit: true,
	}
}
