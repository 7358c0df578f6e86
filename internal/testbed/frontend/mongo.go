package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/frontend/writes"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// mongoDatabase is where the chart says the documents are.
type mongoDatabase struct {
	options *options.ClientOptions
	name    string
	host    string // the hosts as configured
}

// mongoFromEnv reads the settings that the chart gives every service.
func mongoFromEnv(role string) (mongoDatabase, error) {
	values := map[string]string{}
	for _, name := range []string{"HOSTS", "SSL", "TLS_INSECURE", "AUTH_SOURCE", "AUTH_MECHANISM", "USERNAME", "PASSWORD", "DATABASE"} {
		value := os.Getenv("MONGO_" + name)
		if value == "" {
			return mongoDatabase{}, fmt.Errorf("read settings: environment variable MONGO_%s is not set", name)
		}
		values[name] = value
	}
	uri := "mongodb://" + values["HOSTS"] + "/?" + os.Getenv("MONGO_OPTIONS")
	o := options.Client().ApplyURI(uri).SetAppName("circleci " + role).
		SetAuth(options.Credential{AuthMechanism: values["AUTH_MECHANISM"], AuthSource: values["AUTH_SOURCE"],
			Username: values["USERNAME"], Password: values["PASSWORD"]}).
		// The writer itself wants to know what became of a write, and many
		// services share one small server.
		SetRetryWrites(false).SetRetryReads(false).SetMaxPoolSize(2).SetServerMonitoringMode("poll").
		SetConnectTimeout(3 * time.Second).SetServerSelectionTimeout(3 * time.Second)
	tlsConfig, err := mongoTLS(values["SSL"], values["TLS_INSECURE"])
	if err != nil {
		return mongoDatabase{}, err
	}
	if tlsConfig != nil {
		o.SetTLSConfig(tlsConfig)
	}
	if err := o.Validate(); err != nil {
		return mongoDatabase{}, fmt.Errorf("read settings: %w", err)
	}
	return mongoDatabase{options: o, name: values["DATABASE"], host: values["HOSTS"]}, nil
}

// mongoTLS is nil for a connection without TLS.
func mongoTLS(ssl, insecure string) (*tls.Config, error) {
	wanted, err := strconv.ParseBool(ssl)
	if err != nil {
		return nil, fmt.Errorf("read settings: MONGO_SSL: %w", err)
	}
	blind, err := strconv.ParseBool(insecure)
	if err != nil {
		return nil, fmt.Errorf("read settings: MONGO_TLS_INSECURE: %w", err)
	}
	if !wanted {
		return nil, nil
	}
	config := &tls.Config{InsecureSkipVerify: blind, MinVersion: tls.VersionTLS12} //nolint:gosec // what the chart's tlsInsecure says
	file := os.Getenv("TLS_CERTIFICATES")
	if file == "" {
		return config, nil
	}
	if config.RootCAs, err = x509.SystemCertPool(); err != nil {
		return nil, fmt.Errorf("read settings: the system's certificates: %w", err)
	}
	trusted, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read settings: TLS_CERTIFICATES: %w", err)
	}
	if !config.RootCAs.AppendCertsFromPEM(trusted) {
		return nil, fmt.Errorf("read settings: TLS_CERTIFICATES: %s holds no certificate", file)
	}
	return config, nil
}

// connect opens a session and returns the server's version.
func (d mongoDatabase) connect(ctx context.Context) (*mongo.Client, string, error) {
	client, err := mongo.Connect(d.options)
	if err != nil {
		return nil, "", fmt.Errorf("connect to %s: %w", d.host, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var info struct {
		Version string `bson:"version"`
	}
	// It needs no login, but the connection it goes over does.
	if err := client.Database(d.name).RunCommand(ctx, bson.D{{Key: "buildInfo", Value: 1}}).Decode(&info); err != nil {
		disconnect(ctx, client)
		return nil, "", fmt.Errorf("connect to %s: %w", d.host, err)
	}
	return client, info.Version, nil
}

// collection is where the numbered documents go, confirmed by a majority's
// journals.
func (d mongoDatabase) collection(client *mongo.Client) *mongo.Collection {
	journal := true
	return client.Database(d.name).Collection(writes.Collection,
		options.Collection().SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journal}))
}

func disconnect(ctx context.Context, client *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = client.Disconnect(ctx) // on the way out
}

// mongoReader is any service but the frontend: it keeps a session and reads a
// little every second.
type mongoReader struct {
	db     mongoDatabase
	status link
}

func (r *mongoReader) session(ctx context.Context) error {
	client, server, err := r.db.connect(ctx)
	if err != nil {
		return err
	}
	defer disconnect(ctx, client)
	r.status.connected(ctx, server)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		query, cancel := context.WithTimeout(ctx, 5*time.Second)
		names, err := client.Database(r.db.name).ListCollectionNames(query, bson.D{})
		cancel()
		if err != nil {
			return fmt.Errorf("read from %s: %w", r.db.host, err)
		}
		r.status.change(func(s *Link) { s.Reads++; s.Tables, s.LastOK = int64(len(names)), time.Now() })
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
