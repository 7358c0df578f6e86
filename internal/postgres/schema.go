package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// ownWork are the entries pg_dump writes that we make ourselves from the
// catalogs, because they hold role names or versions.
var ownWork = map[string]bool{
	"ACL": true, "DEFAULT ACL": true, "EXTENSION": true, "POLICY": true, "DATABASE": true, "DATABASE PROPERTIES": true,
	"BLOB": true, "BLOBS": true, "BLOB METADATA": true, "SEQUENCE SET": true, "TABLE DATA": true,
	"MATERIALIZED VIEW DATA": true, "SEARCHPATH": true, "ENCODING": true, "STDSTRINGS": true,
}

// restore runs one entry.
func (e entry) restore(ctx context.Context, conn *pgx.Conn, a adapted) error {
	sql := e.sql
	if e.joined != nil {
		sql = e.joined.sql(sql, ident(e.schema, e.tag))
	}
	if e.access != "" {
		sql = "set default_table_access_method = " + ident(e.access) + ";\n" + sql
	}
	about := aboutSchema
	if e.section == sectionPost {
		about = aboutBoth
	}
	return execLeaning(ctx, conn, a.appPath(conn.Config().Database), sql, about)
}

const matviewDesc = "MATERIALIZED VIEW"

// give hands the object to its owner.
func (e entry) give(ctx context.Context, conn *pgx.Conn, a adapted, admin string) error {
	owner := a.mapped(e.owner)
	identity := e.identity()
	if !ownable[e.desc] || owner == "" || owner == admin || identity == "" || e.isPublic() {
		return nil
	}
	alter := "alter " + identity + " owner to " + ident(owner)
	if e.desc == publicationDesc && !a.targetSuperuser {
		var err error
		if alter, err = lendDatabase(ctx, conn, alter, owner); err != nil {
			return failf(targetSide, codeOfError(err), "give %s to %s: %w", e.title(), owner, err)
		}
	}
	if _, err := conn.Exec(ctx, alter); err != nil {
		return failf(targetSide, codeOfError(err), "give %s to %s: %w", e.title(), owner, err)
	}
	return nil
}

const publicationDesc = "PUBLICATION"

// lendDatabase lets the owner create in the database while a publication becomes
// its own, which ALTER PUBLICATION … OWNER demands of a non-superuser. An owner
// may have lost that privilege since, or never had it.
func lendDatabase(ctx context.Context, conn *pgx.Conn, alter, owner string) (string, error) {
	var may bool
	err := conn.QueryRow(ctx, "select has_database_privilege($1::name, current_database(), 'create')", owner).Scan(&may)
	if err != nil || may {
		return alter, err
	}
	on := "create on database " + ident(conn.Config().Database)
	return "grant " + on + " to " + ident(owner) + "; " + alter + "; revoke " + on + " from " + ident(owner), nil
}

// isPublic tells the schema public, which initdb makes. Its owner is the
// server's own role on either side and is compared as such.
func (e entry) isPublic() bool { return e.desc == "SCHEMA" && e.tag == "public" }

func (e entry) title() string {
	name := e.tag
	if e.schema != "" {
		name = e.schema + "." + e.tag
	}
	return strings.ToLower(e.desc) + " " + name
}

// lendSchemas lets every owner create in the schemas its objects live in,
// which ALTER … OWNER demands of a non-superuser. The privileges are brought
// in line with the source at the end, and the loan is gone.
func lendSchemas(ctx context.Context, conn *pgx.Conn, entries []entry, a adapted, admin string) error {
	lent := map[[2]string]bool{}
	for _, e := range entries {
		pair := [2]string{e.schema, a.mapped(e.owner)}
		if !ownable[e.desc] || e.schema == "" || pair[1] == admin || pair[1] == "" || lent[pair] {
			continue
		}
		lent[pair] = true
		if _, err := conn.Exec(ctx, "grant create, usage on schema "+ident(pair[0])+" to "+ident(pair[1])); err != nil {
			return fmt.Errorf("let %s create in schema %s: %w", pair[1], pair[0], err)
		}
	}
	return nil
}

// extension is one installed extension.
type extension struct{ name, version, schema string }

// listExtensions reads what CREATE EXTENSION made here, in the order of its
// making, which respects what needs what. An extension that brings its own
// schema has none to be asked for.
func listExtensions(ctx context.Context, conn *pgx.Conn) ([]extension, error) {
	rows, err := conn.Query(ctx, extensionsOf)
	if err != nil {
		return nil, fmt.Errorf("list extensions: %w", err)
	}
	return pgx.CollectRows(rows, scanExtension)
}

const extensionsOf = `select e.extname::text, e.extversion, case when exists (select from pg_depend d
		where d.classid = 'pg_namespace'::regclass and d.objid = e.extnamespace and d.deptype = 'e' and d.refobjid = e.oid)
		then '' else n.nspname::text end
	from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.oid >= 16384 order by e.oid`

func scanExtension(row pgx.CollectableRow) (e extension, err error) {
	return e, row.Scan(&e.name, &e.version, &e.schema)
}

// create installs the extension in the very version the source has.
func (e extension) create(ctx context.Context, conn *pgx.Conn) error {
	sql := "create extension " + ident(e.name)
	if e.schema != "" {
		sql += " schema " + ident(e.schema)
	}
	if _, err := conn.Exec(ctx, sql+" version "+ident(e.version)); err != nil {
		return failf(targetSide, codeOfError(err), "create extension %s version %s: %w", e.name, e.version, err)
	}
	return nil
}

// restorePre makes what must be there before rows arrive, and gives what could
// not be made yet: what only reads, a view or a function, may wait for them.
func (d *databaseCopy) restorePre(ctx context.Context) ([]task, error) {
	isSchema := func(e entry) bool { return e.desc == "SCHEMA" && !e.isPublic() }
	if err := d.mustDo(ctx, d.tasks(isSchema)); err != nil {
		return nil, err
	}
	for _, e := range d.record.extensions {
		if err := e.create(ctx, d.target); err != nil {
			return nil, err
		}
	}
	if !d.adapted.targetSuperuser {
		if err := lendSchemas(ctx, d.target, d.entries, d.adapted, d.admin); err != nil {
			return nil, err
		}
	}
	left, err := workOff(ctx, d.tasks(func(e entry) bool { return e.section <= sectionPre && !isSchema(e) && !e.late() && !e.last() }))
	if err != nil || !slices.ContainsFunc(left, neededByRows) {
		return left, err
	}
	return d.restoreEarlier(ctx, left)
}

func neededByRows(t task) bool { return t.rows }

// late are comments, which pg_dump puts beside their object: those on
// databases' extensions and on what we make later have to wait.
func (e entry) late() bool { return e.desc == "COMMENT" || e.desc == "SECURITY LABEL" }

// last are publications, under which rows without a replica identity can no
// longer be changed, and event triggers.
func (e entry) last() bool { return strings.HasPrefix(e.desc, "PUBLICATION") || e.desc == eventTrigger }

const eventTrigger = "EVENT TRIGGER"

// ofEventTrigger tells a comment or a label on an event trigger.
func (e entry) ofEventTrigger() bool { return e.late() && strings.HasPrefix(e.tag, eventTrigger+" ") }
