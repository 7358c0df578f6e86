package external

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/cluster"
	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoadmin"
	"github.com/circleci-dr/circleci-dr/internal/testbed/pki"
	"github.com/circleci-dr/circleci-dr/internal/testbed/proc"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// issue writes what the server needs into its directory: the certificate with
// its key in one file, and the key by which members would know each other.
func (s MongoServer) issue(ca *pki.Authority, dir string) error {
	pair, err := ca.Issue(s.certificate())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o700); err != nil {
		return fmt.Errorf("make the directory of %s: %w", s.Name(), err)
	}
	files := map[string][]byte{"server.pem": append(pair.Cert, pair.Key...), "keyfile": []byte(rand.Text() + rand.Text())}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return fmt.Errorf("write %s of %s: %w", name, s.Name(), err)
		}
	}
	var errs []error
	for _, path := range []string{"", "data", "server.pem", "keyfile"} {
		errs = append(errs, os.Chown(filepath.Join(dir, path), uid, uid))
	}
	return errors.Join(errs...)
}

// Ensure starts the server from the directory with bin and lib unless it runs,
// and waits until it accepts the administrator.
func (s MongoServer) Ensure(ctx context.Context, dir string) error {
	spec := proc.Spec{Name: s.Name(), UID: uid, Args: s.args(filepath.Join(dir, "bin", "mongod")),
		Env: []string{"LD_LIBRARY_PATH=" + filepath.Join(dir, "lib")}}
	err := mongoadmin.Try(ctx, 60*time.Second, func(ctx context.Context) error {
		if _, err := cluster.Parts().Ensure(ctx, spec); err != nil {
			return err
		}
		if _, err := os.Stat(s.socket()); err != nil {
			return err // without waiting for a server that is not there yet
		}
		return s.ready(ctx)
	})
	if err != nil {
		return fmt.Errorf("start %s: %w; the end of %s:\n%s", s.Name(), err, cluster.Parts().Log(s.Name()), cluster.LogTail(s.Name(), 15))
	}
	return nil
}

// ready makes the replica set and the users where they are missing, and logs
// in as the administrator the way everybody does.
func (s MongoServer) ready(ctx context.Context) error {
	if err := s.asRoot(ctx, mongoadmin.Ping); err != nil {
		if err := s.first(ctx); err != nil {
			return err
		}
	}
	if err := s.asRoot(ctx, makeMongoAdmin); err != nil {
		return err
	}
	o, err := s.settings(s.Address(), MongoAdmin, MongoPasswordFile())
	if err != nil {
		return err
	}
	return mongoadmin.Client(ctx, o, mongoadmin.Ping)
}

// first makes the replica set and the user root of a new server.
func (s MongoServer) first(ctx context.Context) error {
	o, err := s.settings(s.socket(), "", "")
	if err != nil {
		return err
	}
	password, err := os.ReadFile(MongoRootPasswordFile())
	if err != nil {
		return fmt.Errorf("read the password of %s: %w", mongoRoot, err)
	}
	return mongoadmin.Client(ctx, o, func(ctx context.Context, client *mongo.Client) error {
		if err := mongoadmin.Initiate(ctx, client, ReplicaSet, s.member()); err != nil {
			return err
		}
		// A member that has just begun is not its set's primary at once.
		return mongoadmin.Try(ctx, 20*time.Second, func(ctx context.Context) error {
			return mongoadmin.FirstUser(ctx, client, mongoRoot, string(password))
		})
	})
}

func makeMongoAdmin(ctx context.Context, client *mongo.Client) error {
	password, err := os.ReadFile(MongoPasswordFile())
	if err != nil {
		return fmt.Errorf("read the administrator's password: %w", err)
	}
	return mongoadmin.User(ctx, client, MongoAdmin, string(password), mongoAdminRoles)
}

// asRoot runs f over the server's socket as the user who may do everything.
func (s MongoServer) asRoot(ctx context.Context, f func(context.Context, *mongo.Client) error) error {
	o, err := s.settings(s.socket(), mongoRoot, MongoRootPasswordFile())
	if err != nil {
		return err
	}
	return mongoadmin.Client(ctx, o, f)
}

// Reset makes the server as new: no database, user and role but its own and
// the administrator.
func (s MongoServer) Reset(ctx context.Context) error {
	err := s.asRoot(ctx, func(ctx context.Context, client *mongo.Client) error {
		if err := dropUsers(ctx, client); err != nil {
			return err
		}
		names, err := client.ListDatabaseNames(ctx, bson.D{{Key: "name", Value: bson.D{{Key: "$nin", Value: bson.A{"admin", "config", "local"}}}}})
		if err != nil {
			return fmt.Errorf("list databases: %w", err)
		}
		for _, name := range names {
			if err := client.Database(name).Drop(ctx); err != nil {
				return fmt.Errorf("drop database %s: %w", name, err)
			}
		}
		return mongoadmin.Run(ctx, client, bson.D{{Key: "setFeatureCompatibilityVersion", Value: s.Release}}, nil)
	})
	if err != nil {
		return fmt.Errorf("reset %s: %w", s.Name(), err)
	}
	return nil
}

// dropUsers drops users and roles of every database, those of databases
// without a collection too.
func dropUsers(ctx context.Context, client *mongo.Client) error {
	for _, kind := range []struct{ collection, name, command string }{
		{"system.users", "user", "dropUser"}, {"system.roles", "role", "dropRole"},
	} {
		cursor, err := client.Database("admin").Collection(kind.collection).Find(ctx, bson.D{})
		if err != nil {
			return fmt.Errorf("list %s: %w", kind.collection, err)
		}
		var found []bson.M
		if err := cursor.All(ctx, &found); err != nil {
			return fmt.Errorf("list %s: %w", kind.collection, err)
		}
		for _, f := range found {
			db, name := f["db"].(string), f[kind.name].(string)
			if kind.name == "user" && db == "admin" && (name == mongoRoot || name == MongoAdmin) {
				continue
			}
			if err := client.Database(db).RunCommand(ctx, bson.D{{Key: kind.command, Value: name}}).Err(); err != nil {
				return fmt.Errorf("drop %s %s of %s: %w", kind.name, name, db, err)
			}
		}
	}
	return nil
}
