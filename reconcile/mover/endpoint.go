package mover

import (
	"fmt"
	"strconv"
	"strings"
)

// At is the server's address for people and records: host:port, or a list.
func (e Endpoint) At() string {
	if len(e.Hosts) > 0 {
		return strings.Join(e.Hosts, ",")
	}
	return fmt.Sprintf("%s:%d", e.Host, e.Port)
}

// SplitSeed splits one of MongoDB's hosts, which may lack its port.
func SplitSeed(seed string) (host string, port int) {
	standard := StandardMongoPort
	at := strings.LastIndex(seed, ":")
	if at < 0 || strings.HasSuffix(seed, "]") || strings.Count(seed, ":") > 1 && !strings.HasPrefix(seed, "[") {
		return strings.Trim(seed, "[]"), standard
	}
	port, err := strconv.Atoi(seed[at+1:])
	if err != nil { // the spec's own rules have refused it
		port = standard
	}
	return strings.Trim(seed[:at], "[]"), port
}

// HostNames are the names under which workloads may reference the server.
func (e Endpoint) HostNames() []string {
	if len(e.Hosts) == 0 {
		return []string{e.Host}
	}
	var out []string
	for _, seed := range e.Hosts {
		host, _ := SplitSeed(seed)
		out = append(out, host)
	}
	return out
}
