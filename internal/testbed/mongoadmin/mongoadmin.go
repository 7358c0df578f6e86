// Package mongoadmin makes the first user of a new MongoDB server and waits
// for a server to answer. It knows the localhost exception, by which a server
// without users lets whoever is on its own machine make one; it knows no chart
// and starts nothing.
package mongoadmin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// The server's error codes that are looked for.
const (
	codeUnauthorized       = 13
	codeAlreadyInitialized = 23
	codeUserExists         = 51003
)

// Options are the settings of a connection to one server, whatever replica set
// it belongs to.
func Options(server string) *options.ClientOptions {
	return options.Client().SetHosts([]string{server}).SetDirect(true).SetRetryWrites(false).SetRetryReads(false).
		SetConnectTimeout(3 * time.Second).SetServerSelectionTimeout(3 * time.Second)
}

// As adds the login of a user of the database admin.
func As(o *options.ClientOptions, user, password string) *options.ClientOptions {
	return o.SetAuth(options.Credential{AuthSource: "admin", Username: user, Password: password})
}

// Client connects and runs f.
func Client(ctx context.Context, o *options.ClientOptions, f func(context.Context, *mongo.Client) error) error {
	client, err := mongo.Connect(o)
	if err != nil {
		return fmt.Errorf("make connection settings: %w", err)
	}
	defer client.Disconnect(context.WithoutCancel(ctx)) //nolint:errcheck // nothing is left to send
	return f(ctx, client)
}

// Try repeats f until it succeeds or patience or ctx ends.
func Try(ctx context.Context, patience time.Duration, f func(context.Context) error) error {
	for end := time.Now().Add(patience); ; {
		err := f(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Ping asks whether the server answers and the login is good.
func Ping(ctx context.Context, client *mongo.Client) error {
	return Run(ctx, client, bson.D{{Key: "ping", Value: 1}}, nil)
}

// Run runs a command on the database admin and decodes its answer.
func Run(ctx context.Context, client *mongo.Client, command bson.D, into any) error {
	result := client.Database("admin").RunCommand(ctx, command)
	if into == nil {
		return result.Err()
	}
	return result.Decode(into)
}

// FirstUser makes a root user over the localhost exception. A server that has
// users already is left as it is.
func FirstUser(ctx context.Context, client *mongo.Client, user, password string) error {
	err := User(ctx, client, user, password, bson.A{"root"})
	if code(err, codeUnauthorized) {
		return nil
	}
	return err
}

// User makes a user of the database admin. One that is there is left as it is.
func User(ctx context.Context, client *mongo.Client, user, password string, roles bson.A) error {
	err := Run(ctx, client, bson.D{{Key: "createUser", Value: user}, {Key: "pwd", Value: password}, {Key: "roles", Value: roles}}, nil)
	if err != nil && !code(err, codeUserExists) {
		return fmt.Errorf("make the user %s: %w", user, err)
	}
	return nil
}

// Initiate makes a replica set of one member. One that is made already is left
// as it is.
func Initiate(ctx context.Context, client *mongo.Client, set string, member bson.D) error {
	config := bson.D{{Key: "_id", Value: set}, {Key: "members", Value: bson.A{member}}}
	err := Run(ctx, client, bson.D{{Key: "replSetInitiate", Value: config}}, nil)
	if err != nil && !code(err, codeAlreadyInitialized, codeUnauthorized) {
		return fmt.Errorf("make the replica set %s: %w", set, err)
	}
	return nil
}

func code(err error, codes ...int) bool {
	var server mongo.ServerError
	return errors.As(err, &server) && slices.ContainsFunc(codes, server.HasErrorCode)
}
