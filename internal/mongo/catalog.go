package mongo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/mongo"
)

const (
	kindCollection = "collection"
	kindView       = "view"
	kindTimeseries = "timeseries"

	// bucketPrefix is where a time series keeps its data.
	bucketPrefix = "system.buckets."
	// storedFunctions is the one system collection that is the application's.
	storedFunctions = "system.js"
	// probeCollection is made and dropped by a proof.
	probeCollection = "circleci_dr_probe"
)

// collection is one collection, view or time series.
type collection struct {
	database, name, kind string
	options              bson.Raw
	indexes              []bson.Raw // without the one on _id
	bytes, documents     int64      // bytes of documents, as a copy carries them
	passed               *passed    // of a source whose documents went by; nil of any other
}

func (c collection) String() string { return c.database + "." + c.name }

// data is the name of the collection that holds the documents.
func (c collection) data() string {
	if c.kind == kindTimeseries {
		return bucketPrefix + c.name
	}
	return c.name
}

// option looks an option up; the zero value when it is not set.
func (c collection) option(name string) bson.RawValue {
	if len(c.options) == 0 {
		return bson.RawValue{}
	}
	return c.options.Lookup(name)
}

func (c collection) capped() bool {
	capped, ok := c.option("capped").BooleanOK()
	return ok && capped
}

// database is one of the application's databases. One without a collection
// does not exist.
type database struct {
	name        string
	bytes       int64 // on disk, compressed
	collections []collection
	// left are system collections a move does not carry, by reason.
	left     map[string]string
	accounts accounts // of a source
}

func names(all []database) []string {
	var out []string
	for _, d := range all {
		out = append(out, d.name)
	}
	return out
}

// ours tells whether a database is the server's own or ours.
func notTheApplications(name string) bool {
	return slices.Contains([]string{"admin", "config", "local", ownDatabase}, name) || scratchName(name)
}

