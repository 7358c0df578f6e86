package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// checkRowsBack says before the move out which rows could not be read on the way
// back, or by any backup of the target: there our role is no superuser. As a
// member of every role it reads what their owners may.
func checkRowsBack(src, dst mover.Database) []engine.Finding {
	if dst.Role.Superuser {
		return nil
	}
	var forced, closed []string
	for _, db := range src.Databases {
		for _, table := range db.ForcedRows {
			forced = append(forced, table+" of database "+db.Name)
		}
		for _, table := range db.ClosedRows {
			closed = append(closed, table+" of database "+db.Name)
		}
	}
	var out []engine.Finding
	if len(forced) > 0 && !dst.Role.BypassRLS {
		what, brief := sentences("row level security is forced on %s: a move back, and any backup of the target, will be refused, because role %s does not see all rows there", some(forced, 8), dst.Role.Name)
		out = append(out, engine.Finding{ID: "no-way-back-rows", Field: postgresField + ".username", Source: sourceDocs, What: what, Brief: brief,
			Fix: "as the target's superuser: ALTER ROLE " + dst.Role.Name + " BYPASSRLS; or alter table … no force row level security before the move back"})
	}
	if len(closed) > 0 {
		what, brief := sentences("no role may read %s: a move back, and any backup of the target, will be refused, because role %s is no superuser there", some(closed, 8), dst.Role.Name)
		out = append(out, engine.Finding{ID: "no-way-back-rows", Field: postgresField + ".username", Source: sourceDocs, What: what, Brief: brief,
			Fix: "grant select on it to its owner"})
	}
	return out
}
