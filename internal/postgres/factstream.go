package postgres

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

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

// sorted is the SQL of what texts are sorted by, so that they stand in the order of
// their bytes in UTF-8, in which they reach us. A database in another encoding has
// another order of its own. One without an encoding gives its bytes as they are
// (asStored).
func (s side) sorted(text string) string {
	switch s.conn.PgConn().ParameterStatus("server_encoding") {
	case "UTF8", sqlASCII:
		return text + ` collate "C"`
	}
	return "convert_to(" + text + ", 'UTF8')"
}

// facts reads a catalog, its roles marked, in the order in which Go compares them.
func (s side) facts(ctx context.Context, c catalog) (factStream, error) {
	sql := `select q.object, q.what, coalesce(q.value, ''), q.of from (` + c.query(s.common, s.version) + `) q(object, what, value, of)
		cross join lateral (select ` + plainNames("q.object") + `, ` + plainNames("q.what") + `) k(object, what)
		order by ` + s.sorted("k.object") + ", " + s.sorted("k.what") + ", " + s.sorted("q.value")
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
