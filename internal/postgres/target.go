package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// dropOurs drops what an earlier copy made, what the source took over from, and
// empty databases that stand in the way. mayOverwrite has looked at them before.
func (c *copyRun) dropOurs(ctx context.Context, facts *copyFacts) error {
	wanted := map[string]bool{}
	for _, d := range facts.source.databases {
		wanted[d.name] = true
	}
	replaces := c.replaceable(facts)
	for _, d := range facts.target.databases {
		if wanted[d.name] || facts.target.made["database "+d.name] || replaces && d.connectable {
			if err := c.target.dropDatabase(ctx, d.name); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropDatabase ends the sessions on a database and drops it. Sessions we have
// no right to end, a superuser's or an autovacuum worker's, are left to the
// server: DROP DATABASE ends autovacuum workers itself and waits some seconds
// for the others.
func (s *server) dropDatabase(ctx context.Context, name string) error {
	return s.with(ctx, maintenance, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `select pg_terminate_backend(a.pid) from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
			where a.datname = $1 and a.pid <> pg_backend_pid()
			and ($2 or not r.rolsuper and (pg_has_role(r.oid, 'usage') or pg_has_role('pg_signal_backend', 'usage')))`, name, s.superuser)
		if err != nil {
			return fmt.Errorf("end sessions on database %q: %w", name, err)
		}
		_, err = conn.Exec(ctx, "drop database if exists "+ident(name))
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "55006" { // object_in_use
			return fmt.Errorf("drop database %q: %w: %s", name, err, sessionsOn(ctx, conn, name))
		}
		if err != nil {
			return fmt.Errorf("drop database %q: %w", name, err)
		}
		return nil
	})
}

// sessionsOn names who is connected to a database, for an error that tells
// whom to ask.
func sessionsOn(ctx context.Context, conn *pgx.Conn, database string) string {
	var who string
	err := conn.QueryRow(ctx, `select coalesce(string_agg(format('role %s (pid %s, %s)', coalesce(usename, '?'), pid, coalesce(nullif(application_name, ''), 'no application name')), ', '), '')
		from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()`, database).Scan(&who)
	switch {
	case err != nil:
		return "who is connected could not be read: " + err.Error()
	case who == "":
		return "the sessions have ended meanwhile, run it again"
	}
	return "end these sessions on the target and run it again: " + who
}

// note records that we are about to make something, before we do: what a
// cut-off copy leaves is recognised by it.
func (c *copyRun) note(ctx context.Context, kind, name string) error {
	_, err := c.hold.conn.Exec(ctx, "insert into dr.made (kind, name) values ($1, $2) on conflict do nothing", c.adapted.noted(kind), name)
	if err != nil {
		return classify(targetSide, fmt.Errorf("record %s %q as ours: %w", kind, name, err))
	}
	return nil
}

// createDatabase makes one database.
func (c *copyRun) createDatabase(ctx context.Context, d database) error {
	d.name = c.adapted.there(d.name)
	if err := c.note(ctx, "database", d.name); err != nil {
		return err
	}
	return c.target.with(ctx, maintenance, func(conn *pgx.Conn) error {
		if err := c.hold.guard(ctx); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, d.createStatement(c.adapted.mapped(d.owner), c.target.version)); err != nil {
			return fmt.Errorf("create database %q: %w", d.name, err)
		}
		if err := c.adapted.close(ctx, conn, d.name); err != nil {
			return err
		}
		if d.comment == "" {
			return nil
		}
		if _, err := conn.Exec(ctx, "comment on database "+ident(d.name)+" is "+literal(d.comment)); err != nil {
			return fmt.Errorf("comment on database %q: %w", d.name, err)
		}
		return nil
	})
}

// makeRoles brings roles and memberships to what adapt computed.
func (c *copyRun) makeRoles(ctx context.Context, facts *copyFacts) error {
	exists := map[string]bool{}
	for _, r := range facts.target.globals.roles {
		exists[r.name] = true
	}
	c.progress.Enter("roles", "", 0)
	return c.target.with(ctx, maintenance, func(conn *pgx.Conn) error {
		if c.adapted.targetSuperuser { // password verifiers do not belong in a server's log
			if _, err := conn.Exec(ctx, "set log_statement = 'none'; set log_min_duration_statement = -1; set log_min_error_statement = 'panic'"); err != nil {
				return fmt.Errorf("keep passwords out of the server's log: %w", err)
			}
		}
		for _, r := range c.adapted.roles {
			if r.kept {
				continue
			}
			verb := "alter"
			if !exists[r.name] {
				verb = "create"
				if err := c.note(ctx, "role", r.name); err != nil {
					return err
				}
			}
			if r.name == c.admin { // adapt leaves it out; this would lock us out
				return failf(targetSide, mover.CodeFailed, "%s role %q: it is the role we log in with", verb, r.name)
			}
			options := r.options(c.adapted.targetSuperuser)
			if verb == "alter" && r.verifier == "" && facts.source.globals.verifiersKnown {
				options = append(options, "password null")
			}
			if err := makeRole(ctx, conn, verb, r, options); err != nil {
				return err
			}
		}
		return c.makeMembers(ctx, conn, facts)
	})
}

func makeRole(ctx context.Context, conn *pgx.Conn, verb string, r role, options []string) error {
	sql := verb + " role " + ident(r.name) + " with " + strings.Join(options, " ")
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("%s role %q: %w", verb, r.name, err)
	}
	comment := "null"
	if r.comment != "" {
		comment = literal(r.comment)
	}
	if r.comment == "" && verb == "create" {
		return nil
	}
	if _, err := conn.Exec(ctx, "comment on role "+ident(r.name)+" is "+comment); err != nil {
		return fmt.Errorf("comment on role %q: %w", r.name, err)
	}
	return nil
}

// options are the attributes of CREATE ROLE. The three that only a superuser
// may mention are left out when we are none; adapt has dropped them.
func (r role) options(superuser bool) []string {
	flag := func(on bool, name string) string {
		if on {
			return name
		}
		return "no" + name
	}
	options := []string{flag(r.inherit, "inherit"), flag(r.createRole, "createrole"), flag(r.createDB, "createdb"),
		flag(r.login, "login"), fmt.Sprintf("connection limit %d", r.connLimit)}
	if superuser {
		options = append(options, flag(r.super, "superuser"), flag(r.replication, "replication"), flag(r.bypassRLS, "bypassrls"))
	}
	if r.validUntil != "" {
		options = append(options, "valid until "+literal(r.validUntil))
	}
	if r.verifier != "" {
		options = append(options, "password "+literal(r.verifier))
	}
	return options
}

// applySettings sets what roles and databases have set. It comes last: a
// setting such as read-only must not meet the copy.
func (c *copyRun) applySettings(ctx context.Context) error {
	return c.target.with(ctx, maintenance, func(conn *pgx.Conn) error {
		have, err := readSettings(ctx, conn)
		if err != nil {
			return err
		}
		wanted := map[string]bool{}
		for _, s := range c.adapted.settings {
			wanted[s.key()] = true
			if _, err := conn.Exec(ctx, s.statement()); err != nil {
				return fmt.Errorf("set %s of %s: %w", s.name, s.subject(), err)
			}
		}
		carried := c.adapted.carriedRoles()
		for _, s := range have {
			if !carried[s.role] || wanted[s.key()] {
				continue
			}
			sql := strings.SplitN(s.statement(), " set ", 2)[0] + " reset " + settingName(s.name)
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("reset %s of %s: %w", s.name, s.subject(), err)
			}
		}
		return nil
	})
}
