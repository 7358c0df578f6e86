package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
	"github.com/jackc/pgx/v5"
)

// memberFact is the access list of an object that CREATE EXTENSION or initdb
// made, its roles marked: what it is, and what it was made with. As pg_dump does,
// only the difference is carried: the newer server, or the newer script, knows best
// what its objects are made with.
type memberFact struct {
	object, column string // as GRANT names them
	extension      string // "" where the server itself made it
	owner          string // on its own side
	have, made     string
}

// memberList is a memberFact in the target's role names.
type memberList struct {
	object, column, extension, owner string
	have, made                       []privilege
}

// members gives lists in the target's role names.
func (n naming) members(facts []memberFact) []memberList {
	lists := make([]memberList, len(facts))
	for i, f := range facts {
		lists[i] = memberList{object: f.object, column: f.column, extension: f.extension, owner: f.owner,
			have: n.privileges(f.have), made: n.privileges(f.made)}
	}
	return lists
}

// The objects of extensions and of the server that can have an access list.
// What one was made with is told from pg_init_privs, as pg_dump does. Of the
// information schema, which pg_dump leaves out, initdb has no such record: it
// lets everybody read most of it, so that is taken for what it was made with.
var memberLists = `select m.object, m.part, coalesce(e.extname::text, ''), pg_get_userbyid(m.owner)::text, coalesce(` + memberAccess("m.acl") + `, ''), coalesce(` + memberAccess("m.was") + `, '')
	from (select y.classid, y.objid, y.object, y.part, y.owner, coalesce(y.acl, acldefault(y.kind, y.owner)) as acl, y.schema,
			coalesce(i.initprivs, acldefault(y.kind, y.owner) || case when y.schema = 'information_schema'::regnamespace and y.acl @> makeaclitem(0, y.owner, case y.kind when 'n' then 'USAGE' else 'SELECT' end, false)
				then array[makeaclitem(0, y.owner, case y.kind when 'n' then 'USAGE' else 'SELECT' end, false)] end) as was
		from (
			select 'pg_class'::regclass::oid as classid, c.oid as objid, 0 as sub, case c.relkind when 'S' then 'sequence ' else 'table ' end || c.oid::regclass as object, '' as part,
				c.relowner as owner, c.relacl as acl, case c.relkind when 'S' then 's' else 'r' end::"char" as kind, c.relnamespace as schema from pg_class c where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S')
			union all select 'pg_class'::regclass, c.oid, a.attnum, 'table ' || c.oid::regclass, quote_ident(a.attname), c.relowner, a.attacl, 'c', 0
				from pg_class c join pg_attribute a on a.attrelid = c.oid and not a.attisdropped left join pg_init_privs i on i.classoid = 'pg_class'::regclass and i.objoid = c.oid and i.objsubid = a.attnum
				where c.relkind in ('r', 'p', 'v', 'm', 'f') and (a.attacl is not null or i.objoid is not null)
			union all select 'pg_proc'::regclass, p.oid, 0, 'routine ' || p.oid::regprocedure, '', p.proowner, p.proacl, 'f', 0 from pg_proc p where p.proacl is not null or 'routine ' || p.oid::regprocedure = any($1)
			union all select 'pg_type'::regclass, t.oid, 0, 'type ' || t.oid::regtype, '', t.typowner, t.typacl, 'T', 0 from pg_type t where t.typacl is not null or 'type ' || t.oid::regtype = any($1)
			union all select 'pg_namespace'::regclass, n.oid, 0, 'schema ' || quote_ident(n.nspname), '', n.nspowner, n.nspacl, 'n', n.oid from pg_namespace n where n.nspname <> 'public' and n.nspname !~ '^pg_(temp|toast)'
			union all select 'pg_language'::regclass, l.oid, 0, 'language ' || quote_ident(l.lanname), '', l.lanowner, l.lanacl, 'l', 0 from pg_language l
			union all select 'pg_foreign_data_wrapper'::regclass, w.oid, 0, 'foreign data wrapper ' || quote_ident(w.fdwname), '', w.fdwowner, w.fdwacl, 'F', 0 from pg_foreign_data_wrapper w
		) y left join pg_init_privs i on i.classoid = y.classid and i.objoid = y.objid and i.objsubid = y.sub) m
	left join pg_depend d on d.classid = m.classid and d.objid = m.objid and d.deptype = 'e' and d.refclassid = 'pg_extension'::regclass
	left join pg_extension e on e.oid = d.refobjid
	where (e.oid is not null or m.objid < 16384)
	and (m.object = any($1) or exists ((select unnest(m.acl) except select unnest(m.was)) union all (select unnest(m.was) except select unnest(m.acl))))
	order by 1, 2`

