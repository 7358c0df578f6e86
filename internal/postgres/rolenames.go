package postgres

import (
	"cmp"
	"slices"
	"strings"
)

// A server says its roles by its own names, and the target may have others for
// them (adapted.owners). Queries only mark where a role's name stands; it is
// changed here, once the facts are read: whoever has recorded them can give them to
// any target, and no server has to be asked again.

// roleMark stands in front of a role's name in what queries give. What else can
// stand there ("public", serverRole) has none. Where the name ends follows from the
// place: with the value, with the field of an access list, or with the identifier.
const roleMark = "\x01"

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
	name := identifier
	if quoted, ok := strings.CutPrefix(identifier, `"`); ok {
		name = strings.ReplaceAll(strings.TrimSuffix(quoted, `"`), `""`, `"`)
	}
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

// accessList gives the list that accessListOf spells in the target's names, its
// items in their order again. Two roles that are one on the target are one item.
func (n naming) accessList(value string) string {
	if value == "" {
		return ""
	}
	type item struct{ grantee, grantor, privilege string }
	options := map[item]string{}
	var odd []string // what somebody's names have taken apart is compared as it is
	for text := range strings.SplitSeq(value, itemSep) {
		f := strings.Split(text, fieldSep)
		if len(f) != 4 {
			odd = append(odd, text)
			continue
		}
		key := item{n.marked(f[0]), n.marked(f[2]), f[1]}
		options[key] = max(options[key], f[3]) // "t" is more than "f"
	}
	items := make([]item, 0, len(options))
	for key := range options {
		items = append(items, key)
	}
	slices.SortFunc(items, func(a, b item) int {
		return cmp.Or(strings.Compare(a.grantee, b.grantee), strings.Compare(a.grantor, b.grantor), strings.Compare(a.privilege, b.privilege))
	})
	list := make([]string, 0, len(items)+len(odd))
	for _, i := range items {
		list = append(list, strings.Join([]string{i.grantee, i.privilege, i.grantor, options[i]}, fieldSep))
	}
	return strings.Join(append(list, odd...), itemSep)
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
