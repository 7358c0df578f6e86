package postgres

import (
	"fmt"
	"strings"
)

// compareRoles compares roles, memberships and settings with what adapt says
// the target is to have.
func (p *proof) compareRoles() {
	a, target := p.facts.adapted, p.facts.target.globals
	there := map[string]role{}
	for _, r := range target.roles {
		there[r.name] = r
	}
	verifiers := p.facts.source.globals.verifiersKnown && target.verifiersKnown
	for _, want := range a.roles {
		p.Compared("roles", 1)
		have, ok := there[want.name]
		if !ok {
			p.Differ("", "role", want.name, "is missing on the target", "", "")
			continue
		}
		if want.kept {
			p.Compared("roles that stay as the target has them", 1)
			continue
		}
		for _, f := range roleDifferences(want, have) {
			p.Differ("", "role", want.name, f[0]+" differs", f[1], f[2])
		}
		if !verifiers {
			p.Compared("roles whose password cannot be read", 1)
		} else if want.verifier != have.verifier {
			p.Differ("", "role", want.name, "password verifier differs", "", "")
		}
	}
	p.compareMembers()
	p.compareSettings()
}

// roleDifferences compares attributes; verifiers are compared apart, because
// their values must not be shown.
func roleDifferences(want, have role) [][3]string {
	attributes := func(r role) [][2]string {
		return [][2]string{{"SUPERUSER", fmt.Sprint(r.super)}, {"INHERIT", fmt.Sprint(r.inherit)}, {"CREATEROLE", fmt.Sprint(r.createRole)},
			{"CREATEDB", fmt.Sprint(r.createDB)}, {"LOGIN", fmt.Sprint(r.login)}, {"REPLICATION", fmt.Sprint(r.replication)},
			{"BYPASSRLS", fmt.Sprint(r.bypassRLS)}, {"connection limit", fmt.Sprint(r.connLimit)}, {"valid until", r.validUntil}, {"comment", r.comment}}
	}
	var different [][3]string
	other := attributes(have)
	for i, a := range attributes(want) {
		if a[1] != other[i][1] {
			different = append(different, [3]string{a[0], a[1], other[i][1]})
		}
	}
	return different
}

// compareMembers compares memberships among the carried roles and the admin.
// Roles that only the target has are its own business.
func (p *proof) compareMembers() {
	a := p.facts.adapted
	carried := a.carriedRoles()
	have := map[membership]bool{}
	for _, m := range p.facts.target.globals.members {
		have[membership{role: m.role, member: m.member}] = m.admin
	}
	wanted := map[membership]bool{}
	word := map[bool]string{true: "with admin option", false: "without admin option"}
	for _, m := range a.members {
		p.Compared("memberships", 1)
		key := membership{role: m.role, member: m.member}
		wanted[key] = true
		admin, ok := have[key]
		switch {
		case !ok:
			p.Differ("", "membership", m.member+" in "+m.role, "is missing on the target", "", "")
		case admin && m.member == p.facts.target.admin.name:
			// The role we log in with may keep what it had: whoever makes a
			// role gets this option too from PostgreSQL 16 on.
		case admin != m.admin:
			p.Differ("", "membership", m.member+" in "+m.role, "admin option differs", word[m.admin], word[admin])
		}
	}
	for _, m := range p.facts.target.globals.members {
		if carried[m.member] && !wanted[membership{role: m.role, member: m.member}] {
			p.Differ("", "membership", m.member+" in "+m.role, "is on the target only", "", "")
		}
	}
}

// compareSettings compares what roles and databases have set.
func (p *proof) compareSettings() {
	a := p.facts.adapted
	carried := map[string]bool{}
	for name := range a.carriedRoles() {
		carried["role "+name] = true
	}
	for _, d := range p.facts.source.databases {
		carried["database "+a.there(d.name)] = true
	}
	have := map[string]setting{}
	for _, s := range p.facts.target.globals.settings {
		have[s.key()] = s
	}
	wanted := map[string]bool{}
	for _, s := range a.settings {
		p.Compared("settings", 1)
		wanted[s.key()] = true
		other, ok := have[s.key()]
		switch {
		case !ok:
			p.Differ(s.database, "setting", s.subject(), s.name+" is missing on the target", secret(s), "")
		case other.value != s.value:
			p.Differ(s.database, "setting", s.subject(), s.name+" differs", secret(s), secret(other))
		}
	}
	for _, s := range p.facts.target.globals.settings {
		ours := carried["role "+s.role] || s.role == "" && carried["database "+s.database]
		if ours && !wanted[s.key()] {
			p.Differ(s.database, "setting", s.subject(), s.name+" is on the target only", "", secret(s))
		}
	}
}

// secret hides the value of a setting of the application's own making, which
// may be a key.
func secret(s setting) string {
	if strings.Contains(s.name, ".") {
		return "(not shown)"
	}
	return s.value
}
