package postgres

// relation is the condition and joins for relations c in schemas n that are
// the user's own. Of an extension's composite type only the type is a member.
func relation(kinds string) string {
	return "pg_class c join pg_namespace n on n.oid = c.relnamespace and " + userSchemas + " and c.relkind in (" + kinds + ") and " + notOfExtension("pg_class", "c.oid") + " and " + notOfExtension("pg_type", "c.reltype")
}

const qualified = "format('%I.%I', n.nspname, c.relname)"

// identity is an object's name as PostgreSQL itself spells it, arguments and
// all.
func identity(catalog, oid string) string {
	return "(pg_identify_object('" + catalog + "'::regclass, " + oid + ", 0)).identity"
}

// transformName is the identity of a transform as newer servers write it: 12
// says "for integer on language sql", where 18 has no on.
func transformName(identity string) string {
	return "replace(" + identity + ", ' on language ', ' language ')"
}

// catalogs are compared in this order, which goes from big to small so that
// the first difference named is the most telling one.
var catalogs = []catalog{
	{kind: "schema", roles: ownerRole, query: always(factsOf("quote_ident(n.nspname)", "('exists', 'yes'), ('owner', "+schemaOwner()+")",
		"(select * from pg_namespace n where "+userSchemas+" and "+notOfExtension("pg_namespace", "n.oid")+") n"))},
	{kind: "extension", query: always(factsOf("quote_ident(e.extname)", "('version', e.extversion), ('schema', quote_ident(n.nspname))",
		"(pg_extension e join pg_namespace n on n.oid = e.extnamespace and e.oid >= 16384)"))},
	{kind: "table", roles: ownerRole, query: always(tableFacts), texts: map[string]reading{"partition key": readPartitionKey, "partition bound": readPartitionBound}, hide: hideOption},
	{kind: "column", query: columnFacts, texts: map[string]reading{"default": readDefault}, hide: hideOption},
	{kind: "index", query: indexFacts, texts: map[string]reading{"expression": readIndexExpression, "predicate": readPredicate}},
	{kind: "constraint", query: constraintFacts, texts: map[string]reading{"check": readCheck}},
	{kind: "view", query: always(textsOf(qualified, "c.oid", "('definition', pg_get_viewdef(c.oid))", "("+relation("'v', 'm'")+")")), texts: map[string]reading{"definition": readView}},
	{kind: "trigger", query: always(triggerFacts), texts: map[string]reading{"definition": readTrigger}},
	{kind: "rule", query: always(textsOf("format('%I on %I.%I', r.rulename, n.nspname, c.relname)", "r.oid", "('definition', pg_get_ruledef(r.oid)), ('enabled', r.ev_enabled::text)",
		"("+relation("'r', 'p', 'v', 'm', 'f'")+" join pg_rewrite r on r.ev_class = c.oid and r.rulename <> '_RETURN')")), texts: map[string]reading{"definition": readRule}},
	{kind: "policy", roles: policyRoles, query: always(policyFacts), texts: map[string]reading{"using": readUsing, "with check": readWith}},
	{kind: "routine", roles: ownerRole, query: routineFacts, texts: map[string]reading{"default of argument": readArgument, "SQL body": readBody},
		hide: func(what string) bool { return what == "SQL body" }},
	{kind: "type", roles: ownerRole, query: typeFacts, texts: map[string]reading{"default": readDomainDefault}},
	{kind: "sequence", query: always(sequenceFacts)},
	{kind: "statistics object", roles: ownerRole, query: statisticsFacts, texts: map[string]reading{"expression": readStatistics}},
	{kind: "operator", roles: ownerRole, query: always(operatorFacts)},
	{kind: "operator class", roles: ownerRole, query: always(factsOf(identity("pg_opclass", "o.oid"), "('owner', "+roleOf("o.opcowner")+"), ('default', o.opcdefault::text), ('family', "+identity("pg_opfamily", "o.opcfamily")+"), ('type', format_type(o.opcintype, null)), ('storage', format_type(nullif(o.opckeytype, 0), null))",
		"(pg_opclass o join pg_namespace n on n.oid = o.opcnamespace and "+userSchemas+" and "+notOfExtension("pg_opclass", "o.oid")+")"))},
	{kind: "operator family", roles: ownerRole, query: always(familyFacts)},
	{kind: "cast", query: always(factsOf(identity("pg_cast", "o.oid"), "('function', coalesce(nullif(o.castfunc, 0)::regprocedure::text, '')), ('context', o.castcontext::text), ('method', o.castmethod::text)",
		"(select * from pg_cast o where o.oid >= 16384 and "+notOfExtension("pg_cast", "o.oid")+") o"))},
	{kind: "collation", roles: ownerRole, query: collationFacts},
	{kind: "conversion", roles: ownerRole, query: always(factsOf(identity("pg_conversion", "o.oid"), "('owner', "+roleOf("o.conowner")+"), ('function', o.conproc::regproc::text), ('encodings', concat_ws(' ', pg_encoding_to_char(o.conforencoding), pg_encoding_to_char(o.contoencoding))), ('default', o.condefault::text)",
		"(pg_conversion o join pg_namespace n on n.oid = o.connamespace and "+userSchemas+" and "+notOfExtension("pg_conversion", "o.oid")+")"))},
	{kind: "text search configuration", roles: ownerRole, query: always(searchFacts)},
	{kind: "text search dictionary", roles: ownerRole, query: always(factsOf(identity("pg_ts_dict", "o.oid"), "('owner', "+roleOf("o.dictowner")+"), ('template', "+identity("pg_ts_template", "o.dicttemplate")+"), ('options', o.dictinitoption)",
		"(pg_ts_dict o join pg_namespace n on n.oid = o.dictnamespace and "+userSchemas+" and "+notOfExtension("pg_ts_dict", "o.oid")+")"))},
	{kind: "text search parser", query: always(parserFacts)},
	{kind: "text search template", query: always(templateFacts)},
	{kind: "access method", query: always(methodFacts)},
	{kind: "language", roles: ownerRole, query: always(factsOf("quote_ident(o.lanname)", "('owner', "+roleOf("o.lanowner")+"), ('trusted', o.lanpltrusted::text), ('functions', concat_ws(' ', o.lanplcallfoid::regproc, o.laninline::regproc, o.lanvalidator::regproc))",
		"(select * from pg_language o where o.oid >= 16384 and "+notOfExtension("pg_language", "o.oid")+") o"))},
	{kind: "foreign data wrapper", roles: ownerRole, query: always(wrapperFacts), hide: hideOption},
	{kind: "foreign server", roles: ownerRole, query: always(serverFacts), hide: hideOption},
	{kind: "user mapping", roles: mappedRole, byRole: true, query: always(mappingFacts), hide: hideOption},
	{kind: "event trigger", roles: ownerRole, query: always(factsOf("quote_ident(o.evtname)", "('owner', "+roleOf("o.evtowner")+"), ('event', o.evtevent), ('function', o.evtfoid::regproc::text), ('enabled', o.evtenabled::text), ('tags', o.evttags::text)",
		"(select * from pg_event_trigger o where "+notOfExtension("pg_event_trigger", "o.oid")+") o"))},
	{kind: "publication", roles: ownerRole, query: publicationFacts},
	{kind: "published table", query: publishedFacts, texts: map[string]reading{"filter": readFilter}},
	{kind: "transform", query: always(factsOf(transformName(identity("pg_transform", "o.oid")), "('from', nullif(o.trffromsql, 0)::regprocedure::text), ('to', nullif(o.trftosql, 0)::regprocedure::text)",
		"(select * from pg_transform o where "+notOfExtension("pg_transform", "o.oid")+") o"))},
	{kind: "extension dependence", query: always("select o.type || ' ' || o.identity, 'extension ' || quote_ident(e.extname), 'yes', '' from pg_depend x join pg_extension e on e.oid = x.refobjid" +
		" cross join lateral pg_identify_object(x.classid, x.objid, x.objsubid) o where x.refclassid = 'pg_extension'::regclass and x.deptype = 'x'")},
	{kind: "large object", roles: ownerRole, query: always("select o.oid::text, 'owner', " + roleOf("o.lomowner") + ", '' from pg_largeobject_metadata o")},
	{kind: "privilege", lists: true, roles: listRoles, query: granted(privilegeFacts)},
	{kind: "column privilege", lists: true, roles: listRoles, query: granted(columnPrivilegeFacts)},
	{kind: "default privilege", lists: true, roles: defaultRoles, byRole: true, query: granted("select coalesce(quote_ident(n.nspname), 'all schemas'), a.defaclobjtype::text || ' by ' || " + roleOf("a.defaclrole") + ", " +
		accessList("a.defaclacl") + ", '' from pg_default_acl a left join pg_namespace n on n.oid = a.defaclnamespace")},
	{kind: "comment", query: always(commentFacts)},
	{kind: "security label", query: always("select o.type || ' ' || o.identity, l.provider, l.label, '' from pg_seclabel l cross join lateral pg_identify_object(l.classoid, l.objoid, l.objsubid) o where l.classoid <> 'pg_subscription'::regclass")},
}

