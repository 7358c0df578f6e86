package postgres

import (
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"
)

// A rehearsal makes databases and roles on the target under names of our own.
// Nobody but the rehearsal itself sees them: every list of databases, roles,
// memberships and settings leaves them out by their names.

// rehearsalPrefix is what all names of all rehearsals begin with.
const rehearsalPrefix = "circleci_dr_rehearsal_"

// notRehearsed is the SQL for a name that no rehearsal gave, or the one whose
// names begin with mine, which is empty for none.
func notRehearsed(name, mine string) string {
	return fmt.Sprintf("(%s !~ '^%s' or %s::text <> '' and starts_with(%s::text, %s::text))", name, rehearsalPrefix, mine, name, mine)
}

// rehearsed is a as a rehearsal makes it: each database and each role of the
// source under a name of our own, no role able to log in, none with a password.
// The role we log in with and those that are renamed into it stay who they are,
// and so do PostgreSQL's own.
func (a adapted) rehearsed(prefix string, databases []string) adapted {
	r := a
	r.owners, r.databases = map[string]string{}, map[string]string{}
	for i, name := range databases {
		r.databases[name] = fmt.Sprintf("%sdb%04d", prefix, i+1)
	}
	roles := map[string]string{}
	r.roles, r.trials = nil, roles
	for i, role := range a.roles {
		name := fmt.Sprintf("%srole%04d", prefix, i+1)
		roles[role.name] = name
		role.name, role.login, role.verifier, role.kept = name, false, "", false
		r.roles = append(r.roles, role)
	}
	as := func(name string) string {
		if trial, ok := roles[name]; ok {
			return trial
		}
		return name
	}
	for from, to := range a.owners { // to may be a role of the source, too
		r.owners[from] = as(to)
	}
	maps.Copy(r.owners, roles)
	r.public = map[string]publicSchema{}
	for database, p := range a.public {
		p.owner, p.acl = as(p.owner), naming{to: roles}.accessList(p.acl)
		r.public[database] = p
	}
	r.members = nil
	for _, m := range a.members {
		m.role, m.member = as(m.role), as(m.member)
		if strings.HasPrefix(m.role+" "+m.member, prefix) || strings.HasPrefix(m.member, prefix) {
			r.members = append(r.members, m)
		}
	}
	r.settings = nil
	for _, s := range a.settings {
		_, ours := roles[s.role]
		if s.role != "" && !ours || s.role == "" && s.database == "" {
			continue // it would be a setting of somebody who works there
		}
		if s.role != "" {
			s.role = as(s.role)
		}
		if s.database != "" {
			s.database = r.there(s.database)
		}
		r.settings = append(r.settings, s)
	}
	return r
}

// rehearses tells a rehearsal from a copy.
func (a adapted) rehearses() bool { return a.databases != nil }

// there is the name of a database of the source on the target.
func (a adapted) there(database string) string {
	if name, ok := a.databases[database]; ok {
		return name
	}
	return database
}

// on is the name of a database of the source on either side.
func (a adapted) on(s *server, database string) string {
	if s.side == targetSide {
		return a.there(database)
	}
	return database
}

func (a adapted) allThere(databases []string) []string {
	names := make([]string, len(databases))
	for i, name := range databases {
		names[i] = a.there(name)
	}
	return names
}

// spoken gives the names of a rehearsal back as those that a copy makes.
func (a adapted) spoken() *strings.Replacer {
	var pairs []string
	for name, trial := range a.databases {
		pairs = append(pairs, trial, name)
	}
	for name, trial := range a.trials {
		pairs = append(pairs, trial, name)
	}
	return strings.NewReplacer(pairs...)
}

// noted is the kind under which something is recorded as ours.
func (a adapted) noted(kind string) string {
	if a.rehearses() {
		return kindRehearsed + kind
	}
	return kind
}

// close keeps everybody but us out of a database of a rehearsal.
func (a adapted) close(ctx context.Context, conn *pgx.Conn, database string) error {
	if !a.rehearses() {
		return nil
	}
	sql := "revoke all on database " + ident(database) + " from public"
	if !a.targetSuperuser {
		sql += "; grant all on database " + ident(database) + " to current_user"
	}
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("close database %q to others: %w", database, err)
	}
	return nil
}

// unrehearsedFact tells what a rehearsal cannot compare: rights on a database
// that is closed to others, and large objects where no rows are carried.
func unrehearsedFact(f *fact, rows bool) bool {
	return strings.HasPrefix(f.object, "database ") || !rows && strings.HasPrefix(f.object, "large object ")
}
