package postgres

// inScratch is the condition for what was made in the scratch schema: of each
// kind that is asked for there is one.
const inScratch = "to_regnamespace(the.scratch)"

// The texts of columns, tables and domains. A default is set, a constraint is
// added to the clone: neither needs an index or a row. The constraint is not
// validated, because there is nothing to validate; the flag is a fact of its
// own. A domain is cloned with what it is made of.
var (
	readDefault = reading{
		table: "select d.adrelid from the join pg_attrdef d on d.oid = the.oid",
		make: `select case when a.attgenerated = '' then format('alter table %I.%I alter column %I set default (%s)', the.scratch, c.relname, a.attname, the.text)
				else format('alter table %1$I.%2$I drop column %3$I; alter table %1$I.%2$I add column %3$I %4$s%5$s generated always as (%6$s) %7$s', the.scratch, c.relname, a.attname,
					format_type(a.atttypid, a.atttypmod), ` + collated("a.attcollation") + `, the.text, case a.attgenerated when 's' then 'stored' else 'virtual' end) end
			from the join pg_attrdef d on d.oid = the.oid join pg_class c on c.oid = d.adrelid join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum`,
		print: "select pg_get_expr(d.adbin, d.adrelid) from the join pg_class c on c.relnamespace = " + inScratch + " join pg_attrdef d on d.adrelid = c.oid",
	}
	readCheck = reading{
		table: "select nullif(o.conrelid, 0) from the join pg_constraint o on o.oid = the.oid",
		make: `select case when o.contypid = 0 then format('alter table %I.%I add constraint %I check (%s) not valid', the.scratch, c.relname, o.conname, the.text)
				else format('create domain %I.%I as %s%s constraint %I check (%s)', the.scratch, t.typname, format_type(t.typbasetype, t.typtypmod), ` + collated("t.typcollation") + `, o.conname, the.text) end
			from the join pg_constraint o on o.oid = the.oid left join pg_class c on c.oid = o.conrelid left join pg_type t on t.oid = o.contypid`,
		print: "select pg_get_expr(o.conbin, o.conrelid) from the join pg_constraint o on o.connamespace = " + inScratch + " and o.contype = 'c'",
	}
	readDomainDefault = reading{
		make: `select format('create domain %I.%I as %s%s default (%s)', the.scratch, t.typname, format_type(t.typbasetype, t.typtypmod), ` + collated("t.typcollation") + `, the.text)
			from the join pg_type t on t.oid = the.oid`,
		print: "select pg_get_expr(t.typdefaultbin, 0) from the join pg_type t on t.typnamespace = " + inScratch + " and t.typtype = 'd'",
	}
	readPartitionKey = reading{
		make:  "select format('create table %I.%I (%s) partition by %s', the.scratch, c.relname, " + columnsOf("c.oid") + ", the.text) from the join pg_class c on c.oid = the.oid",
		print: "select pg_get_partkeydef(c.oid) from the join pg_class c on c.relnamespace = " + inScratch + " and c.relkind = 'p'",
	}
	// A bound says nothing without the parent's key, which is compared itself.
	readPartitionBound = reading{
		make: `select format('create table %1$I."parent of clone" (%2$s) partition by %3$s; create table %1$I.%4$I partition of %1$I."parent of clone" %5$s',
				the.scratch, ` + columnsOf("p.oid") + `, pg_get_partkeydef(p.oid), c.relname, the.text)
			from the join pg_class c on c.oid = the.oid join pg_inherits i on i.inhrelid = c.oid join pg_class p on p.oid = i.inhparent`,
		print: "select pg_get_expr(c.relpartbound, c.oid) from the join pg_class c on c.relnamespace = " + inScratch + " and c.relpartbound is not null",
	}
)

// indexColumn is the SQL for column k of index i as CREATE INDEX takes it, with
// the target's own collation and operator class: an expression may have no
// others to be indexed by, and they are facts of their own.
func indexColumn(text, k string) string {
	return "format('%s%s %s', " + text + ", " + collated("i.indcollation["+k+" - 1]") + `,
		(select format('%I.%I', qn.nspname, q.opcname) from pg_opclass q join pg_namespace qn on qn.oid = q.opcnamespace where q.oid = i.indclass[` + k + ` - 1]))`
}

// An index is printed piece by piece, because its printed whole names the
// table. Each piece is read in as part of an index by the same method: an
// expression of its own, a predicate beside the target's first column.
var (
	ofIndex             = "from the join pg_index i on i.indexrelid = the.oid join pg_class c on c.oid = i.indrelid join pg_class x on x.oid = i.indexrelid join pg_am m on m.oid = x.relam"
	readIndexExpression = reading{
		table: "select i.indrelid from the join pg_index i on i.indexrelid = the.oid",
		make:  "select format('create index %I on %I.%I using %I (%s)', x.relname, the.scratch, c.relname, m.amname, " + indexColumn("the.text", "the.n") + ") " + ofIndex,
		print: "select pg_get_indexdef(i.indexrelid, 1, false) from the join pg_class c on c.relnamespace = " + inScratch + " join pg_index i on i.indrelid = c.oid",
	}
	readPredicate = reading{
		table: readIndexExpression.table,
		make: "select format('create index %I on %I.%I using %I (%s) where %s', x.relname, the.scratch, c.relname, m.amname, " +
			indexColumn("pg_get_indexdef(i.indexrelid, 1, false)", "1") + ", the.text) " + ofIndex,
		print: "select pg_get_expr(i.indpred, i.indrelid) from the join pg_class c on c.relnamespace = " + inScratch + " join pg_index i on i.indrelid = c.oid",
	}
	// One expression alone makes statistics of its own kind, whatever else the
	// object holds.
	readStatistics = reading{
		table: "select o.stxrelid from the join pg_statistic_ext o on o.oid = the.oid",
		make: `select format('create statistics %1$I.%2$I on (%3$s) from %1$I.%4$I', the.scratch, o.stxname, the.text, c.relname)
			from the join pg_statistic_ext o on o.oid = the.oid join pg_class c on c.oid = o.stxrelid`,
		print: "select (pg_get_statisticsobjdef_expressions(o.oid))[1] from the join pg_statistic_ext o on o.stxnamespace = " + inScratch,
	}
)

