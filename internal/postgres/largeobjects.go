package postgres

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/zeebo/xxh3"
)

const (
	// objectPart is how much of a large object is held at a time.
	objectPart = 1 << 20
	// objectBatch is how many objects' first parts are sent together, as long
	// as they are small.
	objectBatch = 256
	// objectRead is how many are read by one query. What follows a long one
	// in the same query is thrown away and read again.
	objectRead = 32
)

// objectSink takes large objects in the order of their OIDs, each in parts.
type objectSink interface {
	part(ctx context.Context, oid uint32, offset int64, data []byte, last bool) error
}

// eachObject reads every large object of the database conn is on.
func eachObject(ctx context.Context, conn *pgx.Conn, sink objectSink) error {
	const listed = "select oid from pg_largeobject_metadata where oid > $1 order by oid limit 1000"
	var after uint32
	for {
		rows, err := conn.Query(ctx, listed, after)
		if err != nil {
			return fmt.Errorf("list large objects: %w", err)
		}
		oids, err := pgx.CollectRows(rows, pgx.RowTo[uint32])
		if err != nil {
			return fmt.Errorf("list large objects: %w", err)
		}
		if len(oids) == 0 {
			return nil
		}
		if err := readObjects(ctx, conn, oids, sink); err != nil {
			return err
		}
		after = oids[len(oids)-1]
	}
}

// readObjects reads the first part of many objects in one query; only longer
// ones take more.
func readObjects(ctx context.Context, conn *pgx.Conn, oids []uint32, sink objectSink) error {
	for start := 0; start < len(oids); {
		rows, err := conn.Query(ctx, "select o, lo_get(o, 0, $2) from unnest($1::oid[]) with ordinality u(o, n) order by n", oids[start:min(start+objectRead, len(oids))], objectPart)
		if err != nil {
			return fmt.Errorf("read large objects: %w", err)
		}
		var longer uint32
		for rows.Next() {
			var oid uint32
			var data []byte
			if err := rows.Scan(&oid, &data); err != nil {
				rows.Close()
				return fmt.Errorf("read large objects: %w", err)
			}
			start++
			full := len(data) == objectPart
			if err := sink.part(ctx, oid, 0, data, !full); err != nil {
				rows.Close()
				return err
			}
			if full {
				longer = oid
				break
			}
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			return fmt.Errorf("read large objects: %w", err)
		}
		if longer != 0 {
			if err := readRest(ctx, conn, longer, sink); err != nil {
				return err
			}
		}
	}
	return nil
}

func readRest(ctx context.Context, conn *pgx.Conn, oid uint32, sink objectSink) error {
	for offset := int64(objectPart); ; offset += objectPart {
		var data []byte
		if err := conn.QueryRow(ctx, "select lo_get($1, $2, $3)", oid, offset, objectPart).Scan(&data); err != nil {
			return fmt.Errorf("read large object %d: %w", oid, err)
		}
		last := len(data) < objectPart
		if err := sink.part(ctx, oid, offset, data, last); err != nil || last {
			return err
		}
	}
}

// objectDigest digests objects, each as one row: its OID and its content.
type objectDigest struct {
	sum  digest
	hash *xxh3.Hasher
	each func(oid uint32, h xxh3.Uint128) error
}

func (o *objectDigest) part(_ context.Context, oid uint32, offset int64, data []byte, last bool) error {
	if o.hash == nil {
		o.hash = xxh3.New()
	}
	if offset == 0 {
		o.hash.Reset()
		_, _ = o.hash.Write(binary.BigEndian.AppendUint32(nil, oid)) // a hash.Hash never fails
	}
	_, _ = o.hash.Write(data)
	if !last {
		return nil
	}
	h := o.hash.Sum128()
	o.sum.add(h)
	if o.each != nil {
		return o.each(oid, h)
	}
	return nil
}

// objectWriter writes objects to the target, small ones many at a time, and
// digests them on the way.
type objectWriter struct {
	objectDigest
	conn    *pgx.Conn
	batch   *pgx.Batch
	pending int
	bytes   int64
	report  func(int)
}

