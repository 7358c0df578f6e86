package reconcile

import (
	"strings"
	"testing"
)

// A fence that only watches is never called read-only.
func TestAFenceThatWatchesIsNotCalledReadOnly(t *testing.T) {
	w, s := cutAt(t, "copying")
	for how, want := range map[string]string{"system": "is read-only", "lock": "is read-only", "watch": "is watched for writes"} {
		o := Observe(t.Context(), s, w.providers(), ObserveOptions{})
		o.Move.Value.Parts[0].Fence.Fence.How = how
		if line := Status(s, o, "f")[0]; !strings.HasSuffix(line.Text, want) {
			t.Errorf("%s: %s", how, line.Text)
		}
	}
}
