package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Copy and proof know a source by what was recorded of it, once and under the
// snapshot that its rows are read in. A recorded source holds its roles by the
// source's own names (naming gives them the target's), and it can be written down:
// whoever restores has no source to ask. What is asked of a live one afterwards is
// its contents: rows, large objects, where sequences stand, and digests of them.

// recordedDatabase is what is recorded of one database. It holds what there is once
// for each table or less; what may be longer is read from facts, one by one.
type recordedDatabase struct {
	database database
	// public is the schema public, none where the database has none.
	public *publicSchema
	// left says in words which tables of extensions are not carried.
	left []string
	// felt are the settings that the application's functions feel.
	felt       map[string]string
	tables     []table
	leaning    map[uint32]leaning
	extensions []extension
	// indexes are the tables of indexes and unique constraints that can be made as
	// soon as its rows are there, by entry.key.
	indexes map[[2]uint32]uint32
	joined  map[uint32]*joined
	// viewKeys are the keys that views need, by entry.key.
	viewKeys map[[2]uint32]bool
	policies []policy
	matviews []matview
	defaults []defaultPrivileges
	members  []memberFact
	// sequences are read after the rows.
	sequences []sequence
	// digests are those of contents, by kind and object.
	digests map[[2]string]digest

	facts factSource
}

// factSource gives what a database says of its objects.
type factSource interface {
	// facts gives those of a catalog, its roles marked, in the order of their keys.
	facts(ctx context.Context, c catalog) (factStream, error)
	// relative gives the relative texts of facts of a catalog, by what they are of.
	relative(ctx context.Context, c catalog, of []string) (textsByFact, error)
}

// origin is where what copy and proof know of a source comes from.
type origin interface {
	// side gives what is known of the server and its databases before any is opened.
	side(ctx context.Context) (sideFacts, error)
	// record gives what is known of a database; s is a session in its snapshot.
	record(ctx context.Context, s side, d database) (*recordedDatabase, error)
	// felt gives the settings that a database's functions feel, see job.feeling.
	felt(ctx context.Context, database string) (map[string]string, error)
}

// from gives the origin of what is known of the source.
func (m *job) from() origin {
	if m.origin != nil {
		return m.origin
	}
	return live{m.source}
}

// live is a source that is asked itself. Its catalogs are not stored: they are read
// from the session that is in the snapshot, as they are needed.
type live struct{ source *server }

func (l live) side(ctx context.Context) (sideFacts, error) { return l.source.facts(ctx) }

func (live) record(ctx context.Context, s side, d database) (*recordedDatabase, error) {
	return s.record(ctx, d)
}

func (l live) felt(ctx context.Context, database string) (map[string]string, error) {
	return l.source.plainSettings(ctx, database, feltNames()...)
}

// listing is one of the queries of a record.
type listing struct {
	what, sql string
	args      []any
	read      func(pgx.Rows) error
}

// record reads what is to be known of a database from a session that is in the
// snapshot. All is asked in one message: the way to a server may be long.
func (s side) record(ctx context.Context, d database) (*recordedDatabase, error) {
	r := &recordedDatabase{database: d, facts: s}
	batch := &pgx.Batch{}
	for _, l := range r.listings(s.version) {
		batch.Queue(l.sql, l.args...).Query(func(rows pgx.Rows) error {
			if err := l.read(rows); err != nil {
				return fmt.Errorf("list %s: %w", l.what, err)
			}
			return nil
		})
	}
	if err := s.conn.SendBatch(ctx, batch).Close(); err != nil {
		return nil, fmt.Errorf("record what database %q holds: %w", d.name, err)
	}
	return r, nil
}

func (r *recordedDatabase) listings(version int) []listing {
	return []listing{
		{what: "the schema public", sql: publicQuery(version), read: r.readPublic},
		{what: "tables that are left", sql: leftTables, read: into(&r.left, scanLeft(r.database.name))},
		{what: "tables", sql: tablesQuery, args: []any{binarySafe}, read: into(&r.tables, scanTable)},
		{what: "tables that lean on others", sql: leaningTables, read: r.readLeaning},
		{what: "extensions", sql: extensionsOf, read: into(&r.extensions, scanExtension)},
		{what: "indexes", sql: indexTables, read: r.readIndexes},
		{what: "joined children", sql: joinedChildren, read: r.readJoined},
		{what: "the keys that views need", sql: keysOfViews, read: r.readViewKeys},
		{what: "policies", sql: policiesQuery, read: into(&r.policies, scanPolicy)},
		{what: "materialized views", sql: matviewsQuery, read: into(&r.matviews, scanMatview)},
		{what: "default privileges", sql: defaultsQuery, read: into(&r.defaults, scanDefaults)},
		{what: "privileges of extensions and the server", sql: memberLists, args: []any{[]string(nil)}, read: into(&r.members, scanMember)},
	}
}

// into collects what a query lists.
func into[T any](list *[]T, scan pgx.RowToFunc[T]) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*list, err = pgx.CollectRows(rows, scan)
		return err
	}
}