func (w *objectWriter) part(ctx context.Context, oid uint32, offset int64, data []byte, last bool) error {
	if err := w.objectDigest.part(ctx, oid, offset, data, last); err != nil {
		return err
	}
	if w.batch == nil {
		w.batch = &pgx.Batch{}
	}
	data = append([]byte{}, data...) // the reader uses its buffer again; never nil, which is NULL
	if offset == 0 {
		w.batch.Queue("select lo_from_bytea($1, $2)", oid, data)
	} else if len(data) > 0 {
		w.batch.Queue("select lo_put($1, $2, $3)", oid, offset, data)
	}
	w.pending += len(data)
	w.bytes += int64(len(data))
	w.report(len(data))
	if w.batch.Len() >= objectBatch || w.pending >= 2*objectPart {
		return w.flush(ctx)
	}
	return nil
}

func (w *objectWriter) flush(ctx context.Context) error {
	if w.batch == nil || w.batch.Len() == 0 {
		return nil
	}
	if err := w.conn.SendBatch(ctx, w.batch).Close(); err != nil {
		return fmt.Errorf("write large objects: %w", err)
	}
	w.batch, w.pending = nil, 0
	return nil
}

// copyObjects copies large objects under their own OIDs, because rows refer
// to them by OID.
func (d *databaseCopy) copyObjects(ctx context.Context) error {
	d.progress.Enter("large objects", d.database.name, 0)
	w := &objectWriter{conn: d.target, report: func(n int) { d.progress.Add("large objects", n) }}
	if err := d.guard(ctx); err != nil {
		return err
	}
	if err := eachObject(ctx, d.source, w); err != nil {
		return classify("", err)
	}
	if err := w.flush(ctx); err != nil {
		return classify(targetSide, err)
	}
	d.result.Objects += w.sum.rows
	d.result.Bytes += w.bytes
	if w.sum.rows > 0 {
		if err := d.giveObjects(ctx); err != nil {
			return err
		}
	}
	return d.recordDigest(ctx, objectsDigest, "", w.sum)
}

// giveObjects gives large objects their comments and owners.
func (d *databaseCopy) giveObjects(ctx context.Context) error {
	comments, owners := &gifts{d: d, batch: &pgx.Batch{}}, &gifts{d: d, batch: &pgx.Batch{}}
	err := comments.give(ctx, objectComments, func(f *fact) string {
		return "comment on large object " + f.object + " is " + literal(f.value)
	})
	if err != nil {
		return err
	}
	return owners.give(ctx, catalogByName("large object"), func(f *fact) string {
		if f.value == d.admin {
			return ""
		}
		return "alter large object " + f.object + " owner to " + ident(f.value)
	})
}

// objectComments are the comments on large objects, those with a low number too,
// which the catalog of comments takes for the server's own.
var objectComments = catalog{kind: "comment on large object", query: always("select d.objoid::text, 'comment', d.description, '' from pg_description d join pg_largeobject_metadata o on o.oid = d.objoid where d.classoid = 'pg_largeobject'::regclass")}

// gifts are statements about many large objects, one for a fact.
type gifts struct {
	d     *databaseCopy
	batch *pgx.Batch
}

func (g *gifts) give(ctx context.Context, c catalog, statement func(*fact) string) error {
	raw, err := g.d.record.facts.facts(ctx, c)
	if err != nil {
		return classify(sourceSide, err)
	}
	defer raw.close()
	facts, err := c.named(raw, g.d.adapted.naming())
	if err != nil {
		return classify(sourceSide, err)
	}
	for {
		f, err := facts.next()
		if err != nil {
			return classify(sourceSide, err)
		}
		if f == nil {
			return g.send(ctx)
		}
		if sql := statement(f); sql != "" {
			g.batch.Queue(sql)
		}
		if g.batch.Len() >= objectBatch {
			if err := g.send(ctx); err != nil {
				return err
			}
		}
	}
}

func (g *gifts) send(ctx context.Context) error {
	sent := g.batch
	g.batch = &pgx.Batch{}
	if err := g.d.target.SendBatch(ctx, sent).Close(); err != nil {
		return classify(targetSide, fmt.Errorf("give large objects to their owners: %w", err))
	}
	return nil
}
