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

// Rows that break what they are held to: a foreign key whose check was switched
// off while somebody loaded data, a unique index that lost entries. The server that
// has them does not notice; a copy is refused them. A rehearsal goes on to find all
// such, and then names the rows by their keys.

// breach is an object that rows kept from being made, or a table that did not
// take them.
type breach struct {
	task
	pg *pgconn.PgError
}

// broken notes what the target refuses because of rows, and tells whether it
// did. What fails because another object is missing for that reason is not told.
func (d *databaseCopy) broken(t task) bool {
	var known *mover.Error
	pg := aboutObject(t.err)
	if d.dress == nil || d.early == nil || pg == nil || errors.As(t.err, &known) && known.Side == sourceSide {
		return false
	}
	d.dress.mu.Lock()
	defer d.dress.mu.Unlock()
	switch pg.Code {
	case "42704", "42P01", "42830", "42703": // undefined object, table, unique constraint, column
		if t.table == nil && len(d.dress.breaks) > 0 { // what rows need was made before them
			return true
		}
	}
	d.dress.breaks = append(d.dress.breaks, breach{t, pg})
	return true
}

// nameBreaches makes findings of what was broken in a database. A foreign key
// fails wherever one of its two tables was not filled, which says nothing of its rows.
func (p *dress) nameBreaches(ctx context.Context, d *databaseCopy) error {
	empty := map[uint32]bool{}
	for _, b := range p.breaks {
		if b.table != nil {
			empty[b.table.oid] = true
		}
	}
	for _, b := range p.breaks {
		k, err := d.keptBy(ctx, b)
		if err != nil {
			return err
		}
		if b.pg.Code == foreignKeyBroken && (b.table == nil && empty[k.tables[0]] || empty[k.tables[1]]) {
			continue
		}
		found := mover.Difference{Database: d.database.name, Kind: k.kind, Object: k.object, What: b.said(),
			Fix: "mend the cause on the source, then run circleci-dr rehearse --with-data"}
		if k.from != "" {
			rows, err := d.rowsOf(ctx, k)
			if err != nil {
				return err
			}
			found.What += "; " + rows
			found.Fix = "mend these rows on the source, then run circleci-dr rehearse --with-data; all of them, past an index that lost some: " +
				"set enable_indexscan = off; set enable_indexonlyscan = off; set enable_bitmapscan = off; select f.* from " + k.from
		}
		p.proof.Name(found)
	}
	return nil
}

const foreignKeyBroken = "23503"

// said is what the server says of rows or of an object, with its advice. What may
// hold a value was left out where it came from, see discreet.
func (b breach) said() string {
	kind := "the target refuses a value in a row"
	switch class := b.pg.Code[:2]; {
	case class == "23":
		kind = "rows do not fit"
	case b.table == nil && (class == "42" || withoutValues[class]):
		kind = "cannot be made on the target"
	}
	words := fmt.Sprintf("%s: %s (SQLSTATE %s)", kind, b.pg.Message, b.pg.Code)
	if b.pg.Hint != "" {
		words += " (hint: " + b.pg.Hint + ")"
	}
	return words
}

// keeper is what rows break: which object of which table, and how the rows are
// found.
type keeper struct {
	kind, object string
	tables       [2]uint32 // the table and, of a foreign key, the other
	// from selects the rows as f, empty where nobody can.
	from string
	// keys are the columns of the table's primary key that may be shown.
	keys []string
	// onSource tells that the target does not have the rows.
	onSource bool
}

// keptBy finds in the source's catalogs, by OID, what was broken.
func (d *databaseCopy) keptBy(ctx context.Context, b breach) (k keeper, err error) {
	switch {
	case b.table != nil:
		k.kind, k.object, k.tables[0], k.onSource = "table", b.table.shown(), b.table.oid, true
		err = d.rowBroken(ctx, b, &k)
	case b.entry == nil:
		k.kind, k.object = "object", b.what
	default:
		k.kind, k.object = strings.ToLower(b.entry.desc), strings.TrimPrefix(b.entry.title(), strings.ToLower(b.entry.desc)+" ")
		err = d.entryBroken(ctx, b, &k)
	}
	if err != nil || k.from == "" {
		return k, classify(sourceSide, err)
	}
	return k, classify(sourceSide, d.shownKeys(ctx, &k))
}

// entryBroken says which rows break a key or an index.
func (d *databaseCopy) entryBroken(ctx context.Context, b breach, k *keeper) error {
	switch b.pg.Code {
	case foreignKeyBroken:
		return d.orphans(ctx, k, "o.oid = $1", b.entry.oid)
	case "23505":
		return d.twins(ctx, *b.entry, k)
	}
	return nil
}

