package reconcile

import (
	"fmt"

	"github.com/circleci-dr/circleci-dr/spec"
)

// The names of the engine's records in the release's namespace.
const (
	RecordJournal    = "journal"
	RecordApplied    = "applied"
	RecordLineage    = "lineage-postgresql"
	RecordMove       = "move-postgresql"
	RecordInspection = "inspection-postgresql"
	RecordEngine     = "engine"
)

// CredentialsName is the Secret the switched release reads its password
// from. It is ours, so that a password may come from anywhere the spec allows
// and so that the chart's own Secret can stay for the way back.
const CredentialsName = "circleci-dr-postgresql"

// CredentialsKeys are the keys the chart may read: the values table of Server
// 4.x says "password" for an external database, the operator guide says
// "postgres-password". Both are written.
var CredentialsKeys = []string{"password", "postgres-password"}

// InstallationID names an installation across clusters and namespaces.
func InstallationID(c Cluster, s *spec.Server) string {
	return fmt.Sprintf("%s/%s/%s", c.UID, s.Namespace, s.Release)
}

// MoveID names the move that would reach epoch.
func MoveID(engine Engine, epoch int) string {
	return fmt.Sprintf("%s-e%d", engine, epoch)
}

// JobName names the mover Job of an operation of one attempt of a move, so
// that a Job whose starter died is found again.
func JobName(op Operation, m Move) string {
	return fmt.Sprintf("circleci-dr-%s-%s", op, m.FenceID())
}

func endpointOf(e *spec.PostgreSQLExternal) string {
	return fmt.Sprintf("%s:%d", e.Host, e.Port)
}
