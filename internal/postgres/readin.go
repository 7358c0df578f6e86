package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A server keeps an expression as a tree and prints it from there. The tree
// depends on what it was parsed from: of a varchar, state IN ('a', 'b') is
// printed as (state)::text = ANY ((ARRAY['a'::character varying, ...])::text[]),
// and that, read in again, as (state)::text = ANY (ARRAY[('a'::character
// varying)::text, ...]). Newer servers print the same tree in other words, too.
// So two printed texts of two histories say nothing when they differ.
//
// What can be said: the target's server reads in what the source prints, and
// prints what it then has. Is that what it prints of its own object, the source's
// text means to the target what the target has. Nothing here takes SQL apart or
// rewrites it; what cannot be read in is a difference.

// reading is how the target reads in one kind of text: it makes an object of
// the same kind and name in a scratch schema, of a table that is an empty clone
// of its own, in a transaction that is rolled back. No live object is changed or
// locked but as one who reads it.
//
// The queries are asked on the target and may read the(oid, n, scratch, text):
// the OID of the target's own object, the number behind the fact's what, the
// scratch schema and the source's text.
type reading struct {
	// table is the query for the OID of the table the text is of; none, and it
	// needs no clone.
	table string
	// make is the query for the statements that make the object from the text.
	make string
	// print is the query for what the target then has.
	print string
	// relative is the query for the text of an object whose printed form names
	// its table. It is asked on either side with the table's schema in front of
	// everything, which has that name printed and read without a schema; so it
	// is the clone's name where the scratch schema stands in front.
	relative string
}

const given = "with the(oid, n, scratch, text) as (select $1::oid, $2::int, $3::text, $4::text) "

// place is what a reading's queries know.
type place struct {
	oid           uint32
	n             int
	scratch, text string
}

func (p place) ask(ctx context.Context, conn *pgx.Conn, query string, to any) error {
	return conn.QueryRow(ctx, given+query, p.oid, p.n, p.scratch, p.text).Scan(to)
}

// readingOf is the reading for a fact and the number behind its what.
func (c catalog) readingOf(f *fact) (reading, int, bool) {
	what, n := f.what, 0
	if i := strings.LastIndexByte(what, ' '); i >= 0 {
		if number, err := strconv.Atoi(what[i+1:]); err == nil {
			what, n = what[:i], number
		}
	}
	r, ok := c.texts[what]
	return r, n, ok
}

// readsAlike tells whether the target makes of the source's text what it has
// itself, and if not for lack of sense, what the target said.
func (d *databaseProof) readsAlike(ctx context.Context, c catalog, want, have *fact) (alike bool, why string, err error) {
	r, n, ok := c.readingOf(want)
	if !ok || want.value == "" || have.value == "" || want.of == "" || have.of == "" {
		return false, "", nil
	}
	source, err := strconv.ParseUint(want.of, 10, 32)
	if err != nil {
		return false, "", err
	}
	target, err := strconv.ParseUint(have.of, 10, 32)
	if err != nil {
		return false, "", err
	}
	text, printed, schema := want.value, have.value, ""
	if r.relative != "" {
		if text, _, err = r.inSchema(ctx, d.sourceConn, uint32(source)); err != nil {
			return false, "", classify(sourceSide, fmt.Errorf("print %s of %s: %w", want.what, want.object, err))
		}
		if printed, schema, err = r.inSchema(ctx, d.targetConn, uint32(target)); err != nil {
			return false, "", classify(targetSide, fmt.Errorf("print %s of %s: %w", have.what, have.object, err))
		}
	}
	d.Compared("texts read in by the target", 1)
	// A function that takes the table's rows does not take the clone's, unless
	// there is a cast.
	for _, cast := range []bool{false, true} {
		again, err := d.readIn(ctx, r, place{oid: uint32(target), n: n, text: text}, schema, cast)
		var pg *pgconn.PgError
		switch {
		case err == nil:
			return again == printed, "", nil
		case !errors.As(err, &pg) || passing(pg.Code):
			return false, "", classify(targetSide, fmt.Errorf("read in %s of %s: %w", want.what, want.object, err))
		case cast || r.table == "":
			return false, pg.Message, nil
		}
	}
	return false, "", nil
}

// passing tells an error that says nothing of the text.
func passing(code string) bool {
	switch code[:2] {
	case "08", "40", "53", "57", "58", "XX":
		return true
	}
	return code == "55P03" // the lock could not be had
}

