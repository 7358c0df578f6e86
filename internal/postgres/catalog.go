package postgres

import (
	"cmp"
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
	// query returns object, what, value and of, see fact, every role's name marked
	// (roleOf). common is the older of both servers' versions: a column that only
	// the newer one has cannot be compared. own is this server's.
	query func(common, own int) string
	// texts are the values that a server prints from an expression it keeps:
	// how the target reads them in, by what without a number behind it.
	texts map[string]reading
	// hide tells a value that must not be shown, by what.
	hide func(what string) bool
	// roles gives a fact in the target's role names; nil where no role stands.
	roles func(*fact, naming)
	// byRole tells that objects are named by roles, and so stand in another order
	// on the target. Such a catalog is held in memory.
	byRole bool
}

// side is a session on one side.
type side struct {
	conn    *pgx.Conn
	version int
	// common is the version whose facts are asked for, see job.common.
	common int
}

// common is the version that both sides' facts are of: the older one's, because a
// column that only the newer one has cannot be compared. Wherever a copy is
// possible that is the source's own (carriable), and so what was recorded of a
// source is right for every target. Only a proof of two servers can have it the
// other way round.
func (m *job) common() int { return min(m.source.version, m.target.version) }

func (m *job) sourceSide(conn *pgx.Conn) side {
	return side{conn: conn, version: m.source.version, common: m.common()}
}

func (m *job) targetSide(conn *pgx.Conn) side {
	return side{conn: conn, version: m.target.version, common: m.common()}
}

// facts reads a catalog, its roles marked.
func (s side) facts(ctx context.Context, c catalog) (factStream, error) {
	sql := `select q.object, q.what, coalesce(q.value, ''), q.of from (` + c.query(s.common, s.version) + `) q(object, what, value, of)
		cross join lateral (select ` + plainNames("q.object") + `, ` + plainNames("q.what") + `) k(object, what)
		order by k.object collate "C", k.what collate "C", q.value collate "C"`
	rows, err := s.conn.Query(ctx, sql)
	if err != nil {
		return nil, fmt.Errorf("read catalog of %s: %w", c.kind, err)
	}
	return &factRows{rows: rows, kind: c.kind}, nil
}

// factStream gives facts one by one, so that a catalog of any length needs no
// memory.
type factStream interface {
	// next gives none behind the last.
	next() (*fact, error)
	close()
}

// factRows are facts as a server gives them.
type factRows struct {
	rows pgx.Rows
	kind string
}

func (r *factRows) next() (*fact, error) {
	f := &fact{}
	if r.rows.Next() {
		if err := r.rows.Scan(&f.object, &f.what, &f.value, &f.of); err != nil {
			return nil, fmt.Errorf("read catalog of %s: %w", r.kind, err)
		}
		return f, nil
	}
	if err := r.rows.Err(); err != nil {
		return nil, fmt.Errorf("read catalog of %s: %w", r.kind, err)
	}
	return nil, nil
}

func (r *factRows) close() { r.rows.Close() }

// named gives facts in the target's role names, in their order, with their keys.
func (c catalog) named(facts factStream, n naming) (factStream, error) {
	named := &namedFacts{factStream: facts, catalog: c, naming: n}
	if !c.byRole {
		return named, nil
	}
	var all []*fact
	for {
		f, err := named.next()
		if err != nil {
			return nil, err
		}
		if f == nil {
			break
		}
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b *fact) int {
		return cmp.Or(slices.Compare(a.key[:], b.key[:]), strings.Compare(a.value, b.value))
	})
	return &heldFacts{factStream: facts, all: all}, nil
}

// namedFacts are facts in the target's role names.
type namedFacts struct {
	factStream
	catalog catalog
	naming  naming
}

func (s *namedFacts) next() (*fact, error) {
	f, err := s.factStream.next()
	if f == nil || err != nil {
		return nil, err
	}
	if s.catalog.roles != nil {
		s.catalog.roles(f, s.naming)
	}
	f.key = [2]string{unquoted(f.object), unquoted(f.what)}
	return f, nil
}

// heldFacts are those of a catalog that its names have put into another order.
type heldFacts struct {
	factStream
	all []*fact
}

func (s *heldFacts) next() (*fact, error) {
	if len(s.all) == 0 {
		return nil, nil
	}
	f := s.all[0]
	s.all = s.all[1:]
	return f, nil
}

// bothFacts asks both sides at once.
func bothFacts(ctx context.Context, c catalog, source, target factSource, n naming) (s, t factStream, err error) {
	ask := func(s factSource, n naming) (factStream, error) {
		raw, err := s.facts(ctx, c)
		if err != nil {
			return nil, err
		}
		facts, err := c.named(raw, n)
		if err != nil {
			raw.close()
		}
		return facts, err
	}
	var wg sync.WaitGroup
	var sourceErr, targetErr error
	wg.Go(func() { s, sourceErr = ask(source, n) })
	t, targetErr = ask(target, naming{})
	wg.Wait()
	err = errors.Join(classify(sourceSide, sourceErr), classify(targetSide, targetErr))
	for _, r := range []factStream{s, t} {
		if err != nil && r != nil {
			r.close()
		}
	}
	return s, t, err
}

// compareFacts reads one catalog on both sides, the source's in the target's role
// names, and calls differ for each fact that is not the same: want is nil where the
// source says nothing, have where the target does not. It returns how many objects
// were compared.
func compareFacts(ctx context.Context, c catalog, source, target factSource, n naming, differ func(want, have *fact) error) (int, error) {
	s, t, err := bothFacts(ctx, c, source, target, n)
	if err != nil {
		return 0, err
	}
	defer s.close()
	defer t.close()
	return mergeFacts(c, s, t, differ)
}

func mergeFacts(c catalog, s, t factStream, differ func(want, have *fact) error) (objects int, err error) {
	last := ""
	var want, have *fact
	take := func() error {
		if want == nil {
			if want, err = s.next(); err != nil {
				return classify(sourceSide, err)
			}
			if want != nil && (objects == 0 || want.key[0] != last) {
				objects, last = objects+1, want.key[0]
			}
		}
		if have == nil {
			have, err = t.next()
		}
		return classify(targetSide, err)
	}
	for {
		if err := take(); err != nil || want == nil && have == nil {
			return objects, err
		}
		w, h := want, have
		switch order := orderOf(w, h); {
		case order < 0:
			h = nil
		case order > 0:
			w = nil
		}
		if w != nil {
			want = nil
		}
		if h != nil {
			have = nil
		}
		if w != nil && h != nil && alike(c, w, h) {
			continue
		}
		if err := differ(w, h); err != nil {
			return objects, err
		}
	}
}

// alike tells two facts of the same object that say the same.
func alike(c catalog, want, have *fact) bool {
	return want.value == have.value || c.kind != "foreign server" && nameFacts[want.what] && unquoted(want.value) == unquoted(have.value)
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
	if !strings.Contains(text, `"`) || strings.Contains(text, `""`) {
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

// schemaOwner is the owner of schema n. The schema public belongs to the
// server's own role, whatever its name and, from 15 on, to the role that
// stands for the database's owner.
const publicOwner = `n.nspname = 'public' and (n.nspowner = 10 or pg_get_userbyid(n.nspowner) = 'pg_database_owner')`

func schemaOwner() string {
	return "case when " + publicOwner + " then '(server)' else " + roleOf("n.nspowner") + " end"
}
