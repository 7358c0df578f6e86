package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/zeebo/xxh3"
)

// sequence is where a sequence stands.
type sequence struct {
	object string
	last   int64
	called bool
}

var sequencesQuery = `select format('%I.%I', n.nspname, c.relname) collate "C" from pg_class c join pg_namespace n on n.oid = c.relnamespace
	where c.relkind = 'S' and ` + userSchemas + ` and (` + notOfExtension("pg_class", "c.oid") + `
		or exists (select from pg_extension e where c.oid = any(e.extconfig)))
	order by 1`

// listSequences reads where every sequence stands. Sequences stand outside
// of transactions, so this is only as exact as the fence is tight.
func listSequences(ctx context.Context, conn *pgx.Conn) ([]sequence, error) {
	rows, err := conn.Query(ctx, sequencesQuery)
	if err != nil {
		return nil, fmt.Errorf("list sequences: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list sequences: %w", err)
	}
	sequences := make([]sequence, 0, len(names))
	for start := 0; start < len(names); start += objectBatch {
		batch := &pgx.Batch{}
		for _, name := range names[start:min(start+objectBatch, len(names))] {
			batch.Queue("select last_value, is_called from " + name).QueryRow(func(row pgx.Row) error {
				s := sequence{object: name}
				err := row.Scan(&s.last, &s.called)
				sequences = append(sequences, s)
				return err
			})
		}
		if err := conn.SendBatch(ctx, batch).Close(); err != nil {
			return nil, fmt.Errorf("read sequences: %w", err)
		}
	}
	return sequences, nil
}

// positions gives where the sequences of a source stand, once its rows were read.
func (r *recordedDatabase) positions(ctx context.Context, conn *pgx.Conn) ([]sequence, error) {
	if r.sequences != nil { // they were recorded with the rest
		return r.sequences, nil
	}
	return listSequences(ctx, conn)
}

// hashOf is a fingerprint of where sequences stand.
func hashOf(sequences []sequence) uint64 {
	h := xxh3.New()
	for _, s := range sequences {
		_, _ = fmt.Fprintln(h, s.object, s.last, s.called) // a hash.Hash never fails
	}
	return h.Sum64()
}

// copySequences sets every sequence to where the source's stands.
func (d *databaseCopy) copySequences(ctx context.Context) error {
	d.progress.Enter("sequences", d.database.name, 0)
	sequences, err := d.record.positions(ctx, d.source)
	if err != nil {
		return fail(sourceSide, codeOfError(err), err)
	}
	for start := 0; start < len(sequences); start += objectBatch {
		batch := &pgx.Batch{}
		for _, s := range sequences[start:min(start+objectBatch, len(sequences))] {
			batch.Queue("select setval($1::text::regclass, $2, $3)", s.object, s.last, s.called)
		}
		if err := d.target.SendBatch(ctx, batch).Close(); err != nil {
			return fail(targetSide, codeOfError(err), fmt.Errorf("set sequences: %w", err))
		}
	}
	return nil
}
