package mongo

import (
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// TestEmptyTimestampsStayEmpty moves documents that an update or a pipeline
// gave an empty timestamp.
func TestEmptyTimestampsStayEmpty(t *testing.T) {
	t.Parallel()
	p := newPair(t, "4.4", "4.4")
	for _, command := range []string{
		`{"insert": "c", "documents": [{"_id": 1}, {"_id": {"a": 1}}]}`,
		`{"update": "c", "updates": [{"q": {}, "multi": true, "u": {"$set": {"t": {"$timestamp": {"t": 0, "i": 0}}, "u": {"$timestamp": {"t": 7, "i": 0}}}}}]}`,
		`{"aggregate": "c", "cursor": {}, "pipeline": [{"$set": {"_id": 2, "z": {"$timestamp": {"t": 0, "i": 0}}}}, {"$merge": "c"}]}`,
		`{"create": "capped", "capped": true, "size": 8192}`,
		`{"insert": "capped", "documents": [{"_id": 1, "t": {"$timestamp": {"t": 7, "i": 0}}}]}`,
		`{"update": "capped", "updates": [{"q": {}, "u": {"$set": {"t": {"$timestamp": {"t": 0, "i": 0}}}}}]}`,
	} {
		p.source.Command(t, "main", command)
	}
	do[mover.FenceResult](t, p, mover.OpFence)
	do[mover.CopyResult](t, p, mover.OpCopy)
	equal(t, p)
}
