package reconcile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The smallest row of the vendor's advice for an external PostgreSQL, for
// fewer than so many daily active users. The other rows are not checked: see
// docs/adr/0031-sizing-without-a-head-count.md.
const (
	smallestUsers    = 50
	smallestDiskGB   = 100
	smallestMemoryGB = 16
	smallestCPUs     = 8
	smallestReplicas = 2
)

const sizingSource = "CircleCI Server 4.10 operator guide: configuring external services, PostgreSQL sizing"

// checkSizing reports a target smaller than the smallest the vendor advises.
// Only its disk can be compared: SQL tells neither processors nor memory, and
// nobody here knows how many people work with it.
func checkSizing(s *spec.Spec) []engine.Finding {
	e := s.Datastores.PostgreSQL.External
	if e.DiskGiB == 0 || int64(e.DiskGiB)<<30 >= smallestDiskGB*1e9 {
		return nil // undeclared is a finding of its own
	}
	return []engine.Finding{{ID: "sizing", Field: postgresField + ".diskGiB", Source: sizingSource,
		What: fmt.Sprintf("the target declares %s of disk; for fewer than %d daily active users the vendor advises %d GB, %d CPUs, %d GB of memory and %d replicas",
			mover.Bytes(int64(e.DiskGiB)<<30), smallestUsers, smallestDiskGB, smallestCPUs, smallestMemoryGB, smallestReplicas),
		Fix: "grow the target, or accept it for an installation this small"}}
}

// checkConnections compares how many connections both sides take. The chart
// raises the limit of the internal server; a target with PostgreSQL's default
// turns the application away once it is busy.
func checkConnections(src, dst mover.Database) []engine.Finding {
	limit, ok := numberOf(dst, "max_connections")
	was, known := numberOf(src, "max_connections")
	if !ok || !known {
		return nil
	}
	reserved, _ := numberOf(dst, "superuser_reserved_connections")
	now := 0
	for _, s := range src.Sessions {
		now += s.Count
	}
	fix := fmt.Sprintf("set max_connections = %d on the target", was)
	switch {
	case now > limit-reserved:
		return []engine.Finding{block("target-connections", postgresField, sourceDocs, fix,
			"the application holds %d connections to the internal database; the target takes %d", now, limit-reserved)}
	case limit < was:
		return []engine.Finding{{ID: "target-connections", Field: postgresField, Source: sourceDocs, Fix: fix,
			What: fmt.Sprintf("the internal database takes %d connections, the target %d; the application holds %d now", was, limit, now)}}
	}
	return nil
}

func numberOf(db mover.Database, setting string) (int, bool) {
	n, err := strconv.Atoi(db.Settings[setting])
	return n, err == nil
}

// checkPreload reports a library the source loads for an extension in use and
// the target does not: pg_partman's worker makes no more partitions then, and
// writes fail when they run out.
func checkPreload(src, dst mover.Database) []engine.Finding {
	const worker = "pg_partman_bgw"
	uses := slices.ContainsFunc(src.Databases, func(d mover.DatabaseInfo) bool { return d.Extensions["pg_partman"] != "" })
	have, known := dst.Settings["shared_preload_libraries"]
	if !uses || !known || !preloads(src.Settings["shared_preload_libraries"], worker) || preloads(have, worker) {
		return nil
	}
	return []engine.Finding{{ID: "partman-worker", Field: postgresField, Source: server.Guide("4.10", "configuring external services"),
		What: "the internal database runs pg_partman's background worker (" + worker + "), and the target does not load it",
		Fix:  "add " + worker + " to shared_preload_libraries of the target and restart it, or run partman.run_maintenance_proc() on a schedule"}}
}

func preloads(list, library string) bool {
	return slices.ContainsFunc(strings.Split(list, ","), func(s string) bool { return strings.Trim(s, ` "`) == library })
}