// inSchema asks for the relative text of an object and its table's schema.
func (r reading) inSchema(ctx context.Context, conn *pgx.Conn, oid uint32) (text, schema string, err error) {
	p := place{oid: oid}
	var table uint32
	if err := p.ask(ctx, conn, r.table, &table); err != nil {
		return "", "", err
	}
	if err := (place{oid: table}).ask(ctx, conn, "select n.nspname::text from the join pg_class c on c.oid = the.oid join pg_namespace n on n.oid = c.relnamespace", &schema); err != nil {
		return "", "", err
	}
	if _, err := conn.Exec(ctx, "set local search_path = "+ident(schema)+", pg_catalog"); err != nil {
		return "", "", err
	}
	if err := p.ask(ctx, conn, r.relative, &text); err != nil {
		return "", "", err
	}
	_, err = conn.Exec(ctx, "set local search_path = pg_catalog")
	return text, schema, err
}

// readIn has the target read in a text, and gives what it prints of that.
func (d *databaseProof) readIn(ctx context.Context, r reading, p place, schema string, cast bool) (printed string, err error) {
	if d.scratch == nil {
		if d.scratch, err = d.target.connect(ctx, d.database); err != nil {
			return "", err
		}
	}
	p.scratch = "circleci_dr_" + strings.ToLower(rand.Text())
	tx, err := d.scratch.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))) }() // rolling back is the point
	begin := "set local lock_timeout = '10s'; set local client_min_messages = error; create schema " + p.scratch
	if d.target.superuser { // the application's event triggers are not to hear of this
		begin = "set local session_replication_role = replica; " + begin
	}
	if _, err := tx.Exec(ctx, begin); err != nil {
		return "", err
	}
	if err := r.clone(ctx, d.scratch, p, cast); err != nil {
		return "", err
	}
	var statements string
	if err := p.ask(ctx, d.scratch, r.make, &statements); err != nil {
		return "", err
	}
	if schema != "" {
		if _, err := tx.Exec(ctx, "set local search_path = "+p.scratch+", "+ident(schema)+", pg_catalog"); err != nil {
			return "", err
		}
	}
	if _, err := tx.Exec(ctx, statements); err != nil {
		return "", err
	}
	err = p.ask(ctx, d.scratch, r.print, &printed)
	return printed, err
}

// clone makes an empty table, or a view, with the name and columns of the
// target's own. It is spelled from the catalog: LIKE asks for the right to read
// the table, and locks it.
func (r reading) clone(ctx context.Context, conn *pgx.Conn, p place, cast bool) error {
	var table *uint32
	if r.table == "" {
		return nil
	}
	if err := p.ask(ctx, conn, r.table, &table); err != nil || table == nil {
		return err
	}
	queries := []string{cloneOf}
	if cast {
		queries = append(queries, castOf)
	}
	for _, query := range queries {
		var statement string
		if err := (place{oid: *table, scratch: p.scratch}).ask(ctx, conn, query, &statement); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// collated is the SQL for the collation of a column or type.
func collated(oid string) string {
	return `coalesce((select format(' collate %I.%I', cn.nspname, co.collname) from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace where co.oid = ` + oid + `), '')`
}

// columnsOf is the SQL for the columns of a relation as CREATE TABLE takes them.
func columnsOf(oid string) string {
	return `(select string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod), ` + collated("a.attcollation") + `), ', ' order by a.attnum)
		from pg_attribute a where a.attrelid = ` + oid + ` and a.attnum > 0 and not a.attisdropped)`
}

var cloneOf = `select case when c.relkind = 'v' then format('create view %I.%I as select %s', the.scratch, c.relname,
		(select string_agg(format('null::%s%s as %I', format_type(a.atttypid, a.atttypmod), ` + collated("a.attcollation") + `, a.attname), ', ' order by a.attnum)
			from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))
		else format('create table %I.%I (%s)', the.scratch, c.relname, ` + columnsOf("c.oid") + `) end
	from the join pg_class c on c.oid = the.oid`

const castOf = `select format('create function %1$I.row_of_clone(%1$I.%2$I) returns %3$I.%2$I language sql immutable as %4$L;
		create cast (%1$I.%2$I as %3$I.%2$I) with function %1$I.row_of_clone(%1$I.%2$I) as implicit',
		the.scratch, c.relname, n.nspname, format('select null::%I.%I', n.nspname, c.relname))
	from the join pg_class c on c.oid = the.oid join pg_namespace n on n.oid = c.relnamespace`
