package provision

import "testing"

func TestOnlyReleasedVolumesOfOursThatMayGoAreDeleted(t *testing.T) {
	ours := func(change func(*volume)) volume {
		v := volume{Metadata: metadata{Annotations: map[string]string{annotation: Name}}, Spec: volumeSpec{ReclaimPolicy: "Delete"}, Status: phase{"Released"}}
		change(&v)
		return v
	}
	for name, tt := range map[string]struct {
		v    volume
		want bool
	}{
		"released":         {ours(func(*volume) {}), true},
		"retained":         {ours(func(v *volume) { v.Spec.ReclaimPolicy = "Retain" }), false},
		"bound":            {ours(func(v *volume) { v.Status.Phase = "Bound" }), false},
		"another's":        {ours(func(v *volume) { v.Metadata.Annotations = nil }), false},
		"already deleting": {ours(func(v *volume) { v.Metadata.DeletionTimestamp = "2026-01-01T00:00:00Z" }), false},
	} {
		if got := deletable(tt.v); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}
