package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// matview is a materialized view.
type matview struct {
	oid       uint32
	object    string
	populated bool
}

// matviewsQuery lists the materialized views so that each follows those it reads
// from, through plain views too.
var matviewsQuery = `with recursive uses(viewer, used) as (
		select distinct r.ev_class, d.refobjid from pg_rewrite r join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
		where d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class and r.ev_type = '1'),
	depth(oid, n) as (
		select oid, 0 from pg_class where relkind in ('m', 'v')
		union select u.viewer, p.n + 1 from depth p join uses u on u.used = p.oid where p.n < 200)
	select c.oid, format('%I.%I', n.nspname, c.relname), c.relispopulated
	from pg_class c join pg_namespace n on n.oid = c.relnamespace join depth p on p.oid = c.oid
	where c.relkind = 'm' and ` + userSchemas + ` and ` + notOfExtension("pg_class", "c.oid") + `
	group by c.oid, n.nspname, c.relname, c.relispopulated order by max(p.n), c.oid`

func scanMatview(row pgx.CollectableRow) (v matview, err error) {
	return v, row.Scan(&v.oid, &v.object, &v.populated)
}

// refreshes are the tasks that fill the materialized views that were filled. A
// view may read another through a function, which no catalog says: then it fails
// until that one is filled.
func (d *databaseCopy) refreshes() []task {
	var tasks []task
	for _, v := range d.record.matviews {
		if !v.populated {
			continue
		}
		tasks = append(tasks, task{what: "refresh materialized view " + v.object, do: func(ctx context.Context) error {
			d.progress.Add(v.object, 0)
			return refresh(ctx, d.target, d.adapted.appPath(d.adapted.there(d.database.name)), v)
		}})
	}
	return tasks
}

// giveViews gives the materialized views to their owners. We may read
// everything, their owners need not.
func (d *databaseCopy) giveViews(ctx context.Context) error {
	for _, e := range d.entries {
		if e.desc != matviewDesc {
			continue
		}
		if err := e.give(ctx, d.target, d.adapted, d.admin); err != nil {
			return err
		}
	}
	return nil
}

// refresh fills one view. Row security that binds even us makes the first try
// fail instead of giving fewer rows; then the view is what we may see.
func refresh(ctx context.Context, conn *pgx.Conn, path string, v matview) error {
	err := execLeaning(ctx, conn, path, "refresh materialized view "+v.object, aboutRows)
	if codeOfError(err) != mover.CodePrivilege {
		return err
	}
	return execLeaning(ctx, conn, path, "set row_security = on; refresh materialized view "+v.object+"; set row_security = off", aboutRows)
}

// policy is one row security policy.
type policy struct {
	object, name, command string
	permissive            bool
	roles                 []string // PUBLIC is ""
	using, check          *string
}

var policiesQuery = `select format('%I.%I', n.nspname, c.relname), p.polname::text, p.polcmd::text, p.polpermissive,
		(select array_agg(case r when 0 then '' else pg_get_userbyid(r)::text end) from unnest(p.polroles) r),
		pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
	from pg_policy p join pg_class c on c.oid = p.polrelid join pg_namespace n on n.oid = c.relnamespace
	where ` + userSchemas + ` and ` + notOfExtension("pg_class", "c.oid") + ` order by p.oid`

func scanPolicy(row pgx.CollectableRow) (p policy, err error) {
	return p, row.Scan(&p.object, &p.name, &p.command, &p.permissive, &p.roles, &p.using, &p.check)
}

// statement makes the policy for the target's roles.
func (p policy) statement(n naming) string {
	commands := map[string]string{"*": "all", "r": "select", "a": "insert", "w": "update", "d": "delete"}
	kind := "restrictive"
	if p.permissive {
		kind = "permissive"
	}
	roles := make([]string, len(p.roles))
	for i, r := range p.roles {
		roles[i] = "public"
		if r != "" {
			roles[i] = ident(n.role(r))
		}
	}
	sql := fmt.Sprintf("create policy %s on %s as %s for %s to %s", ident(p.name), p.object, kind, commands[p.command], strings.Join(roles, ", "))
	if p.using != nil {
		sql += " using (" + *p.using + ")"
	}
	if p.check != nil {
		sql += " with check (" + *p.check + ")"
	}
	return sql
}
