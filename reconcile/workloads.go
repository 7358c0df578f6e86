package reconcile

import (
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// recordStands tells whether the recorded counts are still the ones to come
// back to: each workload remembers its own, and as long as the application was
// not stopped, nobody scaled it since.
func recordStands(ws []server.Workload, m Move) bool {
	for _, w := range ws {
		_, known := m.Replicas[w.Key()]
		if w.Recorded == nil && (known || m.Quiesced.IsZero()) {
			return false // one that a later release brought has nothing to remember
		}
		if m.Quiesced.IsZero() && w.Autoscaler == "" && w.Replicas != m.Replicas[w.Key()] {
			return false
		}
	}
	return true
}