var tableFacts = textsOf(qualified, "c.oid", `('kind', c.relkind::text), ('owner', `+roleOf("c.relowner")+`), ('persistence', c.relpersistence::text),
	('options', (select string_agg(o, ', ' order by o) from unnest(c.reloptions) o)),
	('toast options', (select string_agg(o, ', ' order by o) from pg_class t, unnest(t.reloptions) o where t.oid = c.reltoastrelid)),
	('replica identity', c.relreplident::text), ('row security', c.relrowsecurity::text), ('forced row security', c.relforcerowsecurity::text),
	('of type', case when c.reloftype <> 0 then format_type(c.reloftype, null) end),
	('access method', (select amname::text from pg_am where oid = c.relam)),
	('partition key', case when c.relkind = 'p' then pg_get_partkeydef(c.oid) end), ('partitioned by', `+partitionedBy+`), ('partition bound', pg_get_expr(c.relpartbound, c.oid)),
	('parents', (select string_agg(i.inhparent::regclass::text, ', ' order by i.inhseqno) from pg_inherits i where i.inhrelid = c.oid)),
	('populated', case when c.relkind = 'm' then c.relispopulated::text end),
	('foreign server', (select quote_ident(s.srvname) from pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver where f.ftrelid = c.oid))
	`+options("(select f.ftoptions from pg_foreign_table f where f.ftrelid = c.oid)"),
	"("+relation("'r', 'p', 'v', 'm', 'f', 'S', 'c'")+")")

