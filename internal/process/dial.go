package process

import (
	"context"
	"net"
	"time"
)

// Dial resolves the host of an address and connects to it, as any client
// would, and hangs up. Without addresses the name itself was not to be resolved.
func Dial(ctx context.Context, hostPort string, limit time.Duration) (addresses []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	if addresses, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return nil, err
	}
	for _, address := range addresses {
		var conn net.Conn
		if conn, err = (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(address, port)); err == nil {
			return addresses, conn.Close()
		}
	}
	return addresses, err
}
