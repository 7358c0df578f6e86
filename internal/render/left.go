package render

import (
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// planLeft lists what the move leaves behind, a line an object: somebody goes
// through it with a pencil.
func planLeft(p *page, plan engine.Plan) {
	left := plan.Leaves()
	if len(left) == 0 {
		return
	}
	p.line(p.paint(amber, "NOT CARRIED as it is on the source. Where the target needs it, make it there yourself:"))
	for i, f := range left {
		if i == 0 || !alike(f, left[i-1]) {
			p.para("  ", "  ", bold, f.Left.What)
		}
		for _, object := range f.Left.Objects {
			p.para("    - ", "      ", plain, object)
		}
		if i+1 == len(left) || !alike(f, left[i+1]) {
			p.para("    fix: ", "         ", plain, f.Fix)
		}
	}
	p.blank()
}

// alike tells whether two findings are one list, which preflight cuts in pieces
// where it is long.
func alike(a, b engine.Finding) bool { return a.Left.What == b.Left.What && a.Fix == b.Fix }

// unlisted are the details of a step that no list of the plan has.
func unlisted(details []string, plan engine.Plan) []string {
	for _, f := range plan.Leaves() {
		details = slices.DeleteFunc(slices.Clone(details), func(d string) bool { return slices.Contains(f.Left.Objects, d) })
	}
	return details
}