// How long a view's column may be follows from its query, and newer servers know
// that of more expressions. Since 17 partitions share the identity of their
// table (release notes of 17, "Identity columns in partitioned tables"), where
// older servers say that their columns have none.
func columnFacts(common, own int) string {
	identity := "a.attidentity::text"
	if common < 170000 && own >= 170000 {
		identity = "case when c.relispartition then '' else a.attidentity::text end"
	}
	pairs := `('type', format_type(a.atttypid, case when c.relkind not in ('v', 'm') then a.atttypmod end)), ('not null', a.attnotnull::text), ('default', pg_get_expr(d.adbin, d.adrelid)),
		('generated', a.attgenerated::text), ('identity', ` + identity + `), ('storage', a.attstorage::text), ('position', a.position::text), ('inherited', concat_ws(' ', a.attinhcount, case when a.attislocal then 'local' end)),
		('collation', ` + collationOf("a.attcollation") + `),
		('statistics target', coalesce(nullif(a.attstattarget, -1)::text, '')), ('options', (select string_agg(o, ', ' order by o) from unnest(a.attoptions) o))`
	if common >= 140000 {
		pairs += ", ('compression', a.attcompression::text)"
	}
	pairs += options("a.attfdwoptions")
	return textsOf("format('%I.%I.%I', n.nspname, c.relname, a.attname)", "d.oid", pairs, "("+relation("'r', 'p', 'v', 'm', 'f', 'c'")+`
		join (select *, row_number() over (partition by attrelid order by attnum) as position from pg_attribute where attnum > 0 and not attisdropped) a
			on a.attrelid = c.oid
		left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum)`)
}

