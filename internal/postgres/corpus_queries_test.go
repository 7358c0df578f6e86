package postgres

import (
	"regexp"
	"strings"
)

var ownPattern, ownerPattern = regexp.MustCompile(`\$own\((\w+), ([\w.]+)\)`), regexp.MustCompile(`\$owner\(([\w.]+)\)`)

// Each of these lists objects of some kinds with what tells them apart, as kind
// and name. They are written for this test and share nothing with the proof.
// Left out are what the server brings, members of extensions, what a newer server
// makes by itself (multiranges), and the constraints and triggers that partitions
// get from their parent, which releases mark in different ways. So are operators
// that are only mentioned, the identity of partitions' columns, which 17 and newer share with their table, what a list that says the default says, and the privilege
// MAINTAIN of 17 and newer.
var corpusQueries = []string{
	`select case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' when 'c' then 'composite type' when 'f' then 'foreign table' else 'index' end,
		$n || format(' %s %s %s %s %s %s', c.relkind, c.relpersistence, c.relrowsecurity, c.relforcerowsecurity, $owner(c.relowner), (select string_agg(o, ',' order by o) from unnest(c.reloptions) o)) from $class where c.relkind <> 't'`,
	`select 'partition', $n || ' of ' || i.inhparent::regclass || ' ' || i.inhseqno from $class join pg_inherits i on i.inhrelid = c.oid where c.relkind in ('r', 'p', 'f')`,
	`select 'column', $n || format(' %I %s %s %s %s %s', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, case when c.relispartition then '' else a.attidentity end, a.attgenerated, a.attislocal) from $class join pg_attribute a on a.attrelid = c.oid
		where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'c', 'f')`,
	`select 'column default', $n || ' ' || a.attname from $class join pg_attribute a on a.attrelid = c.oid where a.atthasdef and not a.attisdropped`,
	`select 'index partial', $n from $class join pg_index i on i.indexrelid = c.oid where i.indpred is not null`,
	`select 'index of expressions', $n || ' ' || array_length(i.indkey::int2[], 1) from $class join pg_index i on i.indexrelid = c.oid where i.indexprs is not null`,
	`select 'index kind', $n || format(' %s unique %s primary %s valid %s options %s columns %s', m.amname, i.indisunique, i.indisprimary, i.indisvalid, i.indoption, i.indnkeyatts)
		|| (select string_agg(o.opcname, ',' order by x.n) from unnest(i.indclass::oid[]) with ordinality x(o, n) join pg_opclass o on o.oid = x.o)
		|| (select string_agg(coalesce(l.collname, '-'), ',' order by x.n) from unnest(i.indcollation::oid[]) with ordinality x(o, n) left join pg_collation l on l.oid = x.o)
		from $class join pg_index i on i.indexrelid = c.oid join pg_am m on m.oid = c.relam`,
	`select 'constraint ' || case k.contype when 'c' then 'check' when 'f' then 'foreign key' when 'u' then 'unique' when 'p' then 'primary key' when 'x' then 'exclusion' else 'trigger' end,
		format('%I on %s %s: %s %s %s %s %s %s %s %s', k.conname, nullif(k.conrelid, 0)::regclass, nullif(k.contypid, 0)::regtype, k.condeferrable, k.condeferred, k.convalidated, nullif(k.confrelid, 0)::regclass, k.confupdtype, k.confdeltype, k.confmatchtype, case k.contype when 'c' then k.connoinherit end)
		from pg_constraint k where k.oid >= 16384 and k.conparentid = 0 and k.contype <> 'n' and $own(pg_class, k.conrelid) and $own(pg_type, k.contypid)`,
	`select 'trigger', g.tgname || ' on ' || $n || format(' %s %s %s', g.tgtype, g.tgenabled, encode(g.tgargs, 'hex')) from $class join pg_trigger g on g.tgrelid = c.oid where not g.tgisinternal and not c.relispartition`,
	`select 'rule', r.rulename || ' on ' || $n || format(' %s %s %s', r.ev_type, r.ev_enabled, r.is_instead) from $class join pg_rewrite r on r.ev_class = c.oid where r.rulename <> '_RETURN'`,
	`select 'policy', p.polname || ' on ' || $n || format(' %s %s %s %s %s', p.polcmd, p.polpermissive, p.polqual is null, p.polwithcheck is null, (select string_agg(case when o = 0 then 'public' else $owner(o) end, ',') from unnest(p.polroles) o))
		from $class join pg_policy p on p.polrelid = c.oid`,
	`select case p.prokind when 'p' then 'procedure' when 'a' then 'aggregate' else 'function' end, format('%I.%I(%s %s %s) %s %s %s %s %s %s %s', n.nspname, p.proname, p.proargnames, p.proargmodes,
		(select string_agg(format_type(y, null), ',' order by i) from unnest(coalesce(p.proallargtypes, p.proargtypes::oid[])) with ordinality x(y, i)), p.prorettype::regtype,
		p.provolatile, p.proisstrict, p.prosecdef, p.proparallel, md5(p.prosrc), $owner(p.proowner)) from pg_proc p join pg_namespace n on n.oid = p.pronamespace where p.oid >= 16384 and $own(pg_proc, p.oid) and not exists (select from pg_depend d
		where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'i')`,
	`select case y.typtype when 'd' then 'domain' when 'e' then 'enum' when 'r' then 'range' else 'base type' end, format('%I.%I %s %s %s %s', n.nspname, y.typname, y.typnotnull, format_type(nullif(y.typbasetype, 0), y.typtypmod), y.typdefault is null,
		(select string_agg(e.enumlabel, '|' order by e.enumsortorder) from pg_enum e where e.enumtypid = y.oid)) from pg_type y join pg_namespace n on n.oid = y.typnamespace
		where y.oid >= 16384 and y.typtype in ('d', 'e', 'r', 'b') and y.typcategory <> 'A' and $own(pg_type, y.oid)`,
	`select 'sequence at', format('%I.%I %s %s %s %s %s %s %s', schemaname, sequencename, last_value, start_value, min_value, max_value, increment_by, cycle, cache_size) from pg_sequences`,
	`select 'statistics object', format('%I.%I %s', n.nspname, x.stxname, x.stxkind) from pg_statistic_ext x join pg_namespace n on n.oid = x.stxnamespace`,
	`select 'default privilege', format('%s %s %s %s %s', $owner(d.defaclrole), d.defaclnamespace::regnamespace, d.defaclobjtype, case when a.grantee = 0 then 'public' else $owner(a.grantee) end, a.privilege_type)
		from pg_default_acl d cross join aclexplode(d.defaclacl) a`,
	`select 'privilege', $n || format(' %s %s %s', case when a.grantee = 0 then 'public' else $owner(a.grantee) end, a.privilege_type, a.is_grantable) from $class cross join aclexplode(coalesce(c.relacl, acldefault(case c.relkind when 'S' then 's'::"char" else 'r' end, c.relowner))) a
		where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and a.privilege_type <> 'MAINTAIN'`,
	`select 'column privilege', $n || format('.%I %s %s', b.attname, $owner(a.grantee), a.privilege_type) from $class join pg_attribute b on b.attrelid = c.oid cross join aclexplode(b.attacl) a where a.grantee <> 0`,
	`select 'comment', o.type || ' ' || replace(o.identity, ' on language ', ' language ') || ': ' || d.description from pg_description d cross join pg_identify_object(d.classoid, d.objoid, d.objsubid) o where d.objoid >= 16384 and d.classoid not in ('pg_extension'::regclass, 'pg_subscription'::regclass)
		and not exists (select from pg_depend e where e.classid = d.classoid and e.objid = d.objoid and e.deptype = 'e')`,
	`select 'other ' || o.type, replace(o.identity, ' on language ', ' language ') from (select 'pg_operator'::regclass, oid from pg_operator where oprcode <> 0 union all select 'pg_opclass'::regclass, oid from pg_opclass union all select 'pg_opfamily'::regclass, oid from pg_opfamily
		union all select 'pg_cast'::regclass, oid from pg_cast where casttarget not in (select oid from pg_type where typtype = 'm') union all select 'pg_collation'::regclass, oid from pg_collation union all select 'pg_conversion'::regclass, oid from pg_conversion
		union all select 'pg_ts_config'::regclass, oid from pg_ts_config union all select 'pg_ts_dict'::regclass, oid from pg_ts_dict union all select 'pg_ts_parser'::regclass, oid from pg_ts_parser
		union all select 'pg_ts_template'::regclass, oid from pg_ts_template union all select 'pg_am'::regclass, oid from pg_am union all select 'pg_language'::regclass, oid from pg_language
		union all select 'pg_foreign_data_wrapper'::regclass, oid from pg_foreign_data_wrapper union all select 'pg_foreign_server'::regclass, oid from pg_foreign_server
		union all select 'pg_event_trigger'::regclass, oid from pg_event_trigger union all select 'pg_publication'::regclass, oid from pg_publication union all select 'pg_transform'::regclass, oid from pg_transform
		union all select 'pg_namespace'::regclass, oid from pg_namespace where nspname !~ '^pg_' union all select 'pg_extension'::regclass, oid from pg_extension) s(c, i) cross join pg_identify_object(s.c, s.i, 0) o
		where s.i >= 16384 and not exists (select from pg_depend e where e.classid = s.c and e.objid = s.i and e.deptype = 'e')`,
	`select 'large object', format('%s %s', m.oid, $owner(m.lomowner)) from pg_largeobject_metadata m`,
	`select 'event trigger', format('%s %s %s %s', evtname, evtevent, evtenabled, evttags) from pg_event_trigger`,
}

