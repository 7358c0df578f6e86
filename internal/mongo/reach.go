package mongo

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// reach tries the way to the target from where this pod stands: each name that
// we were given, the login, and each name that the replica set announces, by which
// a driver goes then. That one of them fails is its result.
func (m *job) reach(ctx context.Context) mover.ReachResult {
	s := m.target
	out := mover.ReachResult{At: time.Now().UTC()}
	for _, host := range s.endpoint.Hosts {
		out.Hosts = append(out.Hosts, mover.Reached{Host: host})
	}
	dialAll(ctx, out.Hosts)
	if !slices.ContainsFunc(out.Hosts, func(h mover.Reached) bool { return h.Error == "" }) {
		return out
	}
	if err := s.connect(ctx); err != nil {
		out.Login = err.Error()
		return out
	}
	if s.direct {
		return out
	}
	var announced []mover.Reached
	for _, host := range s.hello.Hosts {
		if !slices.ContainsFunc(s.endpoint.Hosts, func(seed string) bool { return strings.EqualFold(seed, host) }) {
			announced = append(announced, mover.Reached{Host: host, Announced: true})
		}
	}
	dialAll(ctx, announced)
	out.Hosts = append(out.Hosts, announced...)
	return out
}

func dialAll(ctx context.Context, hosts []mover.Reached) {
	var all sync.WaitGroup
	for i := range hosts {
		all.Go(func() {
			addresses, err := process.Reach(ctx, hosts[i].Host)
			hosts[i].Came(addresses, err)
		})
	}
	all.Wait()
}
