package reconcile

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// Switched tells whether an apply that was done whole upgraded the release to
// another database: then the user's own values files say the old one. A release
// that another tool reconciles is switched by that tool, from its own values.
func Switched(r engine.Report) bool {
	for _, st := range r.Steps {
		if strings.HasPrefix(string(st.Step), string(ActSwitch)+"/") {
			return true
		}
	}
	return false
}
