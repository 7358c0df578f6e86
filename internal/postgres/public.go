package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
)

// publicSchema is what a database says about its schema public, which comes
// with the database. Up to PostgreSQL 14 it belongs to the server's own role,
// and nobody else can change it.
type publicSchema struct{ owner, acl, comment string }

// defaultPublic is the schema public of a new database.
func defaultPublic(version int) publicSchema {
	list := []privilege{{name: "USAGE", grantor: serverRole}}
	if version < 150000 {
		list = slices.Insert(list, 0, privilege{name: "CREATE", grantor: serverRole})
	}
	return publicSchema{owner: serverRole, acl: spelledList(list), comment: publicComment}
}

const publicComment = "standard public schema"

// readPublic reads the schema public of every database of the source, its roles
// marked; a database without one has no entry. It also says which tables are left
// behind, for the same session is open.
func (m *job) readPublic(ctx context.Context, f *sideFacts) error {
	found := map[string]publicSchema{}
	var left []string
	var mu sync.Mutex
	err := m.source.each(ctx, databaseNames(f.databases), func(ctx context.Context, name string, conn *pgx.Conn) error {
		tables, err := readLeftTables(ctx, conn, name)
		if err != nil {
			return err
		}
		mu.Lock()
		left = append(left, tables...)
		mu.Unlock()
		rows, err := conn.Query(ctx, publicQuery(m.source.version))
		var r recordedDatabase
		if err == nil {
			err = r.readPublic(rows)
		}
		if err != nil {
			return fmt.Errorf("read schema public of database %q: %w", name, err)
		}
		if r.public == nil {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		found[name] = *r.public
		return nil
	})
	if err != nil {
		return err
	}
	slices.Sort(left)
	f.public, f.left = found, left
	return nil
}

// publicQuery reads the schema public, its roles marked.
func publicQuery(version int) string {
	return "select o, coalesce(a, ''), c from (select " + schemaOwner() + " as o, coalesce(obj_description(n.oid, 'pg_namespace'), '') as c, (select q.value from (" +
		granted(privilegeFacts)(version, version) + ") q(object, what, value, of) where q.object = 'schema public') as a from pg_namespace n where n.nspname = 'public') x"
}

func (r *recordedDatabase) readPublic(rows pgx.Rows) error {
	p, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (p publicSchema, err error) {
		return p, row.Scan(&p.owner, &p.acl, &p.comment)
	})
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	r.public = &p
	return err
}

// adaptPublic finds the databases whose schema public is not as in a new
// database on the target, and notes those where we may not change it.
func (m *job) adaptPublic(ctx context.Context, f *copyFacts) error {
	if f.source.public == nil {
		if err := m.readPublic(ctx, &f.source); err != nil {
			return err
		}
	}
	f.adapted.lines = append(f.adapted.lines, f.source.left...)
	f.adapted.public = map[string]publicSchema{}
	n := f.adapted.naming()
	for name, p := range f.source.public {
		f.adapted.public[name] = publicSchema{owner: n.marked(p.owner), acl: n.accessList(p.acl), comment: p.comment}
	}
	f.adapted.keptPublic = map[string]bool{}
	if f.target.admin.superuser || m.target.version >= 150000 {
		return nil
	}
	for _, d := range f.source.databases {
		have, ok := f.adapted.public[d.name]
		if ok && have == defaultPublic(m.target.version) {
			continue
		}
		f.adapted.keptPublic[d.name] = true
		f.adapted.note("schema public of database %s keeps the owner, privileges and comment of a new database: before PostgreSQL 15 only a superuser may change them", d.name)
	}
	return nil
}

// setPublic gives the schema public of a new database to its owner, or drops
// it where the source has none.
func (d *databaseCopy) setPublic(ctx context.Context) error {
	if d.adapted.keptPublic[d.database.name] {
		return nil
	}
	want, ok := d.adapted.public[d.database.name]
	sql := "drop schema public"
	switch {
	case ok && want.owner == serverRole:
		return nil
	case ok:
		sql = "alter schema public owner to " + ident(want.owner)
	}
	if _, err := d.target.Exec(ctx, sql); err != nil {
		return fail(targetSide, codeOfError(err), fmt.Errorf("change schema public: %w", err))
	}
	return nil
}

// keptFact tells a fact about a schema public that we cannot change, or one that
// a rehearsal leaves out.
func (a adapted) keptFact(database string, f *fact) bool {
	return a.rehearses() && unrehearsedFact(f, a.rows) || a.keptPublic[database] && (f.object == "public" || f.object == "schema public")
}
