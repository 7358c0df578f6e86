package reconcile

import (
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The names of records in the release's namespace. Lineage and
// inspection have one for each datastore.
const (
	RecordApplied = "applied"
	RecordMove    = "move"
)

// RecordLineage names the lineage record of a datastore.
func RecordLineage(e mover.Engine) string { return "lineage-" + string(e) }

// RecordInspection names the record of the newest look at a datastore.
func RecordInspection(e mover.Engine) string { return "inspection-" + string(e) }

// InstallationID names an installation across clusters and namespaces.
func InstallationID(c server.Cluster, s *spec.Server) string {
	return fmt.Sprintf("%s/%s/%s", c.UID, s.Namespace, s.Release)
}

// MoveID names the move of some parts: their engines and epochs.
func MoveID(parts []Part) string {
	var out []string
	for _, p := range parts {
		out = append(out, p.ID())
	}
	return strings.Join(out, "-")
}

// JobName names the mover Job of an operation on one part in one attempt of a
// move, so that a Job whose starter died is found again.
func JobName(op mover.Operation, m Move, p Part) string {
	return fmt.Sprintf("circleci-dr-%s-%s", op, m.FenceID(p))
}
