package reconcile

import (
	"context"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Undescribed is an installation that no file describes yet, and what this program
// may have begun there.
type Undescribed struct {
	server.Installation
	// Move is the record of a move that was begun here with another file.
	Move engine.Observed[Move]
}

// ObserveInstallation reads what a first file is written from, besides the
// release. It changes nothing and sees no password.
func ObserveInstallation(ctx context.Context, kubeContext string, rel server.DeclaredRelease, p server.Passwords, r engine.Records) Undescribed {
	out := Undescribed{Installation: server.ReadInstallation(ctx, kubeContext, rel, p)}
	out.Move, _ = engine.ReadRecord[Move](ctx, r, RecordMove)
	return out
}

// OpenMoveError is why no first file is written where a move was begun: with
// another file than the one it was begun with it cannot go on.
type OpenMoveError struct{ Move Move }

// Error names the move.
func (e *OpenMoveError) Error() string {
	return fmt.Sprintf("move %s to %s was begun at %s and is not over", e.Move.ID, e.Move.Target(), e.Move.Opened.UTC().Format("2006-01-02 15:04 MST"))
}

// MakeDraft writes down where the datastores live today, so that a plan of the
// file has no steps. It is pure.
func MakeDraft(in Undescribed) (server.Draft, error) {
	if in.Move.Is() && in.Move.Value.Open() {
		return server.Draft{}, &OpenMoveError{in.Move.Value}
	}
	if in.Move.Unread() {
		return server.DraftOf(in.Installation, "decide: whether a move of circleci-dr is under way here could not be read: "+in.Move.Why), nil
	}
	return server.DraftOf(in.Installation), nil
}