// corpusSQL is all of it as one text, whose lines end in the control character
// that no name holds. The source's superuser is the target's administrator.
func corpusSQL(admin string) string {
	all := `select coalesce(string_agg(x, e'\n' order by x), '') from (select k || e'\t' || o || e'\x1e' from (` + strings.Join(corpusQueries, "\nunion all ") + `) s(k, o)) t(x)`
	all = strings.ReplaceAll(all, "$class", "pg_class c join pg_namespace n on n.oid = c.relnamespace and c.oid >= 16384 and n.nspname !~ '^(pg_|information_schema)' and $own(pg_class, c.oid)")
	// Which names are keywords, and quoted, each version sees in its own way; how 18 names
	// a transform as well.
	all = strings.ReplaceAll(all, "%I", `"%s"`)
	all = strings.ReplaceAll(all, "$n ", "format('%I.%I', n.nspname, c.relname) ")
	all = ownPattern.ReplaceAllString(all, "not exists (select from pg_depend e where e.classid = '${1}'::regclass and e.objid = ${2} and e.deptype = 'e')")
	return ownerPattern.ReplaceAllString(all, "replace(pg_get_userbyid($1), 'postgres', '"+admin+"')")
}

// contentsSQL tells of each table how many rows it has, and which: of a
// partitioned one over all, and of its partitions each, unless the hash of an
// enum's number chose them. A materialized view is filled anew, so that it only
// tells that it is.
const contentsSQL = `select coalesce(string_agg(format(e'rows\t%I.%I %s\x1e', n.nspname, c.relname, case c.relkind when 'm' then c.relispopulated::text else
	query_to_xml(format('select count(*), sum(hashtext(t::text)::bigint) from ' || case c.relkind when 'r' then 'only ' else '' end || '%I.%I t', n.nspname, c.relname), true, true, '')::text end), e'\n'), '')
	from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_inherits i on i.inhrelid = c.oid and c.relispartition left join pg_partitioned_table p on p.partrelid = i.inhparent
	where c.oid >= 16384 and c.relkind in ('r', 'p', 'm') and p.partstrat is distinct from 'h' and n.nspname !~ '^pg_'`
