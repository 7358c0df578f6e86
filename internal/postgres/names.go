package postgres

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// lookupAgain is how long a name that was found once may take to be found again,
// before the addresses of then are dialled: a copy dials often, and a resolver that
// is slow for a moment must not end an outage's work.
const lookupAgain = 2 * time.Second

// hostNames finds the addresses of hosts, and remembers them.
type hostNames struct {
	// lookup asks the resolver; nil is the process's own.
	lookup func(ctx context.Context, host string) ([]string, error)

	mu    sync.Mutex
	known map[string][]string
}

// find gives the addresses of a host. Those of before stand in for an answer that
// does not come; who is there has to prove itself as ever.
func (n *hostNames) find(ctx context.Context, host string) ([]string, error) {
	n.mu.Lock()
	before := n.known[host]
	n.mu.Unlock()
	asked, cancel := ctx, func() {}
	if before != nil {
		asked, cancel = context.WithTimeout(ctx, lookupAgain)
	}
	defer cancel()
	lookup := n.lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupHost
	}
	found, err := lookup(asked, host)
	if err != nil && before != nil && ctx.Err() == nil {
		return before, nil
	}
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[string][]string{}
	}
	n.known[host] = found
	return found, nil
}

// addressOf is the address that a session has dialled, empty for a socket in the
// file system.
func addressOf(conn *pgx.Conn) string {
	host, _, err := net.SplitHostPort(conn.PgConn().Conn().RemoteAddr().String())
	if err != nil || strings.HasPrefix(host, "/") {
		return ""
	}
	return host
}
