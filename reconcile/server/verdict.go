package server

import (
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// Verdict is what a changed field is.
type Verdict struct {
	// Setting tells that nothing changes but settings of moving datastores.
	Setting bool `json:"setting,omitempty"`
	// Address are the datastores whose old address becomes the new one here.
	Address []mover.Engine `json:"address,omitempty"`
}
