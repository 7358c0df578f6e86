// Package external runs the PostgreSQL and MongoDB servers outside the cluster,
// shaped as a managed service gives them: TLS only, an administrator who is no
// superuser. It knows how such a server is set up and started; it must not
// know what is copied into it.
package external

import (
	"fmt"
	"path/filepath"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
)

// Server is one PostgreSQL server outside the cluster.
type Server struct {
	Major int
	Port  int
	// MinTLS is the oldest TLS version it speaks.
	MinTLS string
	// Twin tells a second server of a version from the first: two installations
	// can be moved at once, each to servers of its own.
	Twin string
}

// Servers are all of them. The ports say the major.
var Servers = []Server{
	{Major: 12, Port: 15412, MinTLS: "TLSv1.2"},
	{Major: 14, Port: 15414, MinTLS: "TLSv1.3"},
	{Major: 14, Port: 15514, MinTLS: "TLSv1.3", Twin: "b"},
	{Major: 15, Port: 15415, MinTLS: "TLSv1.2"},
}

// Admin is the role a person would get from a managed service.
const Admin = "circleci"

// Name is the server's name as a part of the testbed and in DNS.
func (s Server) Name() string { return fmt.Sprintf("pg%d%s", s.Major, s.Twin) }

// Host is the server's DNS name inside the cluster; outside use Address.
func (s Server) Host() string { return s.Name() + ".testbed" }

// Address is host:port as it is reached from this machine and from pods.
func (s Server) Address() string { return fmt.Sprintf("%s:%d", cluster.NodeIP, s.Port) }

func (s Server) dir() string { return filepath.Join(base, s.Name()) }

func (s Server) data() string { return filepath.Join(s.dir(), "data") }

const base = cluster.RunDir + "/external"

// CAFile is the certificate authority of all servers, as PEM.
func CAFile() string { return filepath.Join(base, "ca.crt") }

// PasswordFile holds the administrator's password, new for every boot.
func PasswordFile() string { return filepath.Join(base, "password") }

// SocketDir holds the Unix sockets; only root and the servers may enter it.
// Over them the real superuser postgres needs no password; MongoDB's root does.
func SocketDir() string { return filepath.Join(base, "sockets") }
