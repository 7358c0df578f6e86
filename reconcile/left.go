package reconcile

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// leaving is what a finding says of what is left behind: all of it in one
// sentence, and as a list.
func leaving(what string, objects []string) (sentence string, left *engine.Left) {
	return what + ": " + strings.Join(objects, "; "), &engine.Left{What: what, Objects: objects}
}

// checkAdapted names what the copy changes on purpose, as the mover found.
func checkAdapted(o Observation, e mover.Engine) []engine.Finding {
	adapted := adaptations(o, e)
	if len(adapted) == 0 {
		return nil
	}
	what, left := leaving("this is changed on the way, because the target or its role takes it no other way", adapted)
	return []engine.Finding{{ID: "adapted", Field: server.FieldOf(e), Source: docsOf(e), What: what, Left: left,
		Fix: "nothing, if the application does without; else change it on the target after the move, as a role that may"}}
}
