package mongoseed

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// User is a user that the awkward part makes.
type User struct{ Database, Name, Password, Mechanism string }

// Users are those of the awkward part: one that belongs to the application's
// database, one of admin, each with one mechanism only.
var Users = []User{
	{Application, "circle_app", "password-of-circle_app", "SCRAM-SHA-256"},
	{"admin", "circle_legacy", "password-of-circle_legacy", "SCRAM-SHA-1"},
}

// Role is the role of its own that the first of them has.
const Role = "build_reader"

func users(ctx context.Context, client *mongo.Client, _ Options) error {
	role := bson.D{{Key: "createRole", Value: Role},
		{Key: "privileges", Value: bson.A{bson.D{
			{Key: "resource", Value: bson.D{{Key: "db", Value: Application}, {Key: "collection", Value: "builds"}}}, {Key: "actions", Value: bson.A{"find"}}}}},
		{Key: "roles", Value: bson.A{bson.D{{Key: "role", Value: "dbAdmin"}, {Key: "db", Value: Application}}}}}
	if err := commands(ctx, client.Database(Application), role); err != nil {
		return err
	}
	roles := map[string]bson.A{
		"circle_app":    {Role, bson.D{{Key: "role", Value: "readWrite"}, {Key: "db", Value: Application}}},
		"circle_legacy": {bson.D{{Key: "role", Value: "readAnyDatabase"}, {Key: "db", Value: "admin"}}},
	}
	for _, u := range Users {
		err := commands(ctx, client.Database(u.Database), bson.D{{Key: "createUser", Value: u.Name}, {Key: "pwd", Value: u.Password},
			{Key: "roles", Value: roles[u.Name]}, {Key: "mechanisms", Value: bson.A{u.Mechanism}},
			{Key: "customData", Value: bson.D{{Key: "team", Value: "platform"}}}})
		if err != nil {
			return err
		}
	}
	return nil
}
