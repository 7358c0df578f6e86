package mongo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/circleci-dr/circleci-dr/spec"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
	"go.mongodb.org/mongo-driver/mongo/readpref"
	"go.mongodb.org/mongo-driver/mongo/writeconcern"
)

const (
	sourceSide = "source"
	targetSide = "target"

	// ownDatabase is our own small database on either side.
	ownDatabase = "circleci_dr"
	// appPrefix marks our connections in the server's list.
	appPrefix = "circleci-dr"

	mechanismX509 = "MONGODB-X509"
)

// server is one side of a move: how to reach it and what was learnt about it
// at the first connection.
type server struct {
	side     string
	endpoint mover.Endpoint
	password string
	label    string
	tls      *tls.Config
	limits   limits
	// options are those of the connection string that concern us.
	options map[string]string
	// spoken is the TLS version of our newest connection.
	spoken atomic.Uint32

	client *mongo.Client
	hello  hello
	build  buildInfo
	// direct is true when we stay with the one host we were given.
	direct bool
}

// hello is what a server says of itself before anybody logs in.
type hello struct {
	Primary   bool     `bson:"ismaster"`
	Message   string   `bson:"msg"` // "isdbgrid" is a mongos
	SetName   string   `bson:"setName"`
	Hosts     []string `bson:"hosts"`
	Me        string   `bson:"me"`
	PrimaryAt string   `bson:"primary"`
	Topology  struct {
		// Process changes with every start of the server.
		Process primitive.ObjectID `bson:"processId"`
	} `bson:"topologyVersion"`
}

type buildInfo struct {
	Version string `bson:"version"`
	Numbers []int  `bson:"versionArray"`
}

// number is major*10000 + minor*100 + patch, such as 40402.
func (b buildInfo) number() int {
	n := 0
	for i := range 3 {
		n *= 100
		if i < len(b.Numbers) {
			n += b.Numbers[i]
		}
	}
	return n
}

// newServer reads the files the endpoint names; it does not connect.
func newServer(side string, endpoint *mover.Endpoint, label string) (*server, error) {
	if endpoint == nil {
		return nil, fail(side, mover.CodeFailed, errors.New("no endpoint was given"))
	}
	s := &server{side: side, endpoint: *endpoint, label: label, limits: outageLimits}
	if len(s.endpoint.Hosts) == 0 && s.endpoint.Host != "" {
		port := s.endpoint.Port
		if port == 0 {
			port = 27017
		}
		s.endpoint.Hosts = []string{net.JoinHostPort(s.endpoint.Host, strconv.Itoa(port))}
	}
	if len(s.endpoint.Hosts) == 0 {
		// A client without a host would go to whatever listens on this machine.
		return nil, fail(side, mover.CodeFailed, errors.New("no host was given"))
	}
	if endpoint.PasswordFile != "" {
		raw, err := os.ReadFile(endpoint.PasswordFile)
		if err != nil {
			return nil, fail(side, mover.CodeCredentials, fmt.Errorf("read password file: %w", err))
		}
		s.password = strings.TrimRight(string(raw), "\r\n")
	}
	var err error
	if s.options, err = spec.OwnMongoOptions(endpoint.Options); err != nil {
		return nil, fail(side, mover.CodeFailed, err)
	}
	s.trustAsTold()
	if s.tls, err = s.tlsConfig(); err != nil {
		return nil, fail(side, mover.CodeFailed, err)
	}
	return s, nil
}

// clientOptions are the options of our own client.
func (s *server) clientOptions() (*options.ClientOptions, error) {
	o := options.Client().ApplyURI("mongodb://" + strings.Join(s.endpoint.Hosts, ",") + "/").SetAppName(s.label).
		SetConnectTimeout(s.limits.connect).SetServerSelectionTimeout(s.limits.connect).
		SetReadPreference(readpref.Primary()).SetWriteConcern(durable()).SetRetryReads(true).SetRetryWrites(false).SetTLSConfig(s.tls)
	set := s.endpoint.ReplicaSet
	if set == "" {
		set = s.options["replicaset"]
	}
	if set != "" {
		o.SetReplicaSet(set)
	}
	// Asked for one host, we talk to that host: the names its set has for its
	// members need not be known here.
	s.direct = len(s.endpoint.Hosts) == 1 && set == ""
	if said := s.options["directconnection"]; said != "" {
		s.direct = said == "true"
	}
	o.SetDirect(s.direct)
	if credential := s.credential(); credential != nil {
		o.SetAuth(*credential)
	}
	return o, o.Validate()
}

// credential is who we log in as; nil is nobody.
func (s *server) credential() *options.Credential {
	e := s.endpoint
	if e.Mechanism == mechanismX509 {
		return &options.Credential{AuthMechanism: mechanismX509, Username: e.Username}
	}
	if e.Username == "" {
		return nil
	}
	source := e.AuthSource
	if source == "" {
		source = "admin"
	}
	return &options.Credential{Username: e.Username, Password: s.password, PasswordSet: true, AuthSource: source, AuthMechanism: e.Mechanism}
}

// durable is what every write of ours waits for.
func durable() *writeconcern.WriteConcern {
	yes, concern := true, writeconcern.Majority()
	concern.Journal = &yes
	return concern
}

// connect makes sure that there is a client and that we know the server.
func (s *server) connect(ctx context.Context) error {
	if s.client != nil {
		return nil
	}
	o, err := s.clientOptions()
	if err != nil {
		return fail(s.side, mover.CodeFailed, fmt.Errorf("read connection settings: %w", err))
	}
	client, err := mongo.Connect(ctx, o)
	if err != nil {
		return classify(s.side, fmt.Errorf("connect to %s: %w", s.where(), err))
	}
	err = s.quickly(ctx, "connect to "+s.where(), func(ctx context.Context) error { return s.learn(ctx, client) })
	if err != nil {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		_ = client.Disconnect(ctx) // it never came to anything
		return err
	}
	s.client = client
	return nil
}

// goodbye is how long taking leave of a server may take.
const goodbye = 5 * time.Second

func (s *server) where() string { return strings.Join(s.endpoint.Hosts, ",") }

func (s *server) learn(ctx context.Context, client *mongo.Client) error {
	admin := client.Database("admin")
	if err := admin.RunCommand(ctx, bson.D{{Key: "isMaster", Value: 1}}).Decode(&s.hello); err != nil {
		return err
	}
	if err := admin.RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&s.build); err != nil {
		return fmt.Errorf("read server version: %w", err)
	}
	return nil
}

func (s *server) close(ctx context.Context) {
	if s.client == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	_ = s.client.Disconnect(ctx) // what was to be kept is acknowledged by then
}

// own is our own collection of one document per matter.
func (s *server) own() *mongo.Collection { return s.client.Database(ownDatabase).Collection("state") }
