package postgres

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// syncPrivileges brings every access list of the database in line with the
// source, in the target's role names. It compares first, so that the usual
// object, whose list is the default one on both sides, costs nothing.
//
// A grant is made as the role that made it on the source, which must reach
// the object: schemas come first, and owners are let into them until the
// rest is done.
func (d *databaseCopy) syncPrivileges(ctx context.Context) error {
	d.progress.Enter("privileges", d.database.name, 0)
	schemas := func(f *fact) bool { return strings.HasPrefix(f.object, "schema ") }
	others := func(f *fact) bool { return !schemas(f) }
	if err := d.syncCatalog(ctx, "privilege", schemas); err != nil {
		return err
	}
	if !d.adapted.targetSuperuser {
		if err := lendSchemas(ctx, d.target, d.entries, d.adapted, d.admin); err != nil {
			return err
		}
	}
	for _, name := range []string{"privilege", "column privilege"} {
		if err := d.syncCatalog(ctx, name, others); err != nil {
			return err
		}
	}
	if err := d.execAll(ctx, defaultStatements(d.record.defaults, d.adapted.naming())); err != nil {
		return err
	}
	if err := d.syncCatalog(ctx, "privilege", schemas); err != nil {
		return err
	}
	return d.syncMembers(ctx)
}

// syncCatalog brings the access lists that pick selects in line. What only
// the target has is the proof's business, but for columns: one that nothing
// was granted on is not in the catalog.
func (d *databaseCopy) syncCatalog(ctx context.Context, name string, pick func(*fact) bool) error {
	var statements []string
	_, err := d.compareCatalog(ctx, name, func(want, have *fact) error {
		columns := name == "column privilege"
		if f := cmp.Or(want, have); d.adapted.keptFact(d.database.name, f) {
			return nil
		}
		switch {
		case want == nil && !columns:
			return nil
		case want == nil:
			want = &fact{object: have.object, what: have.what, of: have.of}
		case have == nil && !columns:
			return fmt.Errorf("grant on %s: it is not on the target", want.object)
		case have == nil:
			have = &fact{}
		}
		if pick(want) {
			statements = append(statements, d.grants(*want, *have)...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return d.execAll(ctx, statements)
}

func (d *databaseCopy) execAll(ctx context.Context, statements []string) error {
	for _, sql := range statements {
		if _, err := d.target.Exec(ctx, sql); err != nil {
			return fail(targetSide, codeOfError(err), fmt.Errorf("set privileges (%s): %w", firstWords(sql), err))
		}
	}
	return nil
}

func (d *databaseCopy) compareCatalog(ctx context.Context, name string, differ func(want, have *fact) error) (int, error) {
	return compareFacts(ctx, catalogByName(name), d.record.facts, d.targetSide(d.target), d.adapted.naming(), differ)
}

// grants are the statements that turn one access list into another. All is
// taken away first, which cascades; then the owner's grants are made, then
// those of whoever got a grant option by them, and so on.
func (d *databaseCopy) grants(want, have fact) []string {
	column := ""
	if want.what != "" {
		column = " (" + want.what + ")"
	}
	var statements []string
	revoked := map[string]bool{}
	for _, p := range (naming{}).privileges(have.value) {
		if revoked[p.grantee] {
			continue
		}
		revoked[p.grantee] = true
		statements = append(statements, d.as(want.of, fmt.Sprintf("revoke all%s on %s from %s cascade", column, want.object, grantee(p.grantee)), want.of))
	}
	return append(statements, d.grantAll((naming{}).privileges(want.value), want.object, column, want.of)...)
}

// grantAll orders grants by who may make them.
func (d *databaseCopy) grantAll(wanted []privilege, object, column, owner string) []string {
	mayGrant := map[[2]string]bool{} // by role and privilege
	var statements []string
	for round := 0; len(wanted) > 0 && round < 100; round++ {
		var later []privilege
		for _, p := range wanted {
			if p.grantor != owner && !mayGrant[[2]string{p.grantor, p.name}] {
				later = append(later, p)
				continue
			}
			sql := fmt.Sprintf("grant %s%s on %s to %s", p.name, column, object, grantee(p.grantee))
			if p.option {
				mayGrant[[2]string{p.grantee, p.name}] = true
				if p.grantee != owner {
					sql += " with grant option"
				}
			}
			statements = append(statements, d.as(p.grantor, sql, owner))
		}
		wanted = later
	}
	return statements
}

// as runs a statement as the role that is to stand as grantor. A superuser
// acts as the owner by itself; anybody else who may act for several roles
// would have PostgreSQL choose one of them.
func (d *databaseCopy) as(role, sql, owner string) string {
	if role == d.admin || role == serverRole || d.adapted.targetSuperuser && role == owner {
		return sql
	}
	return "set role " + ident(role) + "; " + sql + "; reset role"
}

func grantee(name string) string {
	if name == "" {
		return "public"
	}
	return ident(name)
}

// firstWords says what a statement was about without all of it.
func firstWords(sql string) string {
	const most = 120
	if r := []rune(sql); len(r) > most {
		return string(r[:most]) + "…"
	}
	return sql
}

// defaultPrivileges is one of ALTER DEFAULT PRIVILEGES: what a role gives over
// PostgreSQL's own default. Its access list has its roles marked.
type defaultPrivileges struct{ role, schema, kind, acl string }

var defaultsQuery = `select pg_get_userbyid(a.defaclrole)::text, coalesce(n.nspname::text, ''), a.defaclobjtype::text,
		coalesce(` + strings.ReplaceAll(accessList("a.defaclacl"), "@known", "true") + `, '')
	from pg_default_acl a left join pg_namespace n on n.oid = a.defaclnamespace order by 1, 2, 3`

func scanDefaults(row pgx.CollectableRow) (p defaultPrivileges, err error) {
	return p, row.Scan(&p.role, &p.schema, &p.kind, &p.acl)
}

// defaultStatements make ALTER DEFAULT PRIVILEGES the same.
func defaultStatements(defaults []defaultPrivileges, n naming) (statements []string) {
	kinds := map[string]string{"r": "tables", "S": "sequences", "f": "functions", "T": "types", "n": "schemas"}
	for _, d := range defaults {
		role, kind := n.role(d.role), kinds[d.kind]
		head := "alter default privileges for role " + ident(role)
		if d.schema != "" {
			head += " in schema " + ident(d.schema)
		} else { // a global list replaces the built-in one, so take that away
			statements = append(statements, fmt.Sprintf("%s revoke all on %s from public", head, kind),
				fmt.Sprintf("%s revoke all on %s from %s", head, kind, ident(role)))
		}
		for _, p := range n.privileges(d.acl) {
			sql := fmt.Sprintf("%s grant %s on %s to %s", head, p.name, kind, grantee(p.grantee))
			if p.option && p.grantee != role {
				sql += " with grant option"
			}
			statements = append(statements, sql)
		}
	}
	return statements
}
