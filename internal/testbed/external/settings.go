package external

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
)

// accessRules let the superuser in over the Unix socket only, and everybody
// else over TLS only.
const accessRules = `local   all  all                   trust
hostssl all  postgres  0.0.0.0/0   reject
hostssl all  all       0.0.0.0/0   scram-sha-256
`

// settings stand at the end of postgresql.conf, where the last word counts.
func (s Server) settings() string {
	var b strings.Builder
	for _, kv := range [][2]string{
		{"listen_addresses", cluster.NodeIP},
		{"port", fmt.Sprint(s.Port)},
		{"unix_socket_directories", SocketDir()},
		{"unix_socket_permissions", "0777"}, // the directory decides who gets to it
		{"ssl", "on"},
		{"ssl_min_protocol_version", s.MinTLS},
		{"ssl_cert_file", filepath.Join(s.dir(), "server.crt")},
		{"ssl_key_file", filepath.Join(s.dir(), "server.key")},
		{"password_encryption", "scram-sha-256"},
		{"max_connections", "100"},
		{"shared_buffers", "256MB"},
		{"fsync", "on"},
		// In the data directory, where a killed server leaves nothing behind.
		{"dynamic_shared_memory_type", "mmap"},
		{"log_destination", "stderr"},
		{"logging_collector", "off"},
		{"timezone", "UTC"},
		{"log_timezone", "UTC"},
	} {
		fmt.Fprintf(&b, "%s = '%s'\n", kv[0], kv[1])
	}
	return b.String()
}
