package postgres

import (
	"regexp"
	"strings"
)

// fact is one thing a server says about one of its objects. Two databases are
// equal when they say the same facts, in the target's role names.
type fact struct {
	object, what, value string
	// of is the owner of what has privileges, the OID of what has a text that
	// the target can read in, else empty.
	of string
	// key is object and what as they are compared, see plainNames.
	key [2]string
}

// catalog is a named query for facts. All kinds of objects are compared by
// this one mechanism; to compare one more, add a query.
type catalog struct {
	kind string // in PostgreSQL's words, for people
	// query returns object, what, value and of, see fact, every role's name marked
	// (roleOf). common is the older of both servers' versions: a column that only
	// the newer one has cannot be compared. own is this server's.
	query func(common, own int) string
	// texts are the values that a server prints from an expression it keeps:
	// how the target reads them in, by what without a number behind it.
	texts map[string]reading
	// hide tells a value that must not be shown, by what.
	hide func(what string) bool
	// roles gives a fact in the target's role names; nil where no role stands.
	roles func(*fact, naming)
	// byRole tells that objects are named by roles, and so stand in another order
	// on the target. Such a catalog is held in memory.
	byRole bool
	// lists tells that the values are access lists.
	lists bool
}

// quotedPlain is a name in quotes that has none of the letters that need them.
const quotedPlain = `"([a-z_][a-z0-9_$]*)"`

// plainNames is the SQL for a text with names as every version prints them: a
// server quotes what is a keyword to it, and newer ones know more keywords (16
// knows json). Two names that differ stay different: no name without quotes is a
// keyword that the text means otherwise. A text with a quote in a name stays as
// it is.
func plainNames(text string) string {
	return "case when strpos(" + text + `, '""') > 0 then ` + text + " else regexp_replace(" + text + ", '" + quotedPlain + `', '\1', 'g') end`
}

var quotedName = regexp.MustCompile(quotedPlain)

// unquoted is the same in Go.
func unquoted(text string) string {
	if !strings.Contains(text, `"`) || strings.Contains(text, `""`) {
		return text
	}
	return quotedName.ReplaceAllString(text, "$1")
}

// nameFacts are the facts whose value is names and nothing that somebody wrote;
// the type of a foreign server is.
var nameFacts = map[string]bool{"type": true, "of type": true, "parents": true, "function": true, "result": true}

func catalogByName(name string) catalog {
	for _, c := range catalogs {
		if c.kind == name {
			return c
		}
	}
	panic("no catalog is named " + name)
}

// always makes a query that is the same for every version.
func always(sql string) func(int, int) string { return func(int, int) string { return sql } }

// facts builds the usual query: one row per object in from, taken apart into
// pairs of what and value.
func factsOf(object, pairs, from string) string { return textsOf(object, "''", pairs, from) }

// textsOf is factsOf for objects with texts: oid is the OID, as a number, of
// what the texts belong to.
func textsOf(object, oid, pairs, from string) string {
	return "select " + object + ", v.what, v.value, coalesce(" + oid + "::text, '') from " + from + " cross join lateral (values " + pairs + ") v(what, value)"
}

// schemaOwner is the owner of schema n. The schema public belongs to the
// server's own role, whatever its name and, from 15 on, to the role that
// stands for the database's owner.
const publicOwner = `n.nspname = 'public' and (n.nspowner = 10 or pg_get_userbyid(n.nspowner) = 'pg_database_owner')`

func schemaOwner() string {
	return "case when " + publicOwner + " then '" + serverRole + "' else " + roleOf("n.nspowner") + " end"
}
