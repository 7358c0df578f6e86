package postgres

import "strings"

// options is the SQL that adds options to the pairs of a catalog, one fact
// each: their order says nothing.
func options(array string) string {
	return " union all select '" + optionPrefix + "' || quote_ident(p.option_name), p.option_value from pg_options_to_table(" + array + ") p"
}

const optionPrefix = "option "

// plainOptions are the options whose values may be shown. Those of others may
// be a password, or whatever somebody's own wrapper calls it.
var plainOptions = map[string]bool{"host": true, "hostaddr": true, "port": true, "dbname": true, "fetch_size": true, "batch_size": true, "use_remote_estimate": true,
	"updatable": true, "async_capable": true, "extensions": true, "schema_name": true, "table_name": true, "column_name": true, "format": true, "filename": true}

// hideOption tells an option whose value must not be shown.
func hideOption(what string) bool {
	name, option := strings.CutPrefix(what, optionPrefix)
	return option && !plainOptions[name]
}

var wrapperFacts = factsOf("quote_ident(o.fdwname)", `('owner', `+roleOf("o.fdwowner")+`), ('handler', nullif(o.fdwhandler, 0)::regprocedure::text),
	('validator', nullif(o.fdwvalidator, 0)::regprocedure::text)`+options("o.fdwoptions"),
	"(select * from pg_foreign_data_wrapper o where "+notOfExtension("pg_foreign_data_wrapper", "o.oid")+") o")

var serverFacts = factsOf("quote_ident(o.srvname)", `('owner', `+roleOf("o.srvowner")+`), ('type', o.srvtype), ('version', o.srvversion),
	('wrapper', (select quote_ident(w.fdwname) from pg_foreign_data_wrapper w where w.oid = o.srvfdw))`+options("o.srvoptions"),
	"pg_foreign_server o")

// Whoever may not read the options of a mapping reads none.
var mappingFacts = factsOf("case o.umuser when 0 then 'public' else "+roleIdentifier("o.umuser")+" end || ' on ' || quote_ident(o.srvname)",
	"('exists', 'yes')"+options("o.umoptions"), "pg_user_mappings o")

// publishedFacts are the columns and filters of publications, from PostgreSQL
// 15 on. Which tables there are is a fact of the publication.
func publishedFacts(common, _ int) string {
	if common < 150000 {
		return "select '', '', '', '' where false"
	}
	return textsOf("format('%s in %I', o.prrelid::regclass, p.pubname)", "o.oid", `('filter', pg_get_expr(o.prqual, o.prrelid)),
		('columns', (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a where a.attrelid = o.prrelid and a.attnum = any(o.prattrs::int2[])))`,
		"(pg_publication_rel o join pg_publication p on p.oid = o.prpubid)")
}
