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
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	if addresses, err = net.DefaultResolver.LookupHost(ctx, host); err != nil {
		return nil, err
	}
	// The name once more: the dialer shares its time among the addresses.
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostPort)
	if err != nil {
		return addresses, err
	}
	return addresses, conn.Close()
}

// A pod that has just begun may be cut off for a moment: a mesh's proxy starts
// beside it, and a network plugin learns of the pod in its own time.
const (
	reachPatience = 10 * time.Second
	reachPause    = time.Second
	// dialTime is how long a host has to take a connection.
	dialTime = 10 * time.Second
)

// Reach dials until the host answers, for some seconds.
func Reach(ctx context.Context, hostPort string) (addresses []string, err error) {
	for began := time.Now(); ; {
		addresses, err = Dial(ctx, hostPort, dialTime)
		if err == nil || time.Since(began) > reachPatience || Pause(ctx, reachPause) != nil {
			return addresses, err
		}
	}
}
