package mongo

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
)

// recorded is a source as copy, proof and trial know it: everything they need
// but the documents. It is read from a server once, when an operation begins,
// or from what was written down of one; nothing that uses it asks a server for
// more. See docs/adr/0061.
type recorded struct {
	at    time.Time
	build buildInfo
	// compatibility is the feature compatibility version, or unreadable.
	compatibility string
	sideFacts
	// strays are what somebody keeps in the server's own databases.
	strays []string
	// counters are the write counters from before the first document was read
	// under the fence; nil where no fence stood or nothing was read.
	counters map[string]mover.WriteCounter
}

// accounts are the users and roles of a database, as far as we may see them.
type accounts struct {
	users, roles             []string
	usersHidden, rolesHidden bool
}

// recordedSource is the source as it was given to us, or as its server tells
// it now.
func (m *job) recordedSource(ctx context.Context) (recorded, error) {
	if m.given != nil {
		return *m.given, nil
	}
	facts, err := m.source.facts(ctx)
	if err != nil {
		return recorded{}, err
	}
	compatibility, err := m.source.compatibility(ctx)
	if err != nil {
		return recorded{}, err
	}
	return m.source.record(ctx, facts, compatibility)
}

// record adds to the facts of a source what only a source is asked for.
func (s *server) record(ctx context.Context, facts sideFacts, compatibility string) (recorded, error) {
	r := recorded{at: time.Now().UTC().Truncate(time.Millisecond), build: s.build, compatibility: compatibility, sideFacts: facts}
	var err error
	for i := range r.databases {
		d := &r.databases[i]
		if d.accounts, err = s.accounts(ctx, d.name); err != nil {
			return r, err
		}
	}
	r.strays, err = s.strays(ctx)
	return r, err
}

// compatibility reads the feature compatibility version.
func (s *server) compatibility(ctx context.Context) (string, error) {
	var parameter struct {
		Compatibility struct {
			Version string `bson:"version"`
		} `bson:"featureCompatibilityVersion"`
	}
	err := s.command(ctx, "admin", bson.D{{Key: "getParameter", Value: 1}, {Key: "featureCompatibilityVersion", Value: 1}}, &parameter)
	return orUnreadable(parameter.Compatibility.Version, err)
}

// accounts reads who has an account in a database.
func (s *server) accounts(ctx context.Context, name string) (a accounts, err error) {
	var users struct {
		Users []struct {
			User string `bson:"user"`
		} `bson:"users"`
	}
	err = s.command(ctx, name, bson.D{{Key: "usersInfo", Value: 1}}, &users)
	if notAllowed(err) {
		return accounts{usersHidden: true}, nil
	}
	if err != nil {
		return a, err
	}
	for _, u := range users.Users {
		a.users = append(a.users, u.User)
	}
	var roles struct {
		Roles []struct {
			Role string `bson:"role"`
		} `bson:"roles"`
	}
	err = s.command(ctx, name, bson.D{{Key: "rolesInfo", Value: 1}}, &roles)
	if notAllowed(err) {
		a.rolesHidden = true
		return a, nil
	}
	for _, r := range roles.Roles {
		a.roles = append(a.roles, r.Role)
	}
	return a, err
}

// strays names what somebody keeps in the server's own databases, as far as we
// may see it.
func (s *server) strays(ctx context.Context) ([]string, error) {
	var found []string
	for _, name := range []string{"admin", "config", "local"} {
		var listed struct {
			Cursor struct {
				First []struct {
					Name string `bson:"name"`
				} `bson:"firstBatch"`
			} `bson:"cursor"`
		}
		command := bson.D{{Key: "listCollections", Value: 1}, {Key: "nameOnly", Value: true}, {Key: "authorizedCollections", Value: true}, {Key: "cursor", Value: bson.D{{Key: "batchSize", Value: 1000}}}}
		err := s.command(ctx, name, command, &listed)
		if notAllowed(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, c := range listed.Cursor.First {
			if !serversOwn[name].MatchString(c.Name) {
				found = append(found, name+"."+c.Name)
			}
		}
	}
	return found, nil
}

// serversOwn are the collections that servers up to 7.0 make themselves, by
// database (the server's source, src/mongo/db/namespace_string.cpp and
// namespace_string_reserved.def.h). Those of config are a sharded cluster's but
// for the sessions and transactions that every replica set has.
var serversOwn = map[string]*regexp.Regexp{
	"admin": regexp.MustCompile(`^system\.|^(tempusers|temproles)$`),
	"local": regexp.MustCompile(`^(system|oplog|replset)\.|^(startup_log|clustermanager|me|slaves|temp_oplog_buffer)$`),
	"config": regexp.MustCompile(`^(system|cache|csrs|localReshardingOperations|localReshardingConflictStash|localReshardingOplogBuffer)\.` +
		`|^(image_collection|transactions|transaction_coordinators|tenantMigrationDonors|tenantMigrationRecipients|external_validation_keys|tenantSplitDonors` +
		`|shards|databases|collections|chunks|chunkhistory|version|settings|changelog|actionlog|lockpings|locks|mongos|tags|migrations|migrationCoordinators` +
		`|rangeDeletions|vectorClock|reshardingOperations|placementHistory|clusterParameters|queryAnalyzers|analyzeShardKeySplitPoints|sampledQueries` +
		`|sampledQueriesDiff|mongot_known_servers|shardMergeRecipients)$`),
}

// adapted lists what a copy leaves out or changes on purpose.
func (r *recorded) adapted() []string {
	var lines []string
	for _, d := range r.databases {
		for _, c := range d.collections {
			lines = append(lines, c.adapted()...)
		}
		for name, why := range d.left {
			lines = append(lines, fmt.Sprintf("%s.%s is not carried: %s", d.name, name, why))
		}
		lines = append(lines, d.accounts.adapted(d.name)...)
	}
	for _, name := range r.strays {
		lines = append(lines, name+" is not carried: it is in a database of the server's own")
	}
	slices.Sort(lines)
	return lines
}

// adapted names the users and roles of a database, which a move leaves to the
// target: an account brought along could replace the one we log in with.
func (a accounts) adapted(database string) []string {
	var lines []string
	if a.usersHidden {
		lines = append(lines, fmt.Sprintf("users of database %s, if there are any, are not carried: they cannot be read", database))
	}
	for _, name := range a.users {
		lines = append(lines, fmt.Sprintf("user %s of database %s is not carried: users are the target's own", name, database))
	}
	if a.rolesHidden {
		lines = append(lines, fmt.Sprintf("roles of database %s, if there are any, are not carried: they cannot be read", database))
	}
	for _, name := range a.roles {
		lines = append(lines, fmt.Sprintf("role %s of database %s is not carried: roles are the target's own", name, database))
	}
	return lines
}
