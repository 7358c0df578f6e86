package helm

import (
	"encoding/base64"
	"maps"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// What the chart makes of another tls.certificates is known by the chart
// itself, wherever it stands; what else changes is still somebody's own.
func TestWhatTheAuthorityChangesIsNoForeignChange(t *testing.T) {
	one, two := base64.StdEncoding.EncodeToString([]byte("PEM 1\n")), base64.StdEncoding.EncodeToString([]byte("PEM 2\n"))
	sum := edit{services, inPod, "      annotations:\n        checksum/trust: {{ toJson $.Values.tls | sha256sum }}\n        checksum/all: {{ toJson $.Values | sha256sum }}\n"}
	for _, row := range []struct {
		name string
		was  []any
		// made is whether the ConfigMap comes into being.
		made bool
	}{{"the first one", nil, true}, {"one more", []any{one}, false}} {
		b := installedFrom(t, edited(t, sum), edited(t, sum), map[string]any{"tls": map[string]any{"certificates": row.was}})
		change := outwards(t, mover.MongoDB)
		change.Set = maps.Clone(change.Set)
		change.Set["tls"] = map[string]any{"certificates": append(append([]any{}, row.was...), two)}
		got := b.foresee(t, change, nil)
		if left := others(got); len(left) > 0 {
			t.Errorf("%s: foreign changes %q", row.name, left)
		}
		made, trusting := false, 0
		for _, o := range got {
			made = made || o.Trust && o.Kind+"/"+o.Name == "ConfigMap/tls-certificates"
			for _, c := range o.Rendered {
				if c.Trust {
					trusting++
				}
			}
		}
		if made != row.made || trusting == 0 {
			t.Errorf("%s: the ConfigMap is made: %t; fields that say what is trusted: %d", row.name, made, trusting)
		}
		// Without the change of it nothing is said to be about trust.
		for _, o := range b.foresee(t, outwards(t, mover.MongoDB), nil) {
			for _, c := range o.Rendered {
				if c.Trust || o.Trust {
					t.Errorf("%s: %s/%s %s is said to be about trust", row.name, o.Kind, o.Name, c.Field)
				}
			}
		}
		// A field that changes for another reason besides stays foreign.
		change.Set["frontend"] = map[string]any{"writeInterval": "1s"}
		if left := others(b.foresee(t, change, nil)); len(left) != 1 {
			t.Errorf("%s: somebody else's change is passed: %q", row.name, left)
		}
	}
}
