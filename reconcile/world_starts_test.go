package reconcile

import (
	"context"
	"maps"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/engine"
	"github.com/circleci-dr/circleci-dr/spec"
)

type starts struct{ w *world }

// Ailing is what the cluster says of pods that are not ready: those that never
// get ready crash with the world's last words.
func (s starts) Ailing(ctx context.Context, keys []string) engine.Observed[[]engine.Ailment] {
	return look(ctx, s.w, "Ailing", func() engine.Observed[[]engine.Ailment] {
		var out []engine.Ailment
		for _, key := range slices.Sorted(maps.Keys(s.w.apps)) {
			a := s.w.apps[key]
			if !slices.Contains(keys, key) || a.ready >= a.replicas {
				continue
			}
			ill := engine.Ailment{Workload: key, Pod: a.name + "-0", Container: "app", Condition: "running, not ready", Hopeful: true}
			if a.neverGetsReady && !maps.Equal(a.hosts, a.home) {
				ill.Condition, ill.Reason, ill.Hopeful, ill.Restarts = "CrashLoopBackOff: ended with Error, exit code 1", "CrashLoopBackOff", false, 3
				ill.Log = []string{"connecting", "certificate signed by unknown authority"}
			}
			out = append(out, ill)
		}
		return engine.Found(out)
	})
}

func (w *world) Authority(ctx context.Context, _ spec.SecretRef) engine.Observed[string] {
	return look(ctx, w, "Authority", func() engine.Observed[string] {
		if !w.private {
			return engine.NotThere[string]()
		}
		return engine.Found(worldAuthority().pem)
	})
}
