package postgres

import "strings"

// ownedObjects lists everything that has an owner and an access list, named
// as GRANT names it.
var ownedObjects = `
	select case c.relkind when 'S' then 'sequence ' else 'table ' end || format('%I.%I', n.nspname, c.relname) as object,
		c.relowner as owner, c.relacl as acl, case c.relkind when 'S' then 's' else 'r' end::"char" as kind
		from ` + relation("'r', 'p', 'v', 'm', 'f', 'S'") + `
	union all select 'routine ' || ` + identity("pg_proc", "o.oid") + `, o.proowner, o.proacl, 'f'
		from pg_proc o join pg_namespace n on n.oid = o.pronamespace and ` + userSchemas + ` and ` + notOfExtension("pg_proc", "o.oid") + `
	union all select 'type ' || format('%I.%I', n.nspname, t.typname), t.typowner, t.typacl, 'T'
		from pg_type t join pg_namespace n on n.oid = t.typnamespace and ` + userSchemas + ` and ` + notOfExtension("pg_type", "t.oid") + ` and ` + ownType + `
	union all select 'schema ' || quote_ident(n.nspname), n.nspowner, n.nspacl, 'n'
		from pg_namespace n where ` + userSchemas + ` and ` + notOfExtension("pg_namespace", "n.oid") + ` and not (` + publicOwner + `)
	union all select 'language ' || quote_ident(l.lanname), l.lanowner, l.lanacl, 'l' from pg_language l where l.oid >= 16384 and ` + notOfExtension("pg_language", "l.oid") + `
	union all select 'foreign data wrapper ' || quote_ident(w.fdwname), w.fdwowner, w.fdwacl, 'F' from pg_foreign_data_wrapper w where ` + notOfExtension("pg_foreign_data_wrapper", "w.oid") + `
	union all select 'foreign server ' || quote_ident(s.srvname), s.srvowner, s.srvacl, 'S' from pg_foreign_server s
	union all select 'large object ' || o.oid, o.lomowner, o.lomacl, 'L' from pg_largeobject_metadata o
	union all select 'database ' || quote_ident(b.datname), b.datdba, b.datacl, 'd' from pg_database b where b.datname = current_database()`

// privilegeFacts spells the default access list out, so that one that was
// granted by hand and says the same is the same. The schema public is apart:
// its owner is the server's own role, whose privileges say nothing.
var privilegeFacts = `select o.object, '', ` + accessList("coalesce(o.acl, acldefault(o.kind, o.owner))") + `, ` + roleOf("o.owner") + ` from (` + ownedObjects + `) o
	union all select 'schema public', '', ` + accessListOf(`(select coalesce(array_agg(a), '{}') from unnest(coalesce(n.nspacl, acldefault('n', n.nspowner))) a
		where not exists (select from aclexplode(array[a]) y where y.grantee = n.nspowner))`, "n.nspowner") + `, '` + serverRole + `'
		from pg_namespace n where ` + publicOwner

// columnPrivilegeFacts lists what was granted on single columns.
var columnPrivilegeFacts = `select 'table ' || ` + qualified + `, quote_ident(a.attname), ` + accessList("coalesce(a.attacl, '{}')") + `, ` + roleOf("c.relowner") + `
	from ` + relation("'r', 'p', 'v', 'm', 'f'") + ` join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
	where a.attacl is not null`

// granted makes a query of access lists, without the privilege that only the
// newer server knows: there every owner has it.
func granted(sql string) func(int, int) string {
	return func(common, _ int) string {
		known := "true"
		if common < 170000 {
			known = "x.privilege_type <> 'MAINTAIN'"
		}
		return strings.ReplaceAll(sql, "@known", known)
	}
}

// accessList is the SQL that spells an access list: its items in a fixed
// order, the same whatever the order they were granted in. A role stands there
// as an identifier, quoted by the server: whatever its name holds, naming.privileges
// finds its end. (A length would not do: two letters may be three in UTF-8.)
func accessList(acl string) string { return accessListOf(acl, "null::oid") }

// accessListOf is accessList with one role, the server's own, under a name
// that is the same everywhere. naming.privileges brings it into the target's names.
func accessListOf(acl, server string) string {
	name := func(oid string) string {
		return "case when " + oid + " = 0 then '' when " + oid + " = " + server + " then '" + serverRole + "' else " + roleIdentifier(oid) + " end"
	}
	return strings.ReplaceAll(`(select string_agg(concat(i.grantee, ' ', i.privilege, ' ', i.grantor, case when i.option then ' t;' else ' f;' end), ''
		order by i.grantee collate "C", i.grantor collate "C", i.privilege collate "C")
		from (select `+name("x.grantee")+` as grantee, x.privilege_type as privilege, `+name("x.grantor")+` as grantor, bool_or(x.is_grantable) as option
			from aclexplode(@acl) x where @known group by 1, 2, 3) i)`, "@acl", acl)
}
