package reconcile

import (
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// The chart reads the address wherever the data lives, so on the way back it is
// told the one that is not its default.
func TestTheWayBackNamesTheServerInside(t *testing.T) {
	for _, row := range []struct {
		engine mover.Engine
		prior  server.ReleaseStore
		want   any
	}{
		{mover.PostgreSQL, server.ReleaseStore{Internal: true, FullName: "postgresql", Host: "postgresql"}, nil},
		{mover.PostgreSQL, server.ReleaseStore{FullName: "postgresql"}, nil}, // nobody knows what the release said
		{mover.PostgreSQL, server.ReleaseStore{}, nil},
		{mover.PostgreSQL, server.ReleaseStore{FullName: "ci-db"}, "ci-db"},
		{mover.PostgreSQL, server.ReleaseStore{Internal: true, FullName: "ci-db", Host: "ci-db.ci.svc"}, "ci-db.ci.svc"},
		{mover.MongoDB, server.ReleaseStore{Internal: true, FullName: "mongodb", Hosts: []string{"mongodb:27017"}}, nil},
		{mover.PostgreSQL, server.ReleaseStore{FullName: "ci-db", Host: "pg.example.com"}, "ci-db"}, // said of the outside
		{mover.MongoDB, server.ReleaseStore{FullName: "documents"}, "documents:27017"},
		{mover.MongoDB, server.ReleaseStore{Internal: true, FullName: "documents", Hosts: []string{"documents.ci:27017"}}, "documents.ci:27017"},
	} {
		key := "postgresqlHost"
		if row.engine == mover.MongoDB {
			key = "hosts"
		}
		got, said := server.InternalBlock(row.engine, "4.10.0", row.prior)[key]
		if got != row.want || !said {
			t.Errorf("%s %+v: %s is %v, want %v", row.engine, row.prior, key, got, row.want)
		}
	}
}
