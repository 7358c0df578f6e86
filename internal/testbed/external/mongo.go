package external

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoadmin"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pki"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// MongoServer is one MongoDB server outside the cluster: a replica set of one
// member, with TLS and users.
type MongoServer struct {
	Release string
	Port    int
	Twin    string // as a [Server]'s
}

// MongoServers are all of them. The ports say the release.
var MongoServers = []MongoServer{
	{Release: "4.4", Port: 27044},
	{Release: "4.4", Port: 27144, Twin: "b"},
	{Release: "5.0", Port: 27050},
	{Release: "6.0", Port: 27060},
}

// ReplicaSet is the name that every one of them has.
const ReplicaSet = "rs0"

// MongoAdmin is the user of the database admin that a person would get from a
// managed service: every database and what is needed to watch the server, and
// neither users nor roles.
const MongoAdmin = "circleci"

// mongoRoot is the user who may do everything.
const mongoRoot = "root"

var mongoAdminRoles = bson.A{"readWriteAnyDatabase", "dbAdminAnyDatabase", "clusterMonitor"}

// Name is the server's name as a part of the testbed and in DNS.
func (s MongoServer) Name() string { return "mongo" + strings.ReplaceAll(s.Release, ".", "") + s.Twin }

// Host is the server's DNS name inside the cluster; outside use Address.
func (s MongoServer) Host() string { return s.Name() + ".testbed" }

// Address is host:port as it is reached from this machine and from pods.
func (s MongoServer) Address() string { return fmt.Sprintf("%s:%d", cluster.NodeIP, s.Port) }

// member is the replica set's only one. Whoever comes by the DNS name is told
// that name, and whoever comes by the address the address: the name means
// nothing on this machine, the server itself included.
func (s MongoServer) member() bson.D {
	return bson.D{{Key: "_id", Value: 0}, {Key: "host", Value: s.Address()},
		{Key: "horizons", Value: bson.D{{Key: "pods", Value: fmt.Sprintf("%s:%d", s.Host(), s.Port)}}}}
}

func (s MongoServer) dir() string  { return filepath.Join(base, s.Name()) }
func (s MongoServer) data() string { return filepath.Join(s.dir(), "data") }

// socket lets in whoever may enter SocketDir, and the users of the machine it
// lets make the first user.
func (s MongoServer) socket() string {
	return filepath.Join(SocketDir(), fmt.Sprintf("mongodb-%d.sock", s.Port))
}

func (s MongoServer) certificate() pki.Request {
	return pki.Request{CommonName: s.Host(), Names: []string{s.Host(), cluster.NodeIP}, Member: true}
}

// MongoPasswordFile holds the administrator's password, new for every boot.
func MongoPasswordFile() string { return filepath.Join(base, "mongo-password") }

// MongoRootPasswordFile holds the password of the user root.
func MongoRootPasswordFile() string { return filepath.Join(base, "mongo-root-password") }

// args are what the server is started with.
func (s MongoServer) args(program string) []string {
	return []string{program, "--dbpath=" + s.data(), "--port=" + fmt.Sprint(s.Port),
		"--bind_ip=" + cluster.NodeIP, "--unixSocketPrefix=" + SocketDir(),
		"--replSet=" + ReplicaSet, "--keyFile=" + filepath.Join(s.dir(), "keyfile"),
		"--tlsMode=requireTLS", "--tlsCertificateKeyFile=" + filepath.Join(s.dir(), "server.pem"),
		"--tlsCAFile=" + CAFile(), "--tlsAllowConnectionsWithoutCertificates",
		"--oplogSize=64", "--wiredTigerCacheSizeGB=0.25", "--setParameter=diagnosticDataCollectionEnabled=false"}
}

// settings are those of a connection to the server as a user with the password
// in a file, or without a login when user is empty.
func (s MongoServer) settings(server, user, passwordFile string) (*options.ClientOptions, error) {
	ca, err := os.ReadFile(CAFile())
	if err != nil {
		return nil, fmt.Errorf("read the servers' authority: %w", err)
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("read the servers' authority: %s holds no certificate", CAFile())
	}
	o := mongoadmin.Options(server).SetTLSConfig(&tls.Config{RootCAs: trusted, ServerName: cluster.NodeIP, MinVersion: tls.VersionTLS12})
	if user == "" {
		return o, nil
	}
	password, err := os.ReadFile(passwordFile)
	if err != nil {
		return nil, fmt.Errorf("read the password of %s: %w", user, err)
	}
	return mongoadmin.As(o, user, string(password)), nil
}
