package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/zeebo/xxh3"
)

// compareMatviews compares what materialized views hold. The copy refreshed
// the target's, the source's may be older than its tables. So the target's may
// equal what the source's holds, or what its own query gives: tables and
// definitions are compared by then. A view that gives something else each
// time, because it asks for the time, cannot be compared and is counted as
// such.
func (d *databaseProof) compareMatviews(ctx context.Context) error {
	for _, v := range d.record.matviews {
		if !v.populated {
			continue
		}
		if err := d.compareMatview(ctx, v); err != nil {
			return fmt.Errorf("compare materialized view %s: %w", v.object, err)
		}
	}
	return nil
}

func (d *databaseProof) compareMatview(ctx context.Context, v matview) error {
	var there bool
	if err := d.targetConn.QueryRow(ctx, "select coalesce((select relispopulated from pg_class where oid = to_regclass($1)), false)", v.object).Scan(&there); err != nil {
		return classify(targetSide, err)
	}
	if !there {
		return nil // named by the catalog of tables
	}
	d.Compared("materialized views", 1)
	want, have, err := d.readView(ctx, ownPath, v)
	if nameMissing(err) { // see table.planned
		want, have, err = d.readView(ctx, d.facts.adapted.appPath(d.facts.adapted.there(d.database)), v)
	}
	if err != nil || want == have {
		return err
	}
	is, err := d.evaluate(ctx, v)
	if err != nil {
		return err
	}
	switch {
	case is.fresh == is.have:
	case is.fresh != is.again:
		d.Compared("materialized views that give something else each time", 1)
	default:
		d.Differ(d.database, "materialized view", v.object, "content differs", fmt.Sprintf("%d rows, %s", want.rows, want), fmt.Sprintf("%d rows, %s", have.rows, have))
	}
	return nil
}

// readView digests what a view holds on both sides.
func (d *databaseProof) readView(ctx context.Context, path string, v matview) (want, have digest, err error) {
	if have, err = d.readQuery(ctx, d.target, path, "table "+v.object); err != nil {
		return want, have, err
	}
	if want, ok := d.known(viewDigest, v.object); ok {
		return want, have, nil
	}
	want, err = d.readQuery(ctx, d.source, path, "table "+v.object)
	return want, have, err
}

// evaluated is what a view holds and what its query gives, twice.
type evaluated struct{ have, fresh, again digest }

// evaluate runs the view's query on the target as the copy did: under settings
// that functions feel, and with the application's search path when a name is
// missing without.
func (d *databaseProof) evaluate(ctx context.Context, v matview) (evaluated, error) {
	felt, err := d.feeling(ctx, []database{{name: d.database}})
	if err != nil {
		return evaluated{}, err
	}
	there := d.facts.adapted.there(d.database)
	felt.target.felt = map[string]map[string]string{there: felt.target.felt[d.database]}
	is, err := d.evaluateOn(ctx, felt.target, ownPath, v)
	if nameMissing(err) {
		is, err = d.evaluateOn(ctx, felt.target, d.facts.adapted.appPath(there), v)
	}
	return is, err
}

func (d *databaseProof) evaluateOn(ctx context.Context, s *server, path string, v matview) (is evaluated, err error) {
	var query string
	err = s.with(ctx, d.facts.adapted.on(s, d.database), func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, "select rtrim(pg_get_viewdef($1::text::regclass::oid), ';')", v.object).Scan(&query)
	})
	if err != nil {
		return is, err
	}
	for _, read := range []struct {
		query string
		into  *digest
	}{{"table " + v.object, &is.have}, {query, &is.fresh}, {query, &is.again}} {
		if *read.into, err = d.readQuery(ctx, s, path, read.query); err != nil {
			return is, err
		}
	}
	return is, nil
}

// ownPath is the search path of our sessions.
const ownPath = "pg_catalog"

// readQuery digests the rows of a query, in a session of its own.
func (d *databaseProof) readQuery(ctx context.Context, s *server, path, query string) (digest, error) {
	pg, err := s.connectRaw(ctx, d.facts.adapted.on(s, d.database))
	if err != nil {
		return digest{}, err
	}
	w := &wire{pg: pg}
	defer func() { w.close(ctx) }()
	if s.side == sourceSide && d.snapshot != "" {
		if err := w.begin(ctx, d.snapshot); err != nil {
			return digest{}, classify(s.side, err)
		}
	}
	if err := w.exec(ctx, "set search_path = "+path); err != nil {
		return digest{}, classify(s.side, err)
	}
	sum, _, err := w.readTable(ctx, "copy (select * from ("+query+") q) to stdout", false, nil)
	return sum, classify(s.side, err)
}

// compareObjects compares large objects by number and content; their owners
// and privileges are in the catalogs.
func (d *databaseProof) compareObjects(ctx context.Context) error {
	d.progress.Enter("compare large objects", d.database, 0)
	want, ok := d.known(objectsDigest, "")
	if !ok {
		var err error
		if want, err = objectsOf(ctx, d.sourceConn, nil); err != nil {
			return classify(sourceSide, err)
		}
	}
	have, err := objectsOf(ctx, d.targetConn, nil)
	if err != nil {
		return classify(targetSide, err)
	}
	d.Compared("large object contents", int(want.rows))
	if want == have {
		return nil
	}
	return d.nameObjects(ctx)
}

func objectsOf(ctx context.Context, conn *pgx.Conn, each func(uint32, xxh3.Uint128) error) (digest, error) {
	sink := &objectDigest{each: each}
	err := eachObject(ctx, conn, sink)
	return sink.sum, err
}

// nameObjects reads both sides again to say which large objects differ.
func (d *databaseProof) nameObjects(ctx context.Context) error {
	hashes := map[uint32]xxh3.Uint128{}
	if _, err := objectsOf(ctx, d.targetConn, func(oid uint32, h xxh3.Uint128) error {
		hashes[oid] = h
		return nil
	}); err != nil {
		return classify(targetSide, err)
	}
	named := 0
	_, err := objectsOf(ctx, d.sourceConn, func(oid uint32, h xxh3.Uint128) error {
		if other, ok := hashes[oid]; ok && other != h {
			d.Differ(d.database, "large object", fmt.Sprint(oid), "content differs", "", "")
			named++
		} else if !ok {
			named++ // the catalog of large objects names it
		}
		return nil
	})
	if err == nil && named == 0 {
		d.Differ(d.database, "large object", "", "contents differ from what the copy read", "", "")
	}
	return classify(sourceSide, err)
}