// The name of an index that PostgreSQL chose itself for a partition, or for
// an inherited constraint, is compared like any other. Of a column, printing
// hides the operator class that is the default and the collation that is the
// column's. Whether the index of a partitioned table is valid follows from those of
// its partitions.
func indexFacts(common, _ int) string {
	pairs := `('table', i.indrelid::regclass::text), ('method', (select quote_ident(amname) from pg_am where oid = c.relam)),
	('unique', i.indisunique::text), ('primary', i.indisprimary::text), ('exclusion', i.indisexclusion::text), ('immediate', i.indimmediate::text),
	('predicate', pg_get_expr(i.indpred, i.indrelid)), ('options', (select string_agg(o, ', ' order by o) from unnest(c.reloptions) o)),
	('valid', case when c.relkind = 'i' then (i.indisvalid and i.indisready)::text end), ('clustered', i.indisclustered::text), ('replica identity', i.indisreplident::text),
	('statistics targets', (select string_agg(a.attnum || '=' || a.attstattarget, ', ' order by a.attnum) from pg_attribute a where a.attrelid = c.oid and a.attstattarget >= 0)),
	('parent', (select inhparent::regclass::text from pg_inherits where inhrelid = c.oid))`
	if common >= 150000 {
		pairs += ", ('nulls not distinct', i.indnullsnotdistinct::text)"
	}
	pairs += `
	union all select case i.indkey[k - 1] when 0 then 'expression ' else 'column ' end || k, pg_get_indexdef(c.oid, k, false) from generate_series(1, i.indnatts) k
	union all select 'order of column ' || k, concat_ws(' ', ` + opclassOf("i.indclass[k - 1]") + `, ` + collationOf("i.indcollation[k - 1]") + `,
			case when i.indoption[k - 1] & 1 <> 0 then 'desc' end, case when i.indoption[k - 1] & 2 <> 0 then 'nulls first' end,
			(select string_agg(o, ', ' order by o) from pg_attribute a, unnest(a.attoptions) o where a.attrelid = c.oid and a.attnum = k))
		from generate_series(1, i.indnkeyatts) k`
	return textsOf(qualified, "c.oid", pairs,
		`(pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace and `+userSchemas+` and `+notOfExtension("pg_class", "i.indrelid")+`)`)
}

// Foreign keys that a partition inherits get their names from PostgreSQL,
// which numbers them as they come; they are compared by what they say. It makes
// one more for each partition that is referenced, and these say nothing that the
// key does not. The expressions of an exclusion are those of its index.
func constraintFacts(common, _ int) string {
	kinds, enforced := "'p', 'u', 'x', 'f', 'c'", ""
	if common >= 180000 { // from here on NOT NULL is a constraint with a name, and one may not be enforced
		kinds, enforced = kinds+", 'n'", ", ('enforced', o.conenforced::text)"
	}
	return `select case when o.conparentid <> 0 and o.contype = 'f' then o.conrelid::regclass::text
		else quote_ident(o.conname) || ' on ' || case when o.contypid <> 0 then format_type(o.contypid, null) else o.conrelid::regclass::text end end,
	case when o.conparentid <> 0 and o.contype = 'f' then 'inherited ' || pg_get_constraintdef(o.oid) else v.what end, v.value, o.oid::text
	from pg_constraint o join pg_namespace n on n.oid = o.connamespace and ` + userSchemas + `
	cross join lateral (values ('definition', case when o.contype in ('p', 'u', 'f', 'n') then pg_get_constraintdef(o.oid) end), ('check', pg_get_expr(o.conbin, o.conrelid)),
		('kind', o.contype::text), ('deferrable', concat_ws(' ', o.condeferrable, o.condeferred)), ('validated', o.convalidated::text),
		('columns', (select string_agg(quote_ident(a.attname), ', ' order by k) from unnest(o.conkey) with ordinality u(n, k)
			join pg_attribute a on a.attrelid = o.conrelid and a.attnum = u.n where o.contype <> 'c')),
		('operators', (select string_agg(u.n::regoperator::text, ', ' order by k) from unnest(o.conexclop || o.conpfeqop || o.conppeqop || o.conffeqop) with ordinality u(n, k))),
		('inherited', case when o.contype = 'c' then concat_ws(' ', o.coninhcount, case when o.conislocal then 'local' end, case when o.connoinherit then 'no inherit' end) end),
		('disabled triggers', (select count(*)::text from pg_trigger t where t.tgconstraint = o.oid and t.tgisinternal and t.tgenabled <> 'O' and o.contype = 'f'))` + enforced + `) v(what, value)
	where o.contype in (` + kinds + `) and not exists (select from pg_constraint y where y.oid = o.conparentid and y.conrelid = o.conrelid) and ` + notOfExtension("pg_class", "o.conrelid") + ` and ` + notOfExtension("pg_type", "o.contypid")
}

