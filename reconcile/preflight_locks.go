package reconcile

import (
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// otherLocks is what the system catalogs of a dump and other sessions hold
// beside a database's own.
const otherLocks = 100

// checkLocks compares what the copy of a database locks at a time with the room
// each side has for locks: on the source pg_dump locks all tables in one
// transaction, on both sides the proof reads them and the sequences so.
func checkLocks(src, dst mover.Database) []engine.Finding {
	var most mover.DatabaseInfo
	for _, db := range src.Databases {
		if db.Relations > most.Relations {
			most = db
		}
	}
	need := most.Relations + otherLocks
	var out []engine.Finding
	for _, side := range []struct {
		name, does, field string
		db                mover.Database
	}{{"the internal server", "dumping it locks all of them in one transaction", server.FieldOf(mover.PostgreSQL), src}, {"the target", "comparing it locks all of them in one transaction", postgresField, dst}} {
		sessions, each, known := lockRoom(side.db)
		if !known || need <= sessions*each {
			continue
		}
		out = append(out, block("locks", side.field, "PostgreSQL manual, lock management, max_locks_per_transaction",
			fmt.Sprintf("set max_locks_per_transaction = %d on %s, and restart it before the move", roundUp((need+sessions-1)/sessions, 64), side.name),
			"database %s has %d tables, views and sequences, and %s; %s has room for %d locks (max_locks_per_transaction %d, for each of %d sessions)",
			most.Name, most.Relations, side.does, side.name, sessions*each, each, sessions))
	}
	return out
}

func roundUp(n, to int) int { return (n + to - 1) / to * to }

// lockRoom is how many locks a server has room for: max_locks_per_transaction
// for every session, worker and prepared transaction it may have. It is as much
// as the server promises; some more may fit into memory that nothing else needs.
// (src/backend/storage/lmgr/lock.c, NLOCKENTS; utils/init/postinit.c,
// InitializeMaxBackends, PostgreSQL 12 to 18.)
func lockRoom(db mover.Database) (sessions, each int, known bool) {
	if each, known = numberOf(db, "max_locks_per_transaction"); !known {
		return 0, 0, false
	}
	workers := "autovacuum_max_workers"
	if _, newer := numberOf(db, "autovacuum_worker_slots"); newer {
		workers = "autovacuum_worker_slots"
	}
	sessions = 1 // the autovacuum launcher
	for _, name := range []string{"max_connections", "max_prepared_transactions", "max_worker_processes", "max_wal_senders", workers} {
		n, ok := numberOf(db, name)
		if !ok {
			return 0, 0, false
		}
		sessions += n
	}
	return sessions, each, true
}
