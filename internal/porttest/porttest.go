// Package porttest picks TCP ports for the servers that tests start on the
// loopback address. It knows ports only, and no server.
package porttest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// The ports to pick from are below those that the kernel gives to clients
// (net.ipv4.ip_local_port_range, from 32768 by default): one that is free now is
// then not taken by somebody's connection before the server has it.
const (
	first = 20000
	end   = 27000
)

// held are the sockets that say which ports this process has been given.
var held struct {
	sync.Mutex
	sockets []net.Listener
}

// Pick gives a port on which nothing listens, and which no other call of Pick on
// this machine gives until the process ends.
func Pick() (int, error) {
	var failed error
	for range 100 {
		port := first + rand.IntN(end-first)
		// An abstract socket: the kernel lets one process have it, and frees it
		// however that process ends.
		mark, err := net.Listen("unix", fmt.Sprintf("@circleci-dr-test-port-%d", port))
		if err != nil {
			failed = err
			continue
		}
		held.Lock()
		held.sockets = append(held.sockets, mark)
		held.Unlock()
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			return port, l.Close()
		}
		failed = err
	}
	return 0, errors.Join(errors.New("find a free port: a hundred are taken"), fmt.Errorf("the last one: %w", failed))
}
