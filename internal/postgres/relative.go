package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// relativeText is a text as it is printed with its table's schema in front of
// everything, see reading.relative.
type relativeText struct{ text, schema string }

// relativeTexts are those of both sides' facts, by what they are of.
type relativeTexts struct{ source, target textsByFact }

type textsByFact map[string]relativeText

func (t textsByFact) of(f *fact) (relativeText, error) {
	text, ok := t[f.of]
	if !ok {
		return text, fmt.Errorf("print %s of %s: it is not there any more", f.what, f.object)
	}
	return text, nil
}

// schemasOf is the query for a reading's schemas; from is how to come from the
// object to its table c.
func schemasOf(from string) string {
	return "select the.oid, n.nspname::text from the join " + from + " join pg_namespace n on n.oid = c.relnamespace"
}

const manyGiven = "with the(oid) as (select pg_catalog.unnest($1::pg_catalog.oid[])) "

// relativeReading is the reading of a catalog whose texts are relative.
func (c catalog) relativeReading() (reading, bool) {
	for _, r := range c.texts {
		if r.relative != "" {
			return r, true
		}
	}
	return reading{}, false
}

// relative asks for many texts at once: for their schemas first, then schema by
// schema in one message.
func (s side) relative(ctx context.Context, c catalog, of []string) (textsByFact, error) {
	texts, err := s.relativeTexts(ctx, c, of)
	if err != nil {
		return nil, fmt.Errorf("print each %s: %w", c.kind, err)
	}
	return texts, nil
}

func (s side) relativeTexts(ctx context.Context, c catalog, of []string) (textsByFact, error) {
	r, ok := c.relativeReading()
	texts := textsByFact{}
	if !ok || len(of) == 0 {
		return texts, nil
	}
	schemas, err := s.schemas(ctx, r, of)
	if err != nil {
		return nil, err
	}
	batch := &pgx.Batch{}
	for _, schema := range sortedKeys(schemas) {
		batch.Queue("set local search_path = " + ident(schema) + ", pg_catalog")
		batch.Queue(manyGiven+"select the.oid, "+r.relative+" from the", schemas[schema]).Query(func(rows pgx.Rows) error {
			var oid uint32
			var text *string
			_, err := pgx.ForEachRow(rows, []any{&oid, &text}, func() error {
				if text != nil { // else it is gone
					texts[fmt.Sprint(oid)] = relativeText{*text, schema}
				}
				return nil
			})
			return err
		})
	}
	batch.Queue("set local search_path = pg_catalog")
	return texts, s.conn.SendBatch(ctx, batch).Close()
}

// schemas gives the objects of each schema.
func (s side) schemas(ctx context.Context, r reading, of []string) (map[string][]uint32, error) {
	oids := make([]uint32, len(of))
	for i := range of {
		var err error
		if oids[i], err = (&fact{of: of[i]}).oid(); err != nil {
			return nil, err
		}
	}
	rows, err := s.conn.Query(ctx, manyGiven+r.schemas, oids)
	if err != nil {
		return nil, err
	}
	bySchema := map[string][]uint32{}
	var oid uint32
	var schema string
	_, err = pgx.ForEachRow(rows, []any{&oid, &schema}, func() error {
		bySchema[schema] = append(bySchema[schema], oid)
		return nil
	})
	return bySchema, err
}