// Triggers that partitions got from their parent are compared too, as one of
// them may be disabled on its own; up to 14 they are marked internal. Those
// of other constraints count with their constraint.
var triggerFacts = textsOf("format('%I on %I.%I', t.tgname, n.nspname, c.relname)", "t.oid", "('definition', pg_get_triggerdef(t.oid)), ('enabled', t.tgenabled::text)",
	"("+relation("'r', 'p', 'v', 'f'")+" join pg_trigger t on t.tgrelid = c.oid and (not t.tgisinternal or t.tgconstraint = 0 or exists (select from pg_constraint o where o.oid = t.tgconstraint and o.contype = 't')))")

var policyFacts = textsOf("format('%I on %I.%I', p.polname, n.nspname, c.relname)", "p.oid", `('command', p.polcmd::text), ('permissive', p.polpermissive::text),
	('using', pg_get_expr(p.polqual, p.polrelid)), ('with check', pg_get_expr(p.polwithcheck, p.polrelid)),
	('roles', (select string_agg(y.name, ', ' order by y.name collate "C")
		from (select case r when 0 then 'public' else `+roleIdentifier("r")+` end as name from unnest(p.polroles) r) y))`,
	"("+relation("'r', 'p'")+" join pg_policy p on p.polrelid = c.oid)")

// A body is compared by its hash: it may hold what must not be shown.
// Arguments are named from the catalog: servers print their modes in other words.
func routineFacts(common, _ int) string {
	pairs := `('kind', o.prokind::text), ('owner', ` + roleOf("o.proowner") + `), ('language', l.lanname::text),
	('arguments', (select string_agg(concat_ws(' ', coalesce(o.proargmodes[k]::text, 'i'), quote_ident(nullif(o.proargnames[k], '')),
			format_type(coalesce(o.proallargtypes[k], o.proargtypes[k - 1]), null)), ', ' order by k)
		from generate_series(1, coalesce(array_length(o.proallargtypes, 1), o.pronargs)) k)),
	('result', case when o.proretset then 'set of ' else '' end || format_type(o.prorettype, null)), ('body', md5(concat(o.prosrc, chr(1), o.probin))),
	('volatility', o.provolatile::text), ('strict', o.proisstrict::text), ('security definer', o.prosecdef::text), ('leakproof', o.proleakproof::text),
	('parallel', o.proparallel::text), ('cost', o.procost::text), ('rows', o.prorows::text), ('settings', array_to_string(o.proconfig, ', ')),
	('transforms', (select string_agg(format_type(y, null), ', ' order by k) from unnest(o.protrftypes) with ordinality u(y, k))),
	('support', o.prosupport::regproc::text),
	('aggregate', (select concat_ws(' ', g.aggkind, g.aggnumdirectargs, g.aggtransfn, g.aggfinalfn, g.aggcombinefn, g.aggserialfn, g.aggdeserialfn, g.aggmtransfn,
		g.aggminvtransfn, g.aggmfinalfn, g.aggfinalextra, g.aggmfinalextra, g.aggfinalmodify, g.aggmfinalmodify, nullif(g.aggsortop, 0)::regoperator,
		format_type(g.aggtranstype, null), g.aggtransspace, format_type(nullif(g.aggmtranstype, 0), null), g.aggmtransspace, g.agginitval, g.aggminitval) from pg_aggregate g where g.aggfnoid = o.oid))`
	if common >= 140000 {
		pairs += ", ('SQL body', pg_get_function_sqlbody(o.oid))"
	}
	pairs += `
	union all select 'default of argument ' || k, pg_get_function_arg_default(o.oid, k) from generate_series(1, coalesce(array_length(o.proallargtypes, 1), o.pronargs)) k
		where pg_get_function_arg_default(o.oid, k) is not null`
	return textsOf(identity("pg_proc", "o.oid"), "o.oid", pairs,
		"(pg_proc o join pg_language l on l.oid = o.prolang join pg_namespace n on n.oid = o.pronamespace and "+userSchemas+" and "+notOfExtension("pg_proc", "o.oid")+")")
}

