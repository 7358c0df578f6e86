package reconcile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Attempt is a rehearsal that gave no result: it failed, was ended, or was cut
// off.
type Attempt struct {
	At time.Time `json:"at"`
	// Why says why there is no result; empty as long as it runs, and for ever when
	// it was killed.
	Why string `json:"why,omitempty"`
}

// before puts what became of the newest attempt, if there was one, before what is
// said of the rehearsal that stands.
func (a *Attempt) before(what, text string) string {
	if a == nil {
		return text
	}
	out := fmt.Sprintf("the last attempt to rehearse %s, on %s, ", what, when(a.At))
	if a.Why == "" {
		out += "did not end: it was cut off, or is still running"
	} else {
		out += "gave no result: " + a.Why
	}
	if text != "" {
		out += "; " + text
	}
	return out
}

// beginRehearsal records that a rehearsal begins, so that one that is killed is
// missed. What an earlier one found stands meanwhile.
func beginRehearsal(ctx context.Context, p server.Providers, e mover.Engine, withData bool) error {
	return storeRehearsal(ctx, p, e, func(old *Rehearsed) { old.of(withData).Attempt = &Attempt{At: p.Now()} })
}

// of is the record of the rehearsals with rows, or of those without.
func (r *Rehearsed) of(withData bool) *Rehearsed {
	if !withData {
		return r
	}
	if r.Dress == nil {
		r.Dress = &Rehearsed{}
	}
	return r.Dress
}

// keepRehearsal records a rehearsal, and also that none can be made: then a
// person may choose to go on. What may pass by itself leaves what is known as it
// is, and so does one with rows that says less of the move than an earlier one;
// both are recorded as attempts.
func keepRehearsal(ctx context.Context, p server.Providers, e mover.Engine, rec Rehearsed, schema string, cause error) error {
	var known *mover.Error
	lasts := cause == nil
	if errors.As(cause, &known) && slices.Contains([]string{mover.CodePrivilege, mover.CodeInconclusive, mover.CodeFailed, mover.CodeUnsupported}, known.Code) {
		rec.At, rec.Schema, rec.CouldNot, lasts = p.Now(), schema, known.Error(), true
	}
	return storeRehearsal(context.WithoutCancel(ctx), p, e, func(old *Rehearsed) {
		own := old.of(rec.WithData)
		switch {
		case !lasts:
			own.Attempt = &Attempt{At: p.Now(), Why: cause.Error()}
		case !rec.WithData:
			rec.Dress = old.Dress
			*old = rec
		case rec.CouldNot != "" && own.endedItself():
			own.Attempt = &Attempt{At: rec.At, Why: rec.CouldNot}
		case rec.onlyMetLimits() && own.endedItself() && own.Of == rec.Of && own.Schema == rec.Schema:
			own.Attempt = &Attempt{At: rec.At, Why: "it was ended by a limit (" + rec.Ended + ")" + rec.howToRaise()}
		default:
			dress := rec
			if rec.CouldNot == "" && len(rec.Differences) == 0 { // it was one of the schema too
				*old = rec
			}
			old.Dress = &dress
		}
	})
}

// howToRaise is what was found of the limit that ended a rehearsal.
func (r *Rehearsed) howToRaise() (out string) {
	for _, d := range r.Differences {
		out += ": " + d.What + "; " + d.Fix
	}
	return out
}

// endedItself tells a rehearsal that came to its end, whatever it found.
func (r *Rehearsed) endedItself() bool {
	return !r.At.IsZero() && r.CouldNot == "" && r.Ended == ""
}

// onlyMetLimits tells a rehearsal that was ended by a limit which says nothing of
// the move, before it found anything else.
func (r *Rehearsed) onlyMetLimits() bool {
	return r.Ended != "" && !slices.ContainsFunc(r.Differences, func(d mover.Difference) bool {
		return d.Kind != mover.KindLimit || d.Object == mover.LimitTargetDisk
	})
}