// databases lists the application's databases and what they hold, by name.
func (s *server) databases(ctx context.Context) ([]database, error) {
	var listed struct {
		Databases []struct {
			Name  string `bson:"name"`
			Bytes int64  `bson:"sizeOnDisk"`
		} `bson:"databases"`
	}
	// Without authorizedDatabases a user with few rights gets a short list
	// and no error.
	err := s.command(ctx, "admin", bson.D{{Key: "listDatabases", Value: 1}, {Key: "authorizedDatabases", Value: false}}, &listed)
	if number := numberOf(err); notAllowed(err) && number != codeUnauthorized {
		// Some services refuse the argument, not the list.
		if err = s.command(ctx, "admin", bson.D{{Key: "listDatabases", Value: 1}}, &listed); err == nil {
			err = s.listsAll(ctx)
		}
	}
	if err != nil {
		return nil, err
	}
	var all []database
	for _, l := range listed.Databases {
		if notTheApplications(l.Name) {
			continue
		}
		d := database{name: l.Name, bytes: l.Bytes, left: map[string]string{}}
		if err := s.readCollections(ctx, &d); err != nil {
			return nil, err
		}
		if len(d.collections) > 0 {
			all = append(all, d)
		}
	}
	slices.SortFunc(all, func(a, b database) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

// listsAll fails unless our user is one whom a server lists every database for.
// Of a target a short list does no harm: a database that we make there and that
// is there already is an error, whoever sees it.
func (s *server) listsAll(ctx context.Context) error {
	if s.side == targetSide {
		return nil
	}
	may, err := s.privileges(ctx)
	if err == nil && may.anywhere["listDatabases"] {
		return nil
	}
	return fail(s.side, mover.CodePrivilege, errors.Join(errors.New("list databases: the server does not say whether the list is whole; grant listDatabases on the cluster"), err))
}

// readCollections reads what a database holds.
func (s *server) readCollections(ctx context.Context, d *database) error {
	type entry struct {
		Name    string   `bson:"name"`
		Type    string   `bson:"type"`
		Options bson.Raw `bson:"options"`
	}
	var listed []entry
	err := s.quickly(ctx, "list collections of database "+d.name, func(ctx context.Context) (err error) {
		listed, err = all[entry](ctx, func(ctx context.Context) (*mongo.Cursor, error) {
			return s.client.Database(d.name).ListCollections(ctx, bson.D{})
		})
		return err
	})
	if err != nil {
		return err
	}
	present := map[string]bool{}
	for _, l := range listed {
		present[l.Name] = true
	}
	for _, l := range listed {
		switch why := leftBehind(l.Name, present); {
		case why != "":
			d.left[l.Name] = why
			continue
		case l.Name == probeCollection, ownSystem(l.Name):
			continue
		}
		c := collection{database: d.name, name: l.Name, kind: l.Type, options: l.Options}
		if c.kind == "" {
			c.kind = kindCollection
		}
		if c.kind != kindView {
			if err := s.readCollection(ctx, &c); err != nil {
				return err
			}
		}
		d.collections = append(d.collections, c)
	}
	slices.SortFunc(d.collections, func(a, b collection) int { return strings.Compare(a.name, b.name) })
	return nil
}

// ownSystem tells a collection in which the target keeps for itself what a move
// carries otherwise: views, and the buckets of time series.
func ownSystem(name string) bool {
	return name == "system.views" || strings.HasPrefix(name, bucketPrefix)
}

// leftBehind says why a system collection stays where it is, empty when it
// need not be said.
func leftBehind(name string, present map[string]bool) string {
	series, bucket := strings.CutPrefix(name, bucketPrefix)
	switch {
	case name == "system.profile":
		return "it is the server's own profile, which a move does not carry"
	case bucket && !present[series]:
		return "its time series is gone"
	case strings.HasPrefix(name, "system.") && name != storedFunctions && !ownSystem(name):
		return "its name is the server's own, and a target takes no documents into it"
	}
	return ""
}

// readCollection reads indexes and sizes.
func (s *server) readCollection(ctx context.Context, c *collection) error {
	if err := s.readIndexes(ctx, c); err != nil {
		return err
	}
	var stats struct {
		Bytes     float64 `bson:"size"`
		Documents float64 `bson:"count"`
	}
	if err := s.command(ctx, c.database, bson.D{{Key: "collStats", Value: c.data()}}, &stats); err != nil {
		return err
	}
	c.bytes, c.documents = int64(stats.Bytes), int64(stats.Documents)
	return nil
}

// readIndexes reads the indexes of a collection.
func (s *server) readIndexes(ctx context.Context, c *collection) error {
	var indexes []bson.Raw
	err := s.quickly(ctx, "list indexes of "+c.String(), func(ctx context.Context) (err error) {
		indexes, err = all[bson.Raw](ctx, func(ctx context.Context) (*mongo.Cursor, error) {
			return s.client.Database(c.database).Collection(c.name).Indexes().List(ctx)
		})
		return err
	})
	if err != nil {
		return err
	}
	for _, i := range indexes {
		if err := c.rememberOldID(i); err != nil {
			return err
		}
		// The one on _id comes with the collection, clustered or not.
		if clustered, ok := i.Lookup("clustered").BooleanOK(); indexName(i) != "_id_" && (!ok || !clustered) {
			c.indexes = append(c.indexes, i)
		}
	}
	return nil
}

// rememberOldID keeps the version of an index on _id that is not the one that
// servers make by themselves, under the name by which create takes it.
func (c *collection) rememberOldID(index bson.Raw) error {
	version, ok := index.Lookup("v").AsInt64OK()
	if indexName(index) != "_id_" || !ok || version == 2 {
		return nil
	}
	options := bson.D{}
	if len(c.options) > 0 {
		if err := bson.Unmarshal(c.options, &options); err != nil {
			return fmt.Errorf("read the options of %s: %w", c, err)
		}
	}
	id := bson.D{{Key: "v", Value: version}, {Key: "key", Value: bson.D{{Key: "_id", Value: 1}}}, {Key: "name", Value: "_id_"}}
	raw, err := bson.Marshal(append(options, bson.E{Key: "idIndex", Value: id}))
	if err != nil {
		return fmt.Errorf("read the options of %s: %w", c, err)
	}
	c.options = raw
	return nil
}

func indexName(index bson.Raw) string {
	name, _ := index.Lookup("name").StringValueOK()
	return name
}
