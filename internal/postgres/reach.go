package postgres

import (
	"context"
	"net"
	"strconv"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/process"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// reach tries the way to the target from where this pod stands: the name, the
// connection, the login. That one of them fails is its result.
func (m *job) reach(ctx context.Context) mover.ReachResult {
	e := m.target.endpoint
	host := mover.Reached{Host: net.JoinHostPort(e.Host, strconv.Itoa(e.Port))}
	addresses, err := process.Reach(ctx, host.Host)
	host.Came(addresses, err)
	out := mover.ReachResult{At: time.Now().UTC(), Hosts: []mover.Reached{host}}
	if err != nil {
		return out
	}
	conn, err := m.target.connect(ctx, maintenance)
	if err != nil {
		out.Login = err.Error()
		return out
	}
	_ = conn.Close(ctx) // it was asked for nothing
	return out
}
