package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// role is one role with everything CREATE ROLE can say about it.
type role struct {
	name                                                                string
	super, inherit, createRole, createDB, login, replication, bypassRLS bool
	connLimit                                                           int
	validUntil, verifier, comment                                       string
	// kept tells a role that the target has of its own: it stays as it is there.
	kept bool
	// spelled is the name as the server writes it as an identifier.
	spelled string
}

// membership is a role's membership in another.
type membership struct {
	role, member string
	admin        bool
}

// setting is a configuration setting of a role, a database, or both; of all
// roles in all databases when both names are empty.
type setting struct{ database, role, name, value string }

// globals is what a server holds beside its databases.
type globals struct {
	roles    []role
	members  []membership
	settings []setting
	// verifiersKnown tells that password verifiers could be read.
	verifiersKnown bool
	// bootstrap is the role that initdb made, which owns what is built in.
	bootstrap string
	// foreign are the roles no copy of ours made.
	foreign map[string]bool
	// home tells that the data have lived on this server: its roles are theirs.
	home bool
	// superOnly are the settings the server knows: true where our role may not
	// set it. atStart are those that only a session's start can set.
	superOnly, atStart map[string]bool
	// refused are settings of the other side that the server does not take, with
	// its words; askSettings finds them.
	refused map[settingValue]string
	// rights are what our role may do with each role, PostgreSQL's own too.
	rights  map[string]roleRights
	version int
}

// readGlobals reads roles, memberships and settings. PostgreSQL's own pg_
// roles are left out, memberships in them are not; and so are those of
// rehearsals but the one named.
func readGlobals(ctx context.Context, conn *pgx.Conn, superuser bool, version int, rehearsal string) (globals, error) {
	g := globals{verifiersKnown: superuser, version: version}
	from, verifier := "pg_roles", "''"
	if superuser {
		from, verifier = "pg_authid", "coalesce(r.rolpassword, '')"
	}
	rows, err := conn.Query(ctx, `select r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin,
		r.rolreplication, r.rolbypassrls, r.rolconnlimit, coalesce(r.rolvaliduntil::text, ''), `+verifier+`,
		coalesce(shobj_description(r.oid, 'pg_authid'), ''), quote_ident(r.rolname)
		from `+from+` r where r.rolname !~ '^pg_' and `+notRehearsed("r.rolname", "$1")+` order by r.rolname collate "C"`, rehearsal)
	if err != nil {
		return g, fmt.Errorf("read roles: %w", err)
	}
	g.roles, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r role, err error) {
		err = row.Scan(&r.name, &r.super, &r.inherit, &r.createRole, &r.createDB, &r.login, &r.replication, &r.bypassRLS,
			&r.connLimit, &r.validUntil, &r.verifier, &r.comment, &r.spelled)
		return r, err
	})
	if err != nil {
		return g, fmt.Errorf("read roles: %w", err)
	}
	rows, err = conn.Query(ctx, `select pg_get_userbyid(roleid)::text, pg_get_userbyid(member)::text, bool_or(admin_option)
		from pg_auth_members where pg_get_userbyid(member) !~ '^pg_' and `+notRehearsed("pg_get_userbyid(member)", "$1")+` and `+notRehearsed("pg_get_userbyid(roleid)", "$1")+`
		group by 1, 2 order by 1, 2`, rehearsal)
	if err != nil {
		return g, fmt.Errorf("read memberships: %w", err)
	}
	g.members, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (m membership, err error) {
		return m, row.Scan(&m.role, &m.member, &m.admin)
	})
	if err != nil {
		return g, fmt.Errorf("read memberships: %w", err)
	}
	if g.settings, err = readSettingsWith(ctx, conn, rehearsal); err != nil {
		return g, err
	}
	return g, g.readServer(ctx, conn)
}

func (g *globals) readServer(ctx context.Context, conn *pgx.Conn) error {
	if err := conn.QueryRow(ctx, "select rolname::text from pg_roles where oid = 10").Scan(&g.bootstrap); err != nil {
		return fmt.Errorf("read bootstrap role: %w", err)
	}
	if err := g.readRights(ctx, conn); err != nil {
		return err
	}
	return g.readSettable(ctx, conn, g.version)
}

// readSettings reads pg_db_role_setting, but what a rehearsal set.
func readSettings(ctx context.Context, conn *pgx.Conn) ([]setting, error) {
	return readSettingsWith(ctx, conn, "")
}

// readSettingsWith is readSettings with those of one rehearsal.
func readSettingsWith(ctx context.Context, conn *pgx.Conn, rehearsal string) ([]setting, error) {
	rows, err := conn.Query(ctx, `select coalesce(d.datname::text, ''), coalesce(r.rolname::text, ''), c
		from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase left join pg_roles r on r.oid = s.setrole,
		unnest(s.setconfig) c where (s.setdatabase = 0 or d.oid is not null and `+notRehearsed("d.datname", "$1")+`)
		and (s.setrole = 0 or r.oid is not null and `+notRehearsed("r.rolname", "$1")+`) order by 1, 2, 3`, rehearsal)
	if err != nil {
		return nil, fmt.Errorf("read role and database settings: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s setting, err error) {
		var kv string
		if err := row.Scan(&s.database, &s.role, &kv); err != nil {
			return s, fmt.Errorf("read role and database settings: %w", err)
		}
		s.name, s.value, _ = strings.Cut(kv, "=")
		return s, nil
	})
}

// statement is the ALTER that makes a setting. A list-valued one is stored as
// quoted names and must not be quoted as a whole, the same rule pg_dump has.
func (s setting) statement() string {
	subject := "role all"
	switch {
	case s.role != "" && s.database != "":
		subject = "role " + ident(s.role) + " in database " + ident(s.database)
	case s.role != "":
		subject = "role " + ident(s.role)
	case s.database != "":
		subject = "database " + ident(s.database)
	}
	value := literal(s.value)
	if listSettings[strings.ToLower(s.name)] {
		value = listValue(s.value)
	}
	return "alter " + subject + " set " + settingName(s.name) + " to " + value
}

// listValue spells the names of a stored list as literals: an empty one is
// stored as "", and no statement takes that back.
func listValue(stored string) string {
	if stored == "" {
		return "''"
	}
	var names []string
	var name strings.Builder
	quoted := false
	for i := 0; i < len(stored); i++ {
		switch c := stored[i]; {
		case c == '"' && quoted && strings.HasPrefix(stored[i+1:], `"`):
			name.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			names = append(names, literal(name.String()))
			name.Reset()
		case c != ' ' || quoted:
			name.WriteByte(c)
		}
	}
	return strings.Join(append(names, literal(name.String())), ", ")
}

// listSettings are the settings whose stored value is a list of quoted names.
var listSettings = map[string]bool{
	"local_preload_libraries": true, "search_path": true, "session_preload_libraries": true, "shared_preload_libraries": true,
	"temp_tablespaces": true, "unix_socket_directories": true,
}

// settingName quotes a name such as app.tenant part by part.
func settingName(name string) string {
	return ident(strings.Split(name, ".")...)
}