func memberAccess(acl string) string {
	return strings.ReplaceAll(accessListOf(acl, "m.owner"), "@known", "true")
}

// readMembers reads the access lists of members that are not as they were made,
// and those of the objects that are named.
func (s side) readMembers(ctx context.Context, named []string) ([]memberFact, error) {
	rows, err := s.conn.Query(ctx, memberLists, named)
	if err != nil {
		return nil, fmt.Errorf("read privileges of extensions and the server: %w", err)
	}
	list, err := pgx.CollectRows(rows, scanMember)
	if err != nil {
		return nil, fmt.Errorf("read privileges of extensions and the server: %w", err)
	}
	return list, nil
}

func scanMember(row pgx.CollectableRow) (m memberFact, err error) {
	return m, row.Scan(&m.object, &m.column, &m.extension, &m.owner, &m.have, &m.made)
}

// granted and revoked are what somebody did to the list since it was made.
func (m memberList) granted() []privilege { return without(m.have, m.made) }
func (m memberList) revoked() []privilege { return without(m.made, m.have) }

func without(list, other []privilege) []privilege {
	return slices.DeleteFunc(slices.Clone(list), func(p privilege) bool { return slices.Contains(other, p) })
}

func (m memberList) title() string {
	if m.column != "" {
		return "column " + m.column + " of " + m.object
	}
	return m.object
}

// says tells in words what was done to the list.
func (m memberList) says() string {
	var words []string
	for _, side := range []struct {
		verb, to string
		list     []privilege
	}{{"granted", "to", m.granted()}, {"revoked", "from", m.revoked()}} {
		for _, p := range side.list {
			name := p.grantee
			switch name {
			case "":
				name = "public"
			case serverRole:
				name = "its owner"
			}
			words = append(words, fmt.Sprintf("%s %s %s %s", side.verb, p.name, side.to, name))
		}
	}
	return strings.Join(words, ", ")
}

// leftPrivileges lists what a target where our role is no superuser does not
// get. A managed service changes the privileges of its own objects itself.
func (s *server) leftPrivileges(ctx context.Context, conn *pgx.Conn, database string) ([]mover.Uncarried, error) {
	members, err := side{conn: conn, version: s.version}.readMembers(ctx, nil)
	if err != nil {
		return nil, err
	}
	var left []mover.Uncarried
	for _, m := range (naming{}).members(members) {
		of := "the server's own"
		if m.extension != "" {
			of = "extension " + m.extension
		}
		if m.extension != "" || s.superuser {
			left = append(left, mover.Uncarried{Kind: mover.UncarriedPrivilege, Database: database, Object: m.title() + " (" + of + ")", Detail: m.says(), Superuser: true})
		}
	}
	return left, nil
}

// leftMissing are the server's objects whose privileges somebody changed on the
// source and that the target's version does not have.
func (m *job) leftMissing(ctx context.Context, f *copyFacts) ([]mover.Uncarried, error) {
	changed := map[string]memberList{}
	var mu sync.Mutex
	err := m.source.each(ctx, databaseNames(f.source.databases), func(ctx context.Context, _ string, conn *pgx.Conn) error {
		list, err := side{conn: conn, version: m.source.version}.readMembers(ctx, nil)
		mu.Lock()
		defer mu.Unlock()
		for _, one := range (naming{}).members(list) {
			if one.extension == "" {
				changed[one.object] = one
			}
		}
		return err
	})
	if err != nil || len(changed) == 0 {
		return nil, err
	}
	names := sortedKeys(changed)
	var left []mover.Uncarried
	err = m.target.with(ctx, maintenance, func(conn *pgx.Conn) error {
		there, err := side{conn: conn, version: m.target.version}.readMembers(ctx, names)
		for _, one := range there {
			delete(changed, one.object)
		}
		return err
	})
	for _, name := range sortedKeys(changed) {
		left = append(left, mover.Uncarried{Kind: mover.UncarriedServer, Object: "privileges of " + name, Detail: changed[name].says() + "; the target has no such object"})
	}
	return left, err
}

