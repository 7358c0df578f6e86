package postgres

import (
	"cmp"
	"slices"
	"strings"
)

// privilege is one item of an access list: by their names the role that got it,
// which is empty for everybody, and the one that gave it.
type privilege struct {
	grantee, name, grantor string
	option                 bool
}

// privileges reads a list that accessListOf or spelledList spells, in the target's
// names and in order. Two roles that are one on the target are one item. A text
// that is no access list, which a record may hold, has none.
func (n naming) privileges(list string) []privilege {
	options := map[privilege]bool{}
	for list != "" {
		p, rest, ok := n.privilege(list)
		if !ok {
			return nil
		}
		option := p.option
		p.option = false
		options[p] = options[p] || option
		list = rest
	}
	all := make([]privilege, 0, len(options))
	for p, option := range options {
		p.option = option
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b privilege) int {
		return cmp.Or(strings.Compare(a.grantee, b.grantee), strings.Compare(a.grantor, b.grantor), strings.Compare(a.name, b.name))
	})
	return all
}

// privilege reads the item that a list begins with, and gives what stands behind it.
// The privilege goes into statements as it is, so it is a word and nothing else.
func (n naming) privilege(list string) (p privilege, rest string, ok bool) {
	var spaced, named, ended bool
	var option string
	p.grantee, rest = n.listed(list)
	rest, spaced = strings.CutPrefix(rest, " ")
	p.name, rest, named = strings.Cut(rest, " ")
	p.grantor, rest = n.listed(rest)
	option, rest, ended = strings.Cut(rest, ";")
	p.option = option == " t"
	return p, rest, spaced && named && ended && (p.option || option == " f") && strings.Trim(p.name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == ""
}

// listed is the name on the target of the role that a text begins with.
func (n naming) listed(text string) (name, rest string) {
	identifier, rest := cutIdentifier(strings.TrimPrefix(text, roleMark))
	if !strings.HasPrefix(text, roleMark) { // everybody, or serverRole
		return identifier, rest
	}
	return n.role(nameOf(identifier)), rest
}

// accessList is a list in the target's names, spelled alike whichever server gave
// it. What is none stays as it is, and is compared so.
func (n naming) accessList(value string) string {
	if list := n.privileges(value); len(list) > 0 {
		return spelledList(list)
	}
	return value
}

// spelledList spells an access list as naming.privileges reads it.
func spelledList(list []privilege) string {
	role := func(name string) string {
		if name == "" || name == serverRole {
			return name
		}
		return roleMark + ident(name)
	}
	var out strings.Builder
	for _, p := range list {
		option := " f;"
		if p.option {
			option = " t;"
		}
		out.WriteString(role(p.grantee) + " " + p.name + " " + role(p.grantor) + option)
	}
	return out.String()
}

// showPrivileges spells an access list as people do.
func showPrivileges(list []privilege) string {
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.name + " to " + grantee(p.grantee)
		if p.option {
			words[i] += " with grant option"
		}
		words[i] += " by " + p.grantor
	}
	slices.Sort(words)
	return strings.Join(words, ", ")
}
