package postgres

// collationOf is the SQL for a collation's name, null where there is none.
func collationOf(oid string) string {
	return "(select format('%I.%I', y.nspname, x.collname) from pg_collation x join pg_namespace y on y.oid = x.collnamespace where x.oid = " + oid + ")"
}

// opclassOf is the SQL for the name of an operator class.
func opclassOf(oid string) string {
	return "(select format('%I.%I', y.nspname, x.opcname) from pg_opclass x join pg_namespace y on y.oid = x.opcnamespace where x.oid = " + oid + ")"
}

// partitionedBy spells what printing a partition key hides.
var partitionedBy = `(select concat_ws(' ', y.partstrat, (select string_agg(concat_ws(' ', ` + opclassOf("u.class") + `, ` + collationOf("u.coll") + `), ', ' order by u.k)
	from unnest(y.partclass::oid[], y.partcollation::oid[]) with ordinality u(class, coll, k))) from pg_partitioned_table y where y.partrelid = c.oid)`