// memberPending is an object whose list on the target is not the source's yet,
// with what is to be granted and revoked there.
type memberPending struct {
	want, have     memberList
	grant, revoke  []privilege
	missing, extra bool
}

// comparedMembers tells what of the source's changes the target does not have,
// and what was changed on the target only.
func comparedMembers(ctx context.Context, want []memberList, target side) ([]memberPending, error) {
	var names []string
	wanted := map[[2]string]memberList{}
	for _, m := range want {
		names = append(names, m.object)
		wanted[[2]string{m.object, m.column}] = m
	}
	facts, err := target.readMembers(ctx, names)
	if err != nil {
		return nil, classify(targetSide, err)
	}
	have := naming{}.members(facts)
	there := map[[2]string]memberList{}
	for _, m := range have {
		there[[2]string{m.object, m.column}] = m
	}
	var out []memberPending
	for _, m := range want {
		on, ok := there[[2]string{m.object, m.column}]
		if !ok && m.column != "" { // nothing was granted on the column yet
			on, ok = memberList{object: m.object, column: m.column, owner: there[[2]string{m.object, ""}].owner}, there[[2]string{m.object, ""}].owner != ""
		}
		p := memberPending{want: m, have: on, missing: !ok, grant: without(m.granted(), on.have)}
		for _, r := range m.revoked() {
			if slices.Contains(on.have, r) {
				p.revoke = append(p.revoke, r)
			}
		}
		if p.missing || len(p.grant) > 0 || len(p.revoke) > 0 {
			out = append(out, p)
		}
	}
	for _, on := range have {
		m, ok := wanted[[2]string{on.object, on.column}]
		if len(without(on.granted(), m.have)) > 0 || !ok && len(on.revoked()) > 0 {
			out = append(out, memberPending{want: memberList{object: on.object, column: on.column}, have: on, extra: true})
		}
	}
	return out, nil
}

// syncMembers makes on the target the changes that somebody made on the source
// to privileges of extensions' objects and of the server's own, as pg_dump does.
// Only a superuser may: such objects belong to the server's own role, and the
// plan names them where ours is none.
func (d *databaseCopy) syncMembers(ctx context.Context) error {
	if !d.adapted.targetSuperuser {
		return nil
	}
	pending, err := comparedMembers(ctx, d.adapted.naming().members(d.record.members), d.targetSide(d.target))
	if err != nil {
		return err
	}
	for _, p := range pending {
		if p.missing || p.extra {
			continue // the proof names it
		}
		column := ""
		if p.have.column != "" {
			column = " (" + p.have.column + ")"
		}
		var statements []string
		for _, r := range p.revoke {
			statements = append(statements, fmt.Sprintf("revoke %s%s on %s from %s cascade", r.name, column, p.have.object, grantee(named(r.grantee, p.have.owner))))
		}
		for i := range p.grant {
			p.grant[i].grantee, p.grant[i].grantor = named(p.grant[i].grantee, p.have.owner), named(p.grant[i].grantor, p.have.owner)
		}
		if err := d.execAll(ctx, append(statements, d.grantAll(p.grant, p.have.object, column, p.have.owner)...)); err != nil {
			return err
		}
	}
	return nil
}

// named gives the owner its own name back.
func named(role, owner string) string {
	if role == serverRole {
		return owner
	}
	return role
}

// compareMemberPrivileges compares what syncMembers makes. An object of the
// server's that the target's version does not have was named by leftMissing.
func (d *databaseProof) compareMemberPrivileges(ctx context.Context) error {
	if !d.facts.adapted.targetSuperuser {
		return nil
	}
	pending, err := comparedMembers(ctx, d.facts.adapted.naming().members(d.record.members), d.targetSide(d.targetConn))
	if err != nil {
		return err
	}
	for _, p := range pending {
		what := "differs"
		switch {
		case p.missing && p.want.extension == "":
			continue
		case p.missing:
			what = "is missing on the target"
		case p.extra:
			what = "is on the target only"
		}
		d.Differ(d.database, "privilege", p.want.title(), what, p.want.says(), p.have.says())
	}
	return nil
}