// A view is read in as it stands. It reads the target's own tables and views,
// which are compared themselves.
var readView = reading{
	make: `select case c.relkind when 'm' then format('create materialized view %I.%I as %s with no data', the.scratch, c.relname, rtrim(the.text, ';'))
			else format('create view %I.%I as %s', the.scratch, c.relname, the.text) end
		from the join pg_class c on c.oid = the.oid`,
	print: "select pg_get_viewdef(c.oid) from the join pg_class c on c.relnamespace = " + inScratch + " and c.relkind in ('v', 'm')",
}

// Rules and the conditions of triggers know rows old and new, which no function
// prints by itself; so the whole statement is read in, table's name and all. See
// reading.relative: the pretty form names the table by itself when it is the
// first of that name on the path, and both paths make it that.
var (
	readRule = reading{
		table:    "select r.ev_class from the join pg_rewrite r on r.oid = the.oid",
		make:     "select the.text from the",
		print:    "select r.oid::text from the join pg_class c on c.relnamespace = " + inScratch + " join pg_rewrite r on r.ev_class = c.oid and r.rulename <> '_RETURN'",
		relative: "pg_catalog.pg_get_ruledef(the.oid, true)",
		schemas:  schemasOf("pg_rewrite r on r.oid = the.oid join pg_class c on c.oid = r.ev_class"),
	}
	readTrigger = reading{
		table:    "select t.tgrelid from the join pg_trigger t on t.oid = the.oid",
		make:     "select the.text from the",
		print:    "select t.oid::text from the join pg_class c on c.relnamespace = " + inScratch + " join pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal",
		relative: "pg_catalog.pg_get_triggerdef(the.oid, true)",
		schemas:  schemasOf("pg_trigger t on t.oid = the.oid join pg_class c on c.oid = t.tgrelid"),
	}
)

// A policy's two expressions are read in one by one: which commands it is for
// and whose it is are facts of their own. A publication's filter likewise.
var (
	readUsing  = readPolicy("using", "polqual")
	readWith   = readPolicy("with check", "polwithcheck")
	readFilter = reading{
		table: "select o.prrelid from the join pg_publication_rel o on o.oid = the.oid",
		make: `select format('create publication %1$I for table %1$I.%2$I where (%3$s)', the.scratch, c.relname, the.text)
			from the join pg_publication_rel o on o.oid = the.oid join pg_class c on c.oid = o.prrelid`,
		print: "select pg_get_expr(o.prqual, o.prrelid) from the join pg_class c on c.relnamespace = " + inScratch + " join pg_publication_rel o on o.prrelid = c.oid",
	}
)

func readPolicy(clause, column string) reading {
	return reading{
		table: "select o.polrelid from the join pg_policy o on o.oid = the.oid",
		make: `select format('create policy %I on %I.%I ` + clause + ` (%s)', o.polname, the.scratch, c.relname, the.text)
			from the join pg_policy o on o.oid = the.oid join pg_class c on c.oid = o.polrelid`,
		print: "select pg_get_expr(o." + column + ", o.polrelid) from the join pg_class c on c.relnamespace = " + inScratch + " join pg_policy o on o.polrelid = c.oid",
	}
}

// The default of an argument depends on that argument's type only. A body in
// standard SQL depends on names and types of all of them, which are facts of
// their own: the function gets those of the target.
var (
	readArgument = reading{
		make: `select format('create function %I.%I(%s default (%s)) returns void language sql as ''''', the.scratch, o.proname,
				format_type(coalesce(o.proallargtypes[the.n], o.proargtypes[the.n - 1]), null), the.text)
			from the join pg_proc o on o.oid = the.oid`,
		print: "select pg_get_function_arg_default(o.oid, 1) from the join pg_proc o on o.pronamespace = " + inScratch,
	}
	readBody = reading{
		make: `select format('create %s %I.%I(%s)%s language sql %s', case o.prokind when 'p' then 'procedure' else 'function' end, the.scratch, o.proname,
				pg_get_function_arguments(o.oid), ' returns ' || pg_get_function_result(o.oid), the.text)
			from the join pg_proc o on o.oid = the.oid`,
		print: "select pg_get_function_sqlbody(o.oid) from the join pg_proc o on o.pronamespace = " + inScratch,
	}
)