// rowBroken says which rows a table does not take. A check that calls a user's
// function is not asked: what it does is its own affair, and we may be superuser.
func (d *databaseCopy) rowBroken(ctx context.Context, b breach, k *keeper) error {
	from := "only " + b.table.object() + " f where "
	if b.table.root {
		from = b.table.object() + " f where "
	}
	switch {
	case b.pg.Code == foreignKeyBroken && b.pg.ConstraintName != "": // of a configuration table, whose keys are there first
		return d.orphans(ctx, k, "o.conrelid = $1 and o.conname = $2", b.table.oid, b.pg.ConstraintName)
	case b.pg.Code == "23502" && b.pg.ColumnName != "":
		k.from = from + "f." + ident(b.pg.ColumnName) + " is null"
	case b.pg.Code == "23514" && b.pg.ConstraintName != "" && d.record.leaning[b.table.oid] == 0:
		var check string
		err := d.source.QueryRow(ctx, "select coalesce((select pg_get_expr(conbin, conrelid) from pg_constraint where conrelid = $1 and conname = $2 and contype = 'c'), '')",
			b.table.oid, b.pg.ConstraintName).Scan(&check)
		if err != nil {
			return fmt.Errorf("read check %s: %w", b.pg.ConstraintName, err)
		}
		if check != "" {
			k.kind, k.object, k.from = "constraint", shownName(b.pg.ConstraintName)+" on "+b.table.shown(), from+"("+check+") is false"
		}
	}
	return nil
}

// shownKeys finds the columns by which rows are named: those of the primary key,
// where it is of numbers, UUIDs or times. Words may be anything, a token too.
func (d *databaseCopy) shownKeys(ctx context.Context, k *keeper) error {
	err := d.source.QueryRow(ctx, `select coalesce((select case when bool_and(a.atttypid = any('{int2,int4,int8,oid,uuid,date,timestamp,timestamptz}'::regtype[])) then array_agg(a.attname::text order by u.n) end
		from pg_index i cross join unnest(i.indkey::int2[]) with ordinality u(k, n) join pg_attribute a on a.attrelid = i.indrelid and a.attnum = u.k
		where i.indrelid = $1 and i.indisprimary and u.n <= i.indnkeyatts), '{}')`, k.tables[0]).Scan(&k.keys)
	if err != nil {
		return fmt.Errorf("read the primary key of %s: %w", k.object, err)
	}
	return nil
}

const (
	// rowsShown is how many rows a finding names.
	rowsShown = 5
	// rowsTime is how long looking for them may take, in PostgreSQL's words.
	rowsTime = "1min"
)

// rowsOf counts the rows that break something, and names a few.
func (d *databaseCopy) rowsOf(ctx context.Context, k keeper) (string, error) {
	list := "''"
	order := ""
	if len(k.keys) > 0 {
		var names []string
		for _, key := range k.keys {
			names = append(names, "f."+ident(key))
		}
		list = "concat_ws(' ', " + strings.Join(names, ", ") + ")"
		order = " order by " + strings.Join(names, ", ")
	}
	query := fmt.Sprintf("select %s, count(*) over () from %s%s limit %d", list, k.from, order, rowsShown)
	server, database, begin := d.job.target, d.there(), "begin read only"
	if k.onSource {
		server, database, begin = d.job.source, d.database.name, beginUnder(d.snapshot)
	}
	var shown []string
	var n int
	err := server.with(ctx, database, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, begin+"; set local statement_timeout = '"+rowsTime+"'; set local enable_indexscan = off; set local enable_indexonlyscan = off; set local enable_bitmapscan = off"); err != nil {
			return err
		}
		rows, err := conn.Query(ctx, query)
		if err != nil {
			return err
		}
		var key string
		_, err = pgx.ForEachRow(rows, []any{&key, &n}, func() error { shown = append(shown, key); return nil })
		return err
	})
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg) && ctx.Err() == nil:
		return fmt.Sprintf("which rows could not be found out (SQLSTATE %s)", pg.Code), nil
	case err != nil:
		return "", fmt.Errorf("look for the rows that break %s: %w", k.object, err)
	case n == 0:
		return "which rows could not be found out", nil
	case len(k.keys) == 0:
		return fmt.Sprintf("%s; their primary key is none of numbers, so none is shown", countRows(n)), nil
	}
	more := ""
	if n > len(shown) {
		more = ", …"
	}
	return fmt.Sprintf("%s, with %s %s%s", countRows(n), strings.Join(k.keys, " "), strings.Join(shown, ", "), more), nil
}

func countRows(n int) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}
