package postgres

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/jackc/pgx/v5"
)

// fact is one thing a server says about one of its objects. Two databases are
// equal when they say the same facts, in the target's role names.
type fact struct {
	object, what, value string
	// of is the owner of what has privileges, the OID of what has a text that
	// the target can read in, else empty.
	of string
	// key is object and what as they are compared, see plainNames.
	key [2]string
}

// catalog is a named query for facts. All kinds of objects are compared by
// this one mechanism; to compare one more, add a query.
type catalog struct {
	kind string // in PostgreSQL's words, for people
	// query returns object, what, value and of, see fact. It may read the table
	// roles(f, t), the names that change on the way. common is the older of both
	// servers' versions: a column that only the newer one has cannot be compared.
	// own is this server's.
	query func(common, own int) string
	// texts are the values that a server prints from an expression it keeps:
	// how the target reads them in, by what without a number behind it.
	texts map[string]reading
	// hide tells a value that must not be shown, by what.
	hide func(what string) bool
}

// side is a session on one side and how its role names read on the target.
type side struct {
	conn    *pgx.Conn
	version int
	owners  map[string]string // nil on the target
}

// ownerLists is the map of role names as two lists, as SQL takes it.
func (s side) ownerLists() (from, to []string) {
	from, to = []string{}, []string{}
	for _, name := range sortedKeys(s.owners) {
		from, to = append(from, name), append(to, s.owners[name])
	}
	return from, to
}

func (s side) facts(ctx context.Context, c catalog, common int) (*factReader, error) {
	from, to := s.ownerLists()
	sql := `with roles(f, t) as (select * from unnest($1::text[], $2::text[]))
		select q.object, q.what, coalesce(q.value, ''), q.of, k.object, k.what from (` + c.query(common, s.version) + `) q(object, what, value, of)
		cross join lateral (select ` + plainNames("q.object") + `, ` + plainNames("q.what") + `) k(object, what)
		order by k.object collate "C", k.what collate "C", q.value collate "C"`
	rows, err := s.conn.Query(ctx, sql, from, to)
	if err != nil {
		return nil, fmt.Errorf("read catalog of %s: %w", c.kind, err)
	}
	return &factReader{rows: rows, kind: c.kind}, nil
}

// factReader reads facts one by one, so that a catalog of any length needs no
// memory.
type factReader struct {
	rows pgx.Rows
	kind string
	now  *fact
}

func (r *factReader) next() error {
	r.now = nil
	if r.rows.Next() {
		r.now = &fact{}
		if err := r.rows.Scan(&r.now.object, &r.now.what, &r.now.value, &r.now.of, &r.now.key[0], &r.now.key[1]); err != nil {
			return fmt.Errorf("read catalog of %s: %w", r.kind, err)
		}
		return nil
	}
	if err := r.rows.Err(); err != nil {
		return fmt.Errorf("read catalog of %s: %w", r.kind, err)
	}
	return nil
}

// bothFacts asks both sides at once.
func bothFacts(ctx context.Context, c catalog, source, target side, common int) (s, t *factReader, err error) {
	var wg sync.WaitGroup
	var sourceErr, targetErr error
	wg.Go(func() { s, sourceErr = source.facts(ctx, c, common) })
	t, targetErr = target.facts(ctx, c, common)
	wg.Wait()
	err = errors.Join(classify(sourceSide, sourceErr), classify(targetSide, targetErr))
	for _, r := range []*factReader{s, t} {
		if err != nil && r != nil {
			r.rows.Close()
		}
	}
	return s, t, err
}

// compareFacts reads one catalog on both sides and calls differ for each fact
// that is not the same: want is nil where the source says nothing, have where
// the target does not. It returns how many objects were compared.
func compareFacts(ctx context.Context, c catalog, source, target side, differ func(want, have *fact) error) (int, error) {
	common := min(source.version, target.version)
	s, t, err := bothFacts(ctx, c, source, target, common)
	if err != nil {
		return 0, err
	}
	defer s.rows.Close()
	defer t.rows.Close()
	if err := s.next(); err != nil {
		return 0, classify(sourceSide, err)
	}
	if err := t.next(); err != nil {
		return 0, classify(targetSide, err)
	}
	objects, last := 0, ""
	for s.now != nil || t.now != nil {
		if s.now != nil && (objects == 0 || s.now.key[0] != last) {
			objects, last = objects+1, s.now.key[0]
		}
		order := orderOf(s.now, t.now)
		want, have := s.now, t.now
		if order <= 0 {
			if err := s.next(); err != nil {
				return objects, classify(sourceSide, err)
			}
		} else {
			want = nil
		}
		if order >= 0 {
			if err := t.next(); err != nil {
				return objects, classify(targetSide, err)
			}
		} else {
			have = nil
		}
		if want != nil && have != nil && (want.value == have.value || c.kind != "foreign server" && nameFacts[want.what] && unquoted(want.value) == unquoted(have.value)) {
			continue
		}
		if err := differ(want, have); err != nil {
			return objects, err
		}
	}
	return objects, nil
}

// orderOf compares two facts by object and what; none sorts last.
func orderOf(a, b *fact) int {
	switch {
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return slices.Compare(a.key[:], b.key[:])
}

// quotedPlain is a name in quotes that has none of the letters that need them.
const quotedPlain = `"([a-z_][a-z0-9_$]*)"`

// plainNames is the SQL for a text with names as every version prints them: a
// server quotes what is a keyword to it, and newer ones know more keywords (16
// knows json). Two names that differ stay different: no name without quotes is a
// keyword that the text means otherwise. A text with a quote in a name stays as
// it is.
func plainNames(text string) string {
	return "case when strpos(" + text + `, '""') > 0 then ` + text + " else regexp_replace(" + text + ", '" + quotedPlain + `', '\1', 'g') end`
}

var quotedName = regexp.MustCompile(quotedPlain)

// unquoted is the same in Go.
func unquoted(text string) string {
	if strings.Contains(text, `""`) {
		return text
	}
	return quotedName.ReplaceAllString(text, "$1")
}

// nameFacts are the facts whose value is names and nothing that somebody wrote;
// the type of a foreign server is.
var nameFacts = map[string]bool{"type": true, "of type": true, "parents": true, "function": true, "result": true}

func catalogByName(name string) catalog {
	for _, c := range catalogs {
		if c.kind == name {
			return c
		}
	}
	panic("no catalog is named " + name)
}

// always makes a query that is the same for every version.
func always(sql string) func(int, int) string { return func(int, int) string { return sql } }

// facts builds the usual query: one row per object in from, taken apart into
// pairs of what and value.
func factsOf(object, pairs, from string) string { return textsOf(object, "''", pairs, from) }

// textsOf is factsOf for objects with texts: oid is the OID, as a number, of
// what the texts belong to.
func textsOf(object, oid, pairs, from string) string {
	return "select " + object + ", v.what, v.value, coalesce(" + oid + "::text, '') from " + from + " cross join lateral (values " + pairs + ") v(what, value)"
}

// roleOf is the SQL for a role's name on the target.
func roleOf(oid string) string {
	return "coalesce((select t from roles where f = pg_get_userbyid(" + oid + ")), pg_get_userbyid(" + oid + ")::text)"
}

// schemaOwner is the owner of schema n. The schema public belongs to the
// server's own role, whatever its name and, from 15 on, to the role that
// stands for the database's owner.
const publicOwner = `n.nspname = 'public' and (n.nspowner = 10 or pg_get_userbyid(n.nspowner) = 'pg_database_owner')`

func schemaOwner() string {
	return "case when " + publicOwner + " then '(server)' else " + roleOf("n.nspowner") + " end"
}
