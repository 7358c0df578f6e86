package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// roleRights is what the role we log in with may do with another role: make
// members of it, alter it, and act as it (own what is its, and use its rights).
type roleRights struct{ grant, alter, act bool }

// readRights reads our rights on every role. Up to PostgreSQL 15 CREATEROLE is
// enough for any role that is no superuser; from 16 on it takes the ADMIN
// OPTION, which whoever makes a role gets. (PostgreSQL 16, release notes:
// "Restrict the privileges of CREATEROLE".)
func (g *globals) readRights(ctx context.Context, conn *pgx.Conn) error {
	query := `select r.rolname::text, me.rolcreaterole and not r.rolsuper or pg_has_role(r.oid, 'member with admin option'),
		me.rolsuper or me.rolcreaterole and not r.rolsuper or me.oid = r.oid, pg_has_role(r.oid, 'member') and pg_has_role(r.oid, 'usage')`
	if g.version >= 160000 {
		query = `select r.rolname::text, pg_has_role(r.oid, 'member with admin option'),
			me.rolsuper or me.rolcreaterole and not r.rolsuper and pg_has_role(r.oid, 'member with admin option') or me.oid = r.oid, pg_has_role(r.oid, 'set') and pg_has_role(r.oid, 'usage')`
	}
	rows, err := conn.Query(ctx, query+" from pg_roles r join pg_roles me on me.rolname = current_user")
	if err != nil {
		return fmt.Errorf("read rights on roles: %w", err)
	}
	g.rights = map[string]roleRights{}
	var name string
	var r roleRights
	if _, err := pgx.ForEachRow(rows, []any{&name, &r.grant, &r.alter, &r.act}, func() error {
		g.rights[name] = r
		return nil
	}); err != nil {
		return fmt.Errorf("read rights on roles: %w", err)
	}
	return nil
}

// satisfied tells whether a membership is there as it has to be. Our own may have
// more than is wanted, but it must let us act as the role.
func (g globals) satisfied(m membership, to admin) bool {
	return slices.ContainsFunc(g.members, func(have membership) bool {
		same := have.role == m.role && have.member == m.member
		if m.member == to.name {
			return same && (have.admin || !m.admin) && g.rights[m.role].act
		}
		return same && have.admin == m.admin
	})
}

// statement grants the membership. Our own must let us act as the role, whatever
// our role inherits by default.
func (m membership) statement(to admin, version int) string {
	sql := "grant " + ident(m.role) + " to " + ident(m.member)
	switch {
	case m.member == to.name && !to.superuser && version >= 160000:
		sql += " with inherit true, set true"
		if m.admin {
			sql += ", admin true"
		}
	case m.admin:
		sql += " with admin option"
	}
	return sql
}

// adminOption is what lets our role pass on another.
func (g globals) adminOption(role string, to admin) string {
	if g.version < 160000 || g.superuser(role) {
		return "log in on the target as a superuser, or give the role another name on one side"
	}
	return fmt.Sprintf("as the target's superuser: grant %s to %s with admin option", ident(role), ident(to.name))
}

func (g globals) superuser(name string) bool {
	r, ok := g.role(name)
	return ok && r.super
}

// judgeMembers names the memberships that we may not grant and that are not
// there: in roles that somebody else made on the target, or the server's own.
func (a *adapted) judgeMembers(target globals, to admin) {
	for _, m := range a.members {
		rights, there := target.rights[m.role]
		if !there || rights.grant || target.satisfied(m, to) {
			continue
		}
		object := "membership of role " + m.member + " in role " + m.role
		if m.member == to.name {
			object = "what role " + m.role + " owns and may do"
		}
		a.blocked = append(a.blocked, mover.UnsupportedObject{Object: object,
			Reason: fmt.Sprintf("role %s is on the target already, and role %s may make nobody a member of it", m.role, to.name), Fix: target.adminOption(m.role, to)})
	}
}

// makeMembers grants the memberships that are wanted and revokes those that
// an earlier copy may have left among the carried roles.
func (c *copyRun) makeMembers(ctx context.Context, conn *pgx.Conn, facts *copyFacts) error {
	wanted := map[membership]bool{}
	target := facts.target.globals
	for _, m := range c.adapted.members {
		wanted[membership{role: m.role, member: m.member}] = true
		if target.satisfied(m, facts.target.admin) {
			continue // granting it again may be refused
		}
		if _, err := conn.Exec(ctx, m.statement(facts.target.admin, target.version)); err != nil {
			return fmt.Errorf("make %s a member of %s: %w", m.member, m.role, err)
		}
	}
	carried := c.adapted.carriedRoles()
	for _, m := range target.members {
		if !carried[m.member] || wanted[membership{role: m.role, member: m.member}] {
			continue
		}
		if _, err := conn.Exec(ctx, "revoke "+ident(m.role)+" from "+ident(m.member)); err != nil {
			return fmt.Errorf("end membership of %s in %s: %w", m.member, m.role, err)
		}
	}
	return nil
}
