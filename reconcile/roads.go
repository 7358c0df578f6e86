package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// sourceRoad is where trying the application's own road is explained.
const sourceRoad = "docs/preflight.md"

// roadsOut are the datastores whose road is tried: those that are to leave the
// cluster and have not begun to, where pods may be made.
func roadsOut(s *spec.Spec, o *Observation, opt ObserveOptions) server.Ways {
	out := server.Ways{}
	if !opt.Inspect || openMove(*o) {
		return out
	}
	for _, p := range partsWanted(s, o) {
		if p.To == spec.External {
			out[p.Engine] = &server.Road{}
		}
	}
	return out
}
