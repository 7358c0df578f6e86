package postgres

import "strings"

// superuserKind is a kind of object that the owner of a database may not make,
// whatever else it may do: only a superuser can. No version from 12 to 18 lifted
// any of these; TestOnlyASuperuserMayMake asks each server. What versions did
// lift is judged where it belongs: extensions (13, inspectExtensions), schema
// public (15, adaptPublic), settings (15, readServer).
type superuserKind struct {
	// query lists a database's objects of the kind, without those that CREATE
	// EXTENSION makes.
	query string
	// since is the server version that knows the kind, 0 for every one.
	since int
	// managed is the role of a managed service whose members can make it all the
	// same, by a hook that no catalog shows.
	managed string
}

// ownFunctions are functions o of users, in language l.
var ownFunctions = `pg_proc o join pg_language l on l.oid = o.prolang where o.oid >= 16384 and o.prokind <> 'a' and ` + notOfExtension("pg_proc", "o.oid")

// superuserKinds is the one table of them. Sources: the checks for superuser()
// in src/backend/commands of PostgreSQL 12 to 18, and the managed service's
// manual (Amazon RDS for PostgreSQL, event triggers).
var superuserKinds = []superuserKind{
	{query: `select 'event trigger ' || quote_ident(o.evtname) from pg_event_trigger o where ` + notOfExtension("pg_event_trigger", "o.oid"), managed: "rds_superuser"},
	{query: `select 'publication ' || quote_ident(pubname) || ' for all tables' from pg_publication where puballtables`},
	{query: `select distinct 'publication ' || quote_ident(p.pubname) || ' for tables in a schema' from pg_publication_namespace s join pg_publication p on p.oid = s.pnpubid`, since: 150000},
	{query: `select 'foreign data wrapper ' || quote_ident(o.fdwname) from pg_foreign_data_wrapper o where ` + notOfExtension("pg_foreign_data_wrapper", "o.oid")},
	{query: `select 'language ' || quote_ident(o.lanname) from pg_language o where o.oid >= 16384 and ` + notOfExtension("pg_language", "o.oid")},
	{query: `select 'function ' || o.oid::regprocedure || ' in language ' || quote_ident(l.lanname) from ` + ownFunctions + ` and not l.lanpltrusted`},
	{query: `select 'leakproof function ' || o.oid::regprocedure from ` + ownFunctions + ` and o.proleakproof and l.lanpltrusted`},
	{query: `select 'function ' || o.oid::regprocedure || ' with support function ' || o.prosupport from ` + ownFunctions + ` and o.prosupport <> 0 and l.lanpltrusted`},
	{query: `select 'aggregate ' || o.aggfnoid::regprocedure || ' with an internal state' from pg_aggregate o
		where o.aggfnoid::oid >= 16384 and 'internal'::regtype in (o.aggtranstype, o.aggmtranstype) and ` + notOfExtension("pg_proc", "o.aggfnoid::oid")},
	{query: `select 'base type ' || format_type(o.oid, null) from pg_type o where o.oid >= 16384 and o.typtype = 'b' and not exists (select from pg_type y where y.typarray = o.oid) and ` + notOfExtension("pg_type", "o.oid")},
	{query: `select 'shell type ' || format_type(o.oid, null) from pg_type o where o.oid >= 16384 and not o.typisdefined and ` + notOfExtension("pg_type", "o.oid")},
	{query: `select 'cast (' || format_type(o.castsource, null) || ' as ' || format_type(o.casttarget, null) || ')' from pg_cast o
		where o.oid >= 16384 and ` + notOfExtension("pg_cast", "o.oid") + ` and (o.castmethod = 'b' or not exists (
			select from pg_type y left join pg_type e on e.oid = y.typelem and y.typcategory = 'A' cross join lateral (select coalesce(e.oid, y.oid) as oid) own
			where y.oid in (o.castsource, o.casttarget) and own.oid >= 16384 and ` + notOfExtension("pg_type", "own.oid") + `))`},
	{query: `select 'operator class ' || quote_ident(n.nspname) || '.' || quote_ident(o.opcname) from pg_opclass o join pg_namespace n on n.oid = o.opcnamespace
		where o.oid >= 16384 and ` + notOfExtension("pg_opclass", "o.oid")},
	{query: `select 'operator family ' || quote_ident(n.nspname) || '.' || quote_ident(o.opfname) from pg_opfamily o join pg_namespace n on n.oid = o.opfnamespace
		where o.oid >= 16384 and ` + notOfExtension("pg_opfamily", "o.oid")},
	{query: `select 'access method ' || quote_ident(o.amname) from pg_am o where o.oid >= 16384 and ` + notOfExtension("pg_am", "o.oid")},
	{query: `select 'text search parser ' || quote_ident(n.nspname) || '.' || quote_ident(o.prsname) from pg_ts_parser o join pg_namespace n on n.oid = o.prsnamespace
		where o.oid >= 16384 and ` + notOfExtension("pg_ts_parser", "o.oid")},
	{query: `select 'text search template ' || quote_ident(n.nspname) || '.' || quote_ident(o.tmplname) from pg_ts_template o join pg_namespace n on n.oid = o.tmplnamespace
		where o.oid >= 16384 and ` + notOfExtension("pg_ts_template", "o.oid")},
	{query: `select 'transform for ' || format_type(o.trftype, null) || ' language ' || quote_ident(l.lanname) from pg_transform o join pg_language l on l.oid = o.trflang
		where o.oid >= 16384 and ` + notOfExtension("pg_transform", "o.oid")},
}

// superuserQuery lists what only a superuser can make, each with the managed
// service's role that can too.
func superuserQuery(version int) string {
	var parts []string
	for _, k := range superuserKinds {
		if version >= k.since {
			parts = append(parts, "select k.object, "+literal(k.managed)+" from ("+k.query+") k(object)")
		}
	}
	return strings.Join(parts, "\nunion all ")
}
