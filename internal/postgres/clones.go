package postgres

// collated is the SQL for the collation of a column or type.
func collated(oid string) string {
	return `coalesce((select format(' collate %I.%I', cn.nspname, co.collname) from pg_collation co join pg_namespace cn on cn.oid = co.collnamespace where co.oid = ` + oid + `), '')`
}

// columnsOf is the SQL for the columns of a relation as CREATE TABLE takes them.
func columnsOf(oid string) string {
	return `(select string_agg(format('%I %s%s', a.attname, format_type(a.atttypid, a.atttypmod), ` + collated("a.attcollation") + `), ', ' order by a.attnum)
		from pg_attribute a where a.attrelid = ` + oid + ` and a.attnum > 0 and not a.attisdropped)`
}

// cloneOf makes an empty table, or a view, with the name and columns of the
// target's own. It is spelled from the catalog: LIKE asks for the right to read
// the table, and locks it.
func cloneOf(table string) string {
	return `select (select case when c.relkind = 'v' then format('create view %I.%I as select %s', the.scratch, c.relname,
		(select string_agg(format('null::%s%s as %I', format_type(a.atttypid, a.atttypmod), ` + collated("a.attcollation") + `, a.attname), ', ' order by a.attnum)
			from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped))
		else format('create table %I.%I (%s)', the.scratch, c.relname, ` + columnsOf("c.oid") + `) end
	from the join pg_class c on c.oid = (` + table + `))`
}

// functionsOf makes, beside each function that takes the table's rows, one that
// takes the clone's. It is found under the same name, and seen by nobody else. A
// setting of its own keeps its body from being looked at.
func functionsOf(table string) string {
	return `select string_agg(format('create function %I.%I(%s) returns %s%s language sql %s set search_path = pg_catalog as %L', fn.nspname, f.proname,
		(select string_agg(concat_ws(' ', case when f.provariadic <> 0 and k = f.pronargs then 'variadic' end, case when f.proargmodes is null then quote_ident(nullif(f.proargnames[k], '')) end,
			case when t = c.reltype then format('%I.%I', the.scratch, c.relname) else format_type(t, null) end), ', ' order by k) from unnest(f.proargtypes::oid[]) with ordinality u(t, k)),
		case when f.proretset then 'setof ' end, format_type(f.prorettype, null),
		case f.provolatile when 'i' then 'immutable' when 's' then 'stable' end, 'select null'), '; ')
	from the join pg_class c on c.oid = (` + table + `) join pg_proc f on f.prokind = 'f' and c.reltype = any(f.proargtypes::oid[]) join pg_namespace fn on fn.oid = f.pronamespace`
}
