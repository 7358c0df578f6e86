package postgres

import "strings"

// What only a superuser makes arrives on a target where our role is one.
var (
	parserFacts = factsOf(identity("pg_ts_parser", "o.oid"), "('functions', concat_ws(' ', o.prsstart, o.prstoken, o.prsend, o.prsheadline, o.prslextype))",
		"(pg_ts_parser o join pg_namespace n on n.oid = o.prsnamespace and "+userSchemas+" and "+notOfExtension("pg_ts_parser", "o.oid")+")")
	templateFacts = factsOf(identity("pg_ts_template", "o.oid"), "('functions', concat_ws(' ', o.tmplinit, o.tmpllexize))",
		"(pg_ts_template o join pg_namespace n on n.oid = o.tmplnamespace and "+userSchemas+" and "+notOfExtension("pg_ts_template", "o.oid")+")")
	methodFacts = factsOf("quote_ident(o.amname)", "('handler', o.amhandler::regproc::text), ('kind', o.amtype::text)",
		"(select * from pg_am o where o.oid >= 16384 and "+notOfExtension("pg_am", "o.oid")+") o")
)

// The view of a publication's tables says which there are, however they came
// in; that a whole schema is published, and so what is made there later, it does
// not say.
func publicationFacts(common, _ int) string {
	pairs := `('owner', ` + roleOf("o.pubowner") + `), ('all tables', o.puballtables::text), ('operations', concat_ws(' ', o.pubinsert, o.pubupdate, o.pubdelete, o.pubtruncate)),
		('tables', (select string_agg(format('%I.%I', t.schemaname, t.tablename), ', ' order by t.schemaname, t.tablename) from pg_publication_tables t where t.pubname = o.pubname))`
	if common >= 130000 {
		pairs += ", ('via root', o.pubviaroot::text)"
	}
	if common >= 150000 {
		pairs += `, ('schemas', (select string_agg(quote_ident(n.nspname), ', ' order by n.nspname) from pg_publication_namespace s join pg_namespace n on n.oid = s.pnnspid where s.pnpubid = o.oid))`
	}
	if common >= 180000 {
		pairs += ", ('generated columns', o.pubgencols::text)"
	}
	return factsOf("quote_ident(o.pubname)", pairs, "pg_publication o")
}

// From PostgreSQL 15 on an ICU collation's locale has a column of its own,
// which 17 gave another name.
func collationFacts(common, own int) string {
	locale := "concat_ws(' ', o.collcollate, o.collctype)"
	switch {
	case own >= 170000:
		locale = "concat_ws(' ', coalesce(o.collcollate, o.colllocale), coalesce(o.collctype, o.colllocale))"
	case own >= 150000:
		locale = "concat_ws(' ', coalesce(o.collcollate, o.colliculocale), coalesce(o.collctype, o.colliculocale))"
	}
	pairs := []string{"('owner', " + roleOf("o.collowner") + ")", "('provider', o.collprovider::text)", "('deterministic', o.collisdeterministic::text)",
		"('locale', " + locale + ")"}
	if common >= 160000 {
		pairs = append(pairs, "('rules', o.collicurules)")
	}
	return factsOf("format('%I.%I', n.nspname, o.collname)", strings.Join(pairs, ", "),
		"(pg_collation o join pg_namespace n on n.oid = o.collnamespace and "+userSchemas+" and "+notOfExtension("pg_collation", "o.oid")+")")
}
