package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// database is one database of a server as CREATE DATABASE would describe it.
type database struct {
	name, owner, encoding, collate, ctype string
	provider                              string // as in pg_database; "c", libc, where a version knows no other
	locale, icuRules                      string // the provider's own, of others than libc
	connLimit                             int
	comment                               string
	bytes                                 int64
	connectable                           bool
}

// managedDatabases belong to managed services, whose customers cannot even
// log in to some of them.
var managedDatabases = map[string]bool{
	"rdsadmin": true, "cloudsqladmin": true, "azure_maintenance": true, "azure_sys": true, "alloydbadmin": true,
}

// listDatabases reads the databases of a server but the templates, the
// maintenance database, managed services', our own, what was set aside, and
// what a rehearsal made.
func listDatabases(ctx context.Context, conn *pgx.Conn, version int) ([]database, error) {
	return listDatabasesWith(ctx, conn, version, "")
}

// listDatabasesWith is listDatabases with those of one rehearsal.
func listDatabasesWith(ctx context.Context, conn *pgx.Conn, version int, rehearsal string) ([]database, error) {
	provider, locale, rules := "'c'", "''", "''"
	if version >= 150000 {
		provider, locale = "datlocprovider::text", "coalesce(daticulocale, '')"
	}
	if version >= 160000 {
		rules = "coalesce(daticurules, '')"
	}
	if version >= 170000 {
		locale = "coalesce(datlocale, '')"
	}
	rows, err := conn.Query(ctx, `select datname::text, pg_get_userbyid(datdba)::text, pg_encoding_to_char(encoding)::text,
		datcollate::text, datctype::text, `+provider+`, `+locale+`, `+rules+`, datconnlimit, coalesce(shobj_description(oid, 'pg_database'), ''),
		case when has_database_privilege(oid, 'connect') then pg_database_size(oid) else 0 end,
		datallowconn and has_database_privilege(oid, 'connect')
		from pg_database where not datistemplate and datname <> 'postgres' and datname <> $1 and not (`+isAside+`) and `+notRehearsed("datname", "$2")+` order by datname collate "C"`, ownDatabase, rehearsal)
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d database, err error) {
		return d, row.Scan(&d.name, &d.owner, &d.encoding, &d.collate, &d.ctype, &d.provider, &d.locale, &d.icuRules, &d.connLimit,
			&d.comment, &d.bytes, &d.connectable)
	})
	if err != nil {
		return nil, fmt.Errorf("list databases: %w", err)
	}
	kept := all[:0]
	for _, d := range all {
		if !managedDatabases[d.name] {
			kept = append(kept, d)
		}
	}
	return kept, nil
}

// connectable are the databases a move carries: those one can log in to.
func connectable(all []database) []database {
	var kept []database
	for _, d := range all {
		if d.connectable {
			kept = append(kept, d)
		}
	}
	return kept
}

func databaseNames(all []database) []string {
	names := make([]string, len(all))
	for i, d := range all {
		names[i] = d.name
	}
	return names
}

// emptyQuery is true in a database that holds nothing of a user's.
const emptyQuery = `select not exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace where ` + userSchemas + `
		and not exists (select from pg_depend x where x.classid = 'pg_class'::regclass and x.objid = c.oid and x.deptype = 'e'))
	and not exists (select from pg_proc c join pg_namespace n on n.oid = c.pronamespace where ` + userSchemas + `
		and not exists (select from pg_depend x where x.classid = 'pg_proc'::regclass and x.objid = c.oid and x.deptype = 'e'))
	and not exists (select from pg_type c join pg_namespace n on n.oid = c.typnamespace where ` + userSchemas + `
		and not exists (select from pg_depend x where x.classid = 'pg_type'::regclass and x.objid = c.oid and x.deptype = 'e'))
	and not exists (select from pg_namespace n where ` + userSchemas + ` and n.nspname <> 'public'
		and not exists (select from pg_depend x where x.classid = 'pg_namespace'::regclass and x.objid = n.oid and x.deptype = 'e'))
	and not exists (select from pg_largeobject_metadata)`

// isEmpty tells whether the database conn is on holds nothing of a user's.
func isEmpty(ctx context.Context, conn *pgx.Conn) (empty bool, err error) {
	if err := conn.QueryRow(ctx, emptyQuery).Scan(&empty); err != nil {
		return false, fmt.Errorf("look for objects: %w", err)
	}
	return empty, nil
}

// databaseExists asks for one database by name.
func databaseExists(ctx context.Context, conn *pgx.Conn, name string) (exists bool, err error) {
	err = conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&exists)
	if err != nil {
		return false, fmt.Errorf("look for database %q: %w", name, err)
	}
	return exists, nil
}

// createStatement makes the database with the same encoding and locale.
// template0 is the only template that allows another locale than its own.
func (d database) createStatement(owner string, version int) string {
	return fmt.Sprintf("create database %s owner %s template template0 encoding %s lc_collate %s lc_ctype %s connection limit %d",
		ident(d.name), ident(owner), literal(d.encoding), literal(d.collate), literal(d.ctype), d.connLimit) + d.localeOptions(version)
}

// localeOptions say the provider where there is a choice: what CREATE DATABASE
// does not say comes from the template, which initdb may have made with another.
// Source: PostgreSQL's documentation, CREATE DATABASE, of 15 (ICU), 16 (rules) and
// 17 (built in).
func (d database) localeOptions(version int) string {
	switch {
	case version < 150000:
		return ""
	case d.provider == providerICU && d.icuRules != "":
		return " locale_provider icu icu_locale " + literal(d.locale) + " icu_rules " + literal(d.icuRules)
	case d.provider == providerICU:
		return " locale_provider icu icu_locale " + literal(d.locale)
	case d.provider == providerBuiltin:
		return " locale_provider builtin builtin_locale " + literal(d.locale)
	}
	return " locale_provider libc"
}

// The locale providers besides libc, as pg_database has them.
const (
	providerICU     = "i"
	providerBuiltin = "b"
)
