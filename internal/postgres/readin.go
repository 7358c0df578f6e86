package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
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
	// print is the query for what the target then has: its text, or its OID where
	// there is a relative text.
	print string
	// relative is the SQL for the text of an object whose printed form names its
	// table. It is asked on either side with the table's schema in front of
	// everything, which has that name printed and read without a schema; so it
	// is the clone's name where the scratch schema stands in front. Whatever the
	// schema holds is found first there, hence the SQL names pg_catalog.
	relative string
	// schemas is the query for the schemas of the tables of such objects.
	schemas string
}

const given = "with the(oid, n, scratch, text) as (select $1::pg_catalog.oid, $2::pg_catalog.int4, $3::pg_catalog.text, $4::pg_catalog.text) "

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
// itself, and if it can make nothing of it, why.
func (d *databaseProof) readsAlike(ctx context.Context, c catalog, want, have *fact, relatives relativeTexts) (alike bool, why string, err error) {
	r, n, ok := c.readingOf(want)
	if !ok || want.value == "" || have.value == "" {
		return false, "", nil
	}
	d.Compared("texts read in by the target", 1)
	text, printed := relativeText{text: want.value}, relativeText{text: have.value}
	p := place{n: n}
	if p.oid, err = have.oid(); err != nil {
		return false, "", err
	}
	if r.relative != "" {
		if text, err = relatives.source.of(want); err != nil {
			return false, "", classify(sourceSide, err)
		}
		if printed, err = relatives.target.of(have); err != nil {
			return false, "", classify(targetSide, err)
		}
	}
	p.text = text.text
	var again string
	for _, try := range r.tries(text.schema, d.facts.adapted.appPath(d.facts.adapted.there(d.database))) {
		again, err = d.readIn(ctx, r, p, try)
		if !errors.As(err, new(*unreadError)) {
			break
		}
	}
	if unread := (*unreadError)(nil); errors.As(err, &unread) {
		return false, unread.pg.Message, nil
	}
	if err != nil {
		return false, "", classify(targetSide, fmt.Errorf("read in %s of %s %s: %w", want.what, c.kind, want.object, err))
	}
	return again == printed.text, "", nil
}

// try is one way to read a text in.
type try struct {
	path      string // behind the scratch schema, where that is on the path
	functions bool   // see functionsOf
}

// tries are the ways to read a text in, the next where one fails. A function
// that takes the table's rows does not take the clone's: it needs a twin.
// What is planned at once, such as an index, may call a function that leans on
// the application's path; the text itself says where everything is.
func (r reading) tries(schema, app string) []try {
	if r.relative != "" {
		path := ident(schema) + ", pg_catalog"
		return []try{{path: path}, {path: path, functions: true}}
	}
	tries := []try{{path: "pg_catalog"}, {path: app}}
	if r.table != "" {
		tries = append(tries, try{path: "pg_catalog", functions: true}, try{path: app, functions: true})
	}
	return tries
}

// oid is the OID of a fact of an object with texts.
func (f *fact) oid() (uint32, error) {
	oid, err := strconv.ParseUint(f.of, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("read OID of %s: %w", f.object, err)
	}
	return uint32(oid), nil
}

// printed asks for the relative text of an object with a path in front.
func (r reading) printed(ctx context.Context, conn *pgx.Conn, p place, path string) (text string, err error) {
	if _, err := conn.Exec(ctx, "set local search_path = "+path); err != nil {
		return "", err
	}
	if err := p.ask(ctx, conn, "select "+r.relative+" from the", &text); err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "set local search_path = pg_catalog")
	return text, err
}

// unreadError is what the target says of a text that it cannot read in.
type unreadError struct{ pg *pgconn.PgError }

func (e *unreadError) Error() string { return e.pg.Error() }

// readIn has the target read in a text, and gives what it prints of that.
func (d *databaseProof) readIn(ctx context.Context, r reading, p place, try try) (printed string, err error) {
	if d.scratch == nil {
		if d.scratch, err = d.target.connect(ctx, d.facts.adapted.there(d.database)); err != nil {
			return "", err
		}
	}
	p.scratch = "circleci_dr_" + strings.ToLower(rand.Text())
	path := try.path
	if r.relative != "" {
		path = p.scratch + ", " + path
	}
	script, err := d.script(ctx, r, p, path, try.functions)
	if err != nil {
		return "", err
	}
	defer func() { // rolling back is the point
		leave, cancel := leaving(ctx)
		defer cancel()
		_, rolled := d.scratch.Exec(leave, "rollback")
		err = errors.Join(err, rolled)
	}()
	if _, err := d.scratch.Exec(ctx, script); err != nil {
		return "", unread(err)
	}
	if err := p.ask(ctx, d.scratch, r.print, &printed); err != nil || r.relative == "" {
		return printed, err
	}
	made := fact{object: p.scratch, of: printed}
	if p.oid, err = made.oid(); err != nil {
		return "", err
	}
	return r.printed(ctx, d.scratch, p, path)
}

// script is what makes the object, in one piece: the way to the target may be
// long. It leaves the transaction open.
func (d *databaseProof) script(ctx context.Context, r reading, p place, path string, functions bool) (string, error) {
	script := []string{"begin", "set local lock_timeout = '10s'", "set local client_min_messages = error", "create schema " + p.scratch}
	quiet, err := d.target.quiet(ctx, d.scratch)
	if err != nil {
		return "", err
	}
	script = slices.Insert(script, 1, quiet...)
	for _, query := range r.queries(functions) {
		var statement *string // none of a domain's table
		if err := p.ask(ctx, d.scratch, query, &statement); err != nil {
			return "", err
		}
		if query == r.make {
			script = append(script, "set local search_path = "+path)
		}
		if statement != nil {
			script = append(script, *statement)
		}
	}
	return strings.Join(append(script, "set local search_path = pg_catalog"), ";\n"), nil
}

// queries are those for the statements to run, in their order.
func (r reading) queries(functions bool) []string {
	switch {
	case r.table == "":
		return []string{r.make}
	case functions:
		return []string{cloneOf(r.table), functionsOf(r.table), r.make}
	}
	return []string{cloneOf(r.table), r.make}
}
