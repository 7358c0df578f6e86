package reconcile

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Left is what a move leaves behind or changes: somebody has to go through it
// object by object, so a plan shows it as a list.
type Left struct {
	// What says what the objects have in common.
	What    string   `json:"what"`
	Objects []string `json:"objects"`
}

// leaving is what a finding says of what is left behind: all of it in one
// sentence, and as a list.
func leaving(what string, objects []string) (sentence string, left *Left) {
	return what + ": " + strings.Join(objects, "; "), &Left{What: what, Objects: objects}
}

// Leaves gives the findings about what the move leaves behind.
func (p Plan) Leaves() []Finding {
	var out []Finding
	for _, f := range p.Findings {
		if f.Left != nil {
			out = append(out, f)
		}
	}
	return out
}

// checkAdapted names what the copy changes on purpose, as the mover found.
func checkAdapted(o Observation, e mover.Engine) []Finding {
	adapted := adaptations(o, e)
	if len(adapted) == 0 {
		return nil
	}
	what, left := leaving("this is changed on the way, because the target or its role takes it no other way", adapted)
	return []Finding{{ID: "adapted", Field: fieldOf(e), Source: docsOf(e), What: what, Left: left,
		Fix: "nothing, if the application does without; else change it on the target after the move, as a role that may"}}
}
