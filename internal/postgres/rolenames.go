package postgres

import (
	"slices"
	"strings"
)

// A server says its roles by its own names, and the target may have others for
// them (adapted.owners). Queries only mark where a role's name stands; it is
// changed here, once the facts are read: whoever has recorded them can give them to
// any target, and no server has to be asked again.

// roleMark stands in front of a role's name in what queries give. What else can
// stand there ("public", serverRole) has none. Where the name ends follows from the
// place: with the value, or with the identifier.
const roleMark = "\x01"

// serverRole stands for the owner of the schema public, whatever its name. No role
// can be called so: names that begin with pg_ are the server's own
// (https://www.postgresql.org/docs/current/sql-createrole.html, 42939 reserved_name).
const serverRole = "pg_(server)"

// roleOf is the SQL for a role's name, marked.
func roleOf(oid string) string { return "(chr(1) || pg_get_userbyid(" + oid + ")::text)" }

// roleIdentifier is the SQL for a role's name as an identifier, marked.
func roleIdentifier(oid string) string {
	return "(chr(1) || quote_ident(pg_get_userbyid(" + oid + ")::text))"
}

// naming is how roles are called on the target. Its zero value calls each by its
// own name, which is right for the target's own facts.
type naming struct {
	to map[string]string
	// spelled is how the target's server writes a role's name as an identifier,
	// where that is not as shownName does: it knows its keywords.
	spelled map[string]string
}

func (a adapted) naming() naming { return naming{to: a.owners, spelled: a.spelled} }

// role is a role's name on the target.
func (n naming) role(name string) string {
	if to, ok := n.to[name]; ok {
		return to
	}
	return name
}

// marked is the name on the target of what may be a role's name.
func (n naming) marked(text string) string {
	if name, ok := strings.CutPrefix(text, roleMark); ok {
		return n.role(name)
	}
	return text
}

// identifier is marked for a text that begins with a name as an identifier. It
// gives what stands behind it, too.
func (n naming) identifier(text string) (identifier, rest string) {
	text, role := strings.CutPrefix(text, roleMark)
	if identifier, rest = cutIdentifier(text); !role {
		return identifier, rest
	}
	name := nameOf(identifier)
	to := n.role(name)
	switch spelled, ok := n.spelled[to]; {
	case to == name: // as its own server writes it
	case ok:
		identifier = spelled
	default:
		identifier = shownName(to)
	}
	return identifier, rest
}

// nameOf is the name that an identifier says.
func nameOf(identifier string) string {
	if quoted, ok := strings.CutPrefix(identifier, `"`); ok {
		return strings.ReplaceAll(strings.TrimSuffix(quoted, `"`), `""`, `"`)
	}
	return identifier
}

// cutIdentifier takes the identifier off that a text begins with.
func cutIdentifier(text string) (identifier, rest string) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
		if end < 0 {
			return text, ""
		}
		return text[:end], text[end:]
	}
	for i := 1; i < len(text); i++ {
		switch {
		case text[i] != '"':
		case i+1 < len(text) && text[i+1] == '"':
			i++
		default:
			return text[:i+1], text[i+1:]
		}
	}
	return text, ""
}

// Where roles stand in the facts of a catalog.

// ownerRole is for facts that tell whose an object is.
func ownerRole(f *fact, n naming) {
	if f.what == "owner" {
		f.value = n.marked(f.value)
	}
}

// policyRoles is for facts that tell whom a policy is for.
func policyRoles(f *fact, n naming) {
	if f.what != "roles" {
		return
	}
	var roles []string
	for list := f.value; list != ""; {
		role, rest := n.identifier(list)
		rest = strings.TrimPrefix(rest, ", ")
		if len(rest) == len(list) { // a record may say anything, and this is no list
			role, rest = list, ""
		}
		roles, list = append(roles, role), rest
	}
	slices.Sort(roles)
	f.value = strings.Join(roles, ", ")
}

// listRoles is for access lists.
func listRoles(f *fact, n naming) {
	f.value, f.of = n.accessList(f.value), n.marked(f.of)
}

// mappedRole is for user mappings, which are named by their role.
func mappedRole(f *fact, n naming) {
	role, rest := n.identifier(f.object)
	f.object = role + rest
}

// defaultRoles is for default privileges: each is a role's own.
func defaultRoles(f *fact, n naming) {
	if kind, role, ok := strings.Cut(f.what, " by "+roleMark); ok {
		f.what = kind + " by " + n.role(role)
	}
	f.value = n.accessList(f.value)
}