// ownType leaves out the types PostgreSQL makes itself: row types, arrays and
// multiranges.
const ownType = `t.typtype in ('b', 'c', 'd', 'e', 'r') and not exists (select from pg_type y where y.typarray = t.oid)
	and (t.typrelid = 0 or exists (select from pg_class y where y.oid = t.typrelid and y.relkind = 'c'))`

func typeFacts(common, _ int) string {
	pairs := `('kind', t.typtype::text), ('owner', ` + roleOf("t.typowner") + `),
	('labels', (select string_agg(quote_literal(e.enumlabel), ', ' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid)),
	('base', case when t.typtype = 'd' then format_type(t.typbasetype, t.typtypmod) end), ('not null', t.typnotnull::text), ('default', coalesce(pg_get_expr(t.typdefaultbin, 0), t.typdefault)),
	('collation', ` + collationOf("t.typcollation") + `),
	('range', (select concat_ws(' ', format_type(r.rngsubtype, null), ` + collationOf("r.rngcollation") + `,
		` + identity("pg_opclass", "r.rngsubopc") + `, r.rngcanonical, r.rngsubdiff) from pg_range r where r.rngtypid = t.oid)),
	('functions', case when t.typtype = 'b' then concat_ws(' ', t.typinput, t.typoutput, t.typreceive, t.typsend, t.typmodin, t.typmodout, t.typanalyze) end),
	('layout', case when t.typtype = 'b' then concat_ws(' ', t.typlen, t.typalign, t.typstorage, t.typbyval, format_type(nullif(t.typelem, 0), null)) end),
	('category', case when t.typtype = 'b' then concat_ws(' ', t.typcategory, t.typispreferred, t.typdelim) end)`
	if common >= 140000 {
		pairs += `, ('subscripts', case when t.typtype = 'b' then t.typsubscript::regproc::text end),
			('multirange', (select quote_ident(y.typname) from pg_range r join pg_type y on y.oid = r.rngmultitypid where r.rngtypid = t.oid))`
	}
	return textsOf("format('%I.%I', n.nspname, t.typname)", "t.oid", pairs, "(pg_type t join pg_namespace n on n.oid = t.typnamespace and "+userSchemas+" and "+notOfExtension("pg_type", "t.oid")+" and "+ownType+")")
}

var sequenceFacts = factsOf(qualified, `('type', format_type(s.seqtypid, null)), ('start', s.seqstart::text), ('increment', s.seqincrement::text),
	('minimum', s.seqmin::text), ('maximum', s.seqmax::text), ('cache', s.seqcache::text), ('cycle', s.seqcycle::text),
	('owned by', (select d.deptype::text || ' ' || d.refobjid::regclass || '.' || quote_ident(a.attname) from pg_depend d
		join pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
		where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')))`,
	"("+relation("'S'")+" join pg_sequence s on s.seqrelid = c.oid)")

