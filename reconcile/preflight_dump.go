package reconcile

import (
	"slices"
	"strconv"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// dumpFor is the pg_dump that a copy would run: the oldest that is at least as
// new as both servers, as internal/postgres takes it; 0 where there is none.
// pg_dump refuses a server that is newer than itself.
func dumpFor(have []int, servers ...int) int {
	newest := major(slices.Max(servers))
	if i := slices.IndexFunc(have, func(m int) bool { return m >= newest }); i >= 0 {
		return have[i]
	}
	return 0
}

// checkDump refuses a move that no pg_dump of the mover's image could make: the
// copy would notice with the application stopped.
func checkDump(insp server.Inspection, servers ...int) []engine.Finding {
	newest := strconv.Itoa(major(slices.Max(servers)))
	const field, fix = "mover.image", "name an image in mover.image that holds pg_dump "
	switch have := insp.PgDump; {
	case have == nil:
		return []engine.Finding{block("pg-dump", field, sourceImage, "run plan without --no-inspect; if it still says so, name in mover.image an image of this version of circleci-dr",
			"which pg_dump the mover's image holds is not known: its mover did not say")}
	case len(have) == 0:
		return []engine.Finding{block("pg-dump", field, sourceImage, fix+newest+" or newer", "the mover's image holds no pg_dump that runs")}
	case dumpFor(have, servers...) == 0:
		var majors []string
		for _, m := range have {
			majors = append(majors, strconv.Itoa(m))
		}
		return []engine.Finding{block("pg-dump", field, sourceImage, fix+newest+" or newer",
			"the mover's image holds pg_dump %s, and a server is PostgreSQL %s: pg_dump refuses servers newer than itself", strings.Join(majors, " and "), newest)}
	}
	return nil
}
