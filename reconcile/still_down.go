package reconcile

import (
	"context"
	"errors"
	"fmt"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// notBackError means that an application which was stopped could not be brought
// back on its source.
type notBackError struct{ err error }

// Error gives the cause.
func (e *notBackError) Error() string { return fmt.Sprintf("bring the application back: %v", e.err) }

// Unwrap gives the cause to errors.Is and errors.As.
func (e *notBackError) Unwrap() error { return e.err }

// whyDown says why the application is stopped still, after an apply that ended
// with err; empty where it is not.
func whyDown(ctx context.Context, rep engine.Report, err error) string {
	var waiting *HandOffError
	var forward *forwardError
	var notBack *notBackError
	switch {
	case !rep.Left(engine.AppStopped):
		return ""
	case errors.As(err, &waiting):
		return "it is held at zero for a hand-off: " + waiting.Why
	case engine.LeaseLost(ctx) != nil || errors.Is(err, engine.ErrConflict):
		return "another run may be bringing it back: the lease, or a record, is no longer this one's"
	case errors.As(err, &notBack):
		return "it could not be brought back: " + notBack.err.Error()
	case errors.As(err, &forward):
		return "it could not be brought back: " + forward.Error()
	}
	return err.Error()
}
