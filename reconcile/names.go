package reconcile

import (
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// RecordMove names the record of the newest move.
const RecordMove = "move"

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