func statisticsFacts(common, _ int) string {
	pairs := `('table', o.stxrelid::regclass::text), ('owner', ` + roleOf("o.stxowner") + `), ('kinds', (select string_agg(k::text, ' ' order by k::text) from unnest(o.stxkind) k)),
	('columns', (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a where a.attrelid = o.stxrelid and a.attnum = any(o.stxkeys::int2[])))`
	if common >= 130000 {
		pairs += ", ('target', coalesce(nullif(o.stxstattarget, -1)::text, ''))"
	}
	if common >= 140000 {
		pairs += " union all select 'expression ' || k, x from unnest(pg_get_statisticsobjdef_expressions(o.oid)) with ordinality u(x, k)"
	}
	return textsOf("format('%I.%I', n.nspname, o.stxname)", "o.oid", pairs, "(pg_statistic_ext o join pg_namespace n on n.oid = o.stxnamespace and "+userSchemas+")")
}

var operatorFacts = factsOf(identity("pg_operator", "o.oid"), `('owner', `+roleOf("o.oprowner")+`), ('function', o.oprcode::regprocedure::text),
	('restrict', o.oprrest::regproc::text), ('join', o.oprjoin::regproc::text), ('commutator', nullif(o.oprcom, 0)::regoperator::text),
	('negator', nullif(o.oprnegate, 0)::regoperator::text), ('merges', o.oprcanmerge::text), ('hashes', o.oprcanhash::text)`,
	"(pg_operator o join pg_namespace n on n.oid = o.oprnamespace and o.oprcode <> 0 and "+userSchemas+" and "+notOfExtension("pg_operator", "o.oid")+")")

var familyFacts = factsOf(identity("pg_opfamily", "o.oid"), `('owner', `+roleOf("o.opfowner")+`),
	('operators', (select string_agg(concat_ws(' ', x.amopstrategy, format_type(x.amoplefttype, null), format_type(x.amoprighttype, null), x.amopopr::regoperator, x.amoppurpose,
			case when x.amopsortfamily <> 0 then `+identity("pg_opfamily", "x.amopsortfamily")+` end), ', ' order by x.amopstrategy, x.amopopr::regoperator::text)
		from pg_amop x where x.amopfamily = o.oid)),
	('functions', (select string_agg(concat_ws(' ', x.amprocnum, format_type(x.amproclefttype, null), format_type(x.amprocrighttype, null), x.amproc::regprocedure), ', '
			order by x.amprocnum, x.amproc::regprocedure::text, format_type(x.amproclefttype, null), format_type(x.amprocrighttype, null))
		from pg_amproc x where x.amprocfamily = o.oid))`,
	"(pg_opfamily o join pg_namespace n on n.oid = o.opfnamespace and "+userSchemas+" and "+notOfExtension("pg_opfamily", "o.oid")+")")

var searchFacts = factsOf(identity("pg_ts_config", "o.oid"), `('owner', `+roleOf("o.cfgowner")+`), ('parser', `+identity("pg_ts_parser", "o.cfgparser")+`),
	('mappings', (select string_agg(concat_ws(' ', m.maptokentype, m.mapseqno, `+identity("pg_ts_dict", "m.mapdict")+`), ', ' order by m.maptokentype, m.mapseqno)
		from pg_ts_config_map m where m.mapcfg = o.oid))`,
	"(pg_ts_config o join pg_namespace n on n.oid = o.cfgnamespace and "+userSchemas+" and "+notOfExtension("pg_ts_config", "o.oid")+")")

// Comments on members of extensions, and on what initdb made, are not the
// user's; but the schema public is. No move carries a subscription, and its
// comment outlives it (DROP SUBSCRIPTION leaves the row), so that nothing may ask
// whose it is.
var commentFacts = `select o.type || ' ' || case o.type when 'transform' then ` + transformName("o.identity") + ` else o.identity end, 'comment', d.description, '' from pg_description d
	cross join lateral pg_identify_object(d.classoid, d.objoid, d.objsubid) o
	where (d.objoid >= 16384 or d.classoid = 'pg_namespace'::regclass and d.objoid = to_regnamespace('public')
			and d.description <> 'standard public schema') and d.classoid <> 'pg_subscription'::regclass
		and not exists (select from pg_depend x where x.classid = d.classoid and x.objid = d.objoid and x.deptype = 'e')`
