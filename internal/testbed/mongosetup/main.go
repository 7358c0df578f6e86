// Command mongosetup makes the root user of the MongoDB server in the same
// container, once the server answers. It knows its environment; the image of
// the server has no shell of MongoDB's that could do it.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/circleci-dr/circleci-dr/internal/testbed/mongoadmin"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func main() {
	if err := setup(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "mongosetup:", err)
		os.Exit(1)
	}
}

func setup(ctx context.Context) error {
	user, password := os.Getenv("MONGODB_ROOT_USER"), os.Getenv("MONGODB_ROOT_PASSWORD")
	if user == "" || password == "" {
		return fmt.Errorf("read settings: MONGODB_ROOT_USER or MONGODB_ROOT_PASSWORD is not set")
	}
	const server = "127.0.0.1:27017"
	return mongoadmin.Client(ctx, mongoadmin.Options(server), func(ctx context.Context, client *mongo.Client) error {
		return mongoadmin.Try(ctx, 2*time.Minute, func(ctx context.Context) error {
			return mongoadmin.FirstUser(ctx, client, user, password)
		})
	})
}
