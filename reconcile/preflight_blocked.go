package reconcile

import (
	"cmp"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// onlyRemoved is what helps with an object that has no better fix.
const onlyRemoved = "remove it from the source before the move"

// why is what objects have in common that stand in one finding.
type why struct{ reason, fix string }

// byReason puts objects together that have the same reason and fix.
func byReason(objects []mover.UnsupportedObject) (order []why, named map[why][]string) {
	named = map[why][]string{}
	for _, u := range objects {
		object := u.Object
		if u.Database != "" && object != "database "+u.Database && !strings.HasSuffix(object, " database "+u.Database) {
			object += " in database " + u.Database
		}
		key := why{u.Reason, cmp.Or(u.Fix, onlyRemoved)}
		if named[key] == nil {
			order = append(order, key)
		}
		named[key] = append(named[key], object)
	}
	slices.SortFunc(order, func(a, b why) int { return cmp.Or(cmp.Compare(a.reason, b.reason), cmp.Compare(a.fix, b.fix)) })
	return order, named
}

// checkBlocked names what this source holds and this target cannot take, one
// finding for each reason.
func checkBlocked(e mover.Engine, blocked []mover.UnsupportedObject) []engine.Finding {
	order, named := byReason(blocked)
	var out []engine.Finding
	for _, key := range order {
		out = append(out, block("unsupported", server.FieldOf(e), docsOf(e), key.fix, "%s cannot be carried: %s", some(named[key], 8), key.reason))
	}
	return out
}

// checkOmitted names what the move goes on without.
func checkOmitted(e mover.Engine, left []mover.UnsupportedObject) []engine.Finding {
	order, named := byReason(left)
	var out []engine.Finding
	for _, key := range order {
		what, brief := sentences("%s will not be on the target: %s", some(named[key], 8), key.reason)
		out = append(out, engine.Finding{ID: "left-out", Field: server.FieldOf(e), Source: docsOf(e), Fix: key.fix, What: what, Brief: brief,
			Left: &engine.Left{What: "this will not be on the target: " + key.reason, Objects: named[key]}})
	}
	return out
}
