package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// ValuesPaths are the values a datastore's location is made of, in the order
// in which the chart documents them.
func ValuesPaths() []string {
	return append(pathsOf(mover.PostgreSQL, postgresRows), pathsOf(mover.MongoDB, mongoRows)...)
}

// ValuesSecrets are the values that hold a password when somebody wrote one
// into the file. Only whether and where they are set is ever read.
func ValuesSecrets() []string {
	return []string{"postgresql.auth.password", "postgresql.auth.postgresPassword", "mongodb.auth.rootPassword", "mongodb.auth.password"}
}
