package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A stored generated column holds what its expression gave when a row was
// written. A copy computes it anew: if a function was replaced since, or a time
// zone, the target has something else. So the proof reads these columns too, and
// an inspection compares them with their expression on the source, as far as that
// is quick: as the table's owner, whose functions they are, with the settings that
// the application's sessions have, in a transaction that only reads.

// generatedLimit is how long one table may take. An application is at work.
const generatedLimit = "3s"

// storedColumns gives, of each table with stored generated columns, the
// condition that a row holds other values than the expressions give. Casts to the
// column's own type are what an assignment does, and images are compared, as the
// proof compares what COPY writes.
const storedColumns = `select c.oid::regclass::text, string_agg(quote_ident(a.attname), ', ' order by a.attnum),
		string_agg(format('record_image_ne(row(%I), row((%s)::%s))', a.attname, pg_get_expr(d.adbin, d.adrelid), format_type(a.atttypid, a.atttypmod)), ' or ' order by a.attnum), pg_get_userbyid(c.relowner)::text
	from pg_class c join pg_namespace n on n.oid = c.relnamespace and ` + userSchemas + ` join pg_attribute a on a.attrelid = c.oid and a.attgenerated = 's' and not a.attisdropped
	join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
	where c.relkind = 'r' and (has_table_privilege(c.oid, 'select')) group by c.oid, c.relowner order by 1`

// staleColumns looks for rows whose stored columns a copy would compute
// otherwise.
func staleColumns(ctx context.Context, conn *pgx.Conn, database, path string) (stale []mover.UnsupportedObject, left []mover.Uncarried, err error) {
	rows, err := conn.Query(ctx, storedColumns)
	if err != nil {
		return nil, nil, fmt.Errorf("look for stored generated columns: %w", err)
	}
	type table struct{ name, columns, differ, owner string }
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t table, err error) {
		return t, row.Scan(&t.name, &t.columns, &t.differ, &t.owner)
	})
	if err != nil {
		return nil, nil, fmt.Errorf("look for stored generated columns: %w", err)
	}
	for _, t := range tables {
		object := fmt.Sprintf("stored generated column %s of table %s", t.columns, t.name)
		if strings.Contains(t.columns, ", ") {
			object = strings.Replace(object, "column", "columns", 1)
		}
		differs, why, err := anyStale(ctx, conn, path, t.owner, "select exists (select from only "+t.name+" where "+t.differ+")")
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("compare %s: %w", object, err)
		case why != "":
			left = append(left, mover.Uncarried{Kind: mover.UncarriedGenerated, Database: database, Object: object, Detail: why})
		case differs:
			stale = append(stale, mover.UnsupportedObject{Database: database, Object: object, Reason: causes["stale"].why, Fix: causes["stale"].fix})
		}
	}
	return stale, left, nil
}

// anyStale tells whether a row differs, or why that could not be found out.
func anyStale(ctx context.Context, conn *pgx.Conn, path, owner, query string) (differs bool, why string, err error) {
	for _, path := range []string{"pg_catalog", path} { // a function may lean on the application's
		differs, err = askStale(ctx, conn, path, owner, query)
		if err == nil {
			return differs, "", nil
		}
	}
	var pg *pgconn.PgError
	err = discreet(err, aboutRows, writtenIn(ctx, conn))
	switch {
	case !errors.As(err, &pg) || strings.HasPrefix(pg.Code, "08") || strings.HasPrefix(pg.Code, "57P"):
		return false, "", err
	case pg.Code == "57014":
		return false, "it takes longer than " + generatedLimit, nil
	}
	return false, pg.Message, nil
}

func askStale(ctx context.Context, conn *pgx.Conn, path, owner, query string) (differs bool, err error) {
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rollBack(ctx, tx)) }()
	if _, err := tx.Exec(ctx, "set local statement_timeout = '"+generatedLimit+"'; set local lock_timeout = '1s'; set local search_path = "+path+"; set local role "+ident(owner)); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, query).Scan(&differs)
	return differs, err
}
