package postgres

import (
	"fmt"
	"sort"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// adapted is what the target's roles, memberships and settings will be, and
// in words where that is not what the source has. The plan prints the words
// before, the copy does it, and the proof accepts exactly that: all three
// call the same pure function.
type adapted struct {
	owners map[string]string
	// spelled is how the target writes the names that are keywords to it.
	spelled  map[string]string
	roles    []role
	members  []membership
	settings []setting
	lines    []string
	// omitted is what the target does not take, blocked what stands in a move's way.
	omitted, blocked []mover.UnsupportedObject
	// keptRoles are the roles that stay as the target has them, and that somebody
	// logs in as.
	keptRoles []mover.Uncarried
	// targetSuperuser tells that nothing had to be adapted for privileges.
	targetSuperuser bool
	// public is the schema public of each database of the source, keptPublic
	// the databases where the target's cannot be changed.
	public     map[string]publicSchema
	keptPublic map[string]bool
	// databases are the names that the source's databases have on the target in
	// a rehearsal; nil in a copy, where they keep theirs.
	databases map[string]string
	// trials are the names of the copy's roles in a rehearsal.
	trials map[string]string
	// rows tells that a rehearsal carries rows and large objects too.
	rows bool
}

// mapped is a role's name on the target.
func (a adapted) mapped(name string) string {
	if to, ok := a.owners[name]; ok {
		return to
	}
	return name
}

// admin is the role we log in with on the target.
type admin struct {
	name      string
	superuser bool
}

// adapt computes what of the source's globals the target can be given.
func adapt(source, target globals, to admin, owners map[string]string, databases []string) adapted {
	a := adapted{owners: map[string]string{}, spelled: target.spelled(), targetSuperuser: to.superuser}
	for from, into := range owners {
		if from != into {
			a.owners[from] = into
		}
	}
	if _, ok := a.owners[source.bootstrap]; !ok && !to.superuser && source.bootstrap != to.name {
		a.owners[source.bootstrap] = to.name
	}
	for _, from := range sortedKeys(a.owners) {
		a.note("what role %s owns and may do, role %s owns and may do", from, a.owners[from])
	}
	a.adaptRoles(source, target, to)
	a.adaptMembers(source, target, to)
	a.adaptSettings(source, target, to, databases)
	return a
}

func (a *adapted) note(format string, args ...any) {
	a.lines = append(a.lines, fmt.Sprintf(format, args...))
}

// adaptRoles drops the attributes only a superuser may give. Renamed roles and
// the admin itself are the target's own and stay as they are: losing its
// password or an attribute would lock us out. So does every other role that
// was there before us.
func (a *adapted) adaptRoles(source, target globals, to admin) {
	for _, r := range source.roles {
		if r.name == to.name {
			a.note("role %s exists on the target and keeps its own attributes and password", r.name)
			continue
		}
		if _, renamed := a.owners[r.name]; renamed {
			continue
		}
		if there, ok := target.role(r.name); ok && target.foreign[r.name] && !target.home {
			a.keepTheirs(r, there)
			continue
		}
		if target.foreign[r.name] {
			what := "attributes and password"
			if !source.verifiersKnown {
				what = "attributes"
			}
			a.note("role %s exists on the target and gets the source's %s", r.name, what)
		}
		if !to.superuser {
			var lost []string
			for _, attr := range []struct {
				name string
				on   *bool
			}{{"SUPERUSER", &r.super}, {"REPLICATION", &r.replication}, {"BYPASSRLS", &r.bypassRLS}} {
				if *attr.on {
					*attr.on = false
					lost = append(lost, attr.name)
				}
			}
			if len(lost) > 0 {
				a.note("role %s loses %s: role %s is no superuser and cannot give it", r.name, strings.Join(lost, ", "), to.name)
			}
		}
		if there, ok := target.role(r.name); ok && to.superuser && !source.verifiersKnown {
			a.keepOnTarget(&r, there)
		}
		if !source.verifiersKnown && r.login {
			if target.foreign[r.name] {
				a.note("role %s keeps the password it has on the target: the source does not show us its own", r.name)
			} else {
				a.note("role %s gets no password: the source does not show it to us", r.name)
			}
		}
		a.roles = append(a.roles, r)
	}
}

// keepTheirs leaves a role alone that somebody made on the target: who logs in
// there with its password must go on to, and it may be the server's own.
func (a *adapted) keepTheirs(r, there role) {
	var other []string
	for _, d := range roleDifferences(r, there) {
		other = append(other, d[0])
	}
	words := ""
	if len(other) > 0 {
		words = "; the source's has another " + strings.Join(other, ", ")
	}
	a.note("role %s exists on the target and keeps its own attributes and password, which whoever logs in as it needs%s", r.name, words)
	if r.login {
		a.keptRoles = append(a.keptRoles, mover.Uncarried{Kind: mover.UncarriedRole, Object: "role " + r.name, Detail: strings.TrimPrefix(words, "; ")})
	}
	r.kept = true
	a.roles = append(a.roles, r)
}

// keepOnTarget keeps what a role may do on the target and a managed source
// could not give it, when it comes back from there.
func (a *adapted) keepOnTarget(r *role, there role) {
	var kept []string
	for _, attr := range []struct {
		name     string
		on       *bool
		onTarget bool
	}{{"SUPERUSER", &r.super, there.super}, {"REPLICATION", &r.replication, there.replication}, {"BYPASSRLS", &r.bypassRLS, there.bypassRLS}} {
		if attr.onTarget && !*attr.on {
			*attr.on = true
			kept = append(kept, attr.name)
		}
	}
	if len(kept) > 0 {
		a.note("role %s keeps %s, which it has on the target: the source's admin role is no superuser and could not give it", r.name, strings.Join(kept, ", "))
	}
}

// carriedRoles are the roles that are as the source has them, by name: what
// else such a role has on the target is of an earlier copy.
func (a adapted) carriedRoles() map[string]bool {
	names := map[string]bool{}
	for _, r := range a.roles {
		if !r.kept {
			names[r.name] = true
		}
	}
	return names
}

// role finds a role by name.
func (g globals) role(name string) (role, bool) {
	for _, r := range g.roles {
		if r.name == name {
			return r, true
		}
	}
	return role{}, false
}

// spelled are the names of roles that the server writes otherwise than shownName.
func (g globals) spelled() map[string]string {
	other := map[string]string{}
	for _, r := range g.roles {
		if r.spelled != shownName(r.name) {
			other[r.name] = r.spelled
		}
	}
	return other
}

// adaptMembers adds the admin to every role when it is no superuser: it must
// own and read what they own. A membership in the admin would then be a
// circle, and is left out; where the way leads back to a superuser, it is kept
// as it stands there, and the superuser itself needs no membership.
func (a *adapted) adaptMembers(source, target globals, to admin) {
	merged := map[membership]bool{}
	for _, m := range source.members {
		_, renamed := a.owners[m.member]
		m.role, m.member = a.mapped(m.role), a.mapped(m.member)
		if m.role == m.member || renamed && to.superuser && m.member == to.name {
			continue
		}
		if !to.superuser && m.role == to.name {
			a.note("role %s is no longer a member of %s: %s must be a member of %s", m.member, to.name, to.name, m.member)
			continue
		}
		key := membership{role: m.role, member: m.member}
		merged[key] = merged[key] || m.admin
	}
	if !to.superuser {
		for _, r := range a.roles {
			key := membership{role: r.name, member: to.name}
			if _, ok := merged[key]; !ok {
				merged[key] = false
				a.note("role %s becomes a member of %s, to own and read what is its", to.name, r.name)
			}
		}
	}
	for _, m := range target.members {
		if to.superuser && !source.verifiersKnown && m.role == to.name {
			merged[membership{role: m.role, member: m.member}] = m.admin
			a.note("role %s stays a member of %s", m.member, m.role)
		}
	}
	for m, admin := range merged {
		m.admin = admin
		a.members = append(a.members, m)
	}
	sort.Slice(a.members, func(i, j int) bool {
		if a.members[i].role != a.members[j].role {
			return a.members[i].role < a.members[j].role
		}
		return a.members[i].member < a.members[j].member
	})
	a.judgeMembers(target, to)
}

// adaptSettings drops what only a superuser may set, and turns ALTER ROLE ALL,
// which only a superuser may say, into a setting of each database.
func (a *adapted) adaptSettings(source, target globals, to admin, databases []string) {
	carried := map[string]bool{}
	for _, d := range databases {
		carried[d] = true
	}
	byKey := map[setting]setting{}
	put := func(s setting, weak bool) {
		key := setting{database: s.database, role: s.role, name: s.name}
		if _, ok := byKey[key]; ok && weak {
			return
		}
		byKey[key] = s
	}
	for _, s := range source.settings {
		if s.database != "" && !carried[s.database] {
			continue
		}
		if s.role != "" {
			s.role = a.mapped(s.role)
		}
		if why, fix := a.settingLeft(settingValue{s.name, s.value}, target, to); why != "" {
			a.leaveSetting(s, why, fix)
			continue
		}
		if rights, there := target.rights[s.role]; there && !rights.alter {
			a.leaveSetting(s, fmt.Sprintf("somebody else made the role on the target, and role %s may not alter it", to.name), target.adminOption(s.role, to))
			continue
		}
		if s.role == "" && s.database == "" && !to.superuser {
			a.note("setting %s of all roles becomes a setting of every database: only a superuser may set it for all roles", s.name)
			continue
		}
		put(s, false)
	}
	if !to.superuser {
		for _, s := range source.settings {
			if why, _ := a.settingLeft(settingValue{s.name, s.value}, target, to); s.role == "" && s.database == "" && why == "" {
				for _, d := range databases {
					put(setting{database: d, name: s.name, value: s.value}, true)
				}
			}
		}
	}
	for _, s := range byKey {
		a.settings = append(a.settings, s)
	}
	sort.Slice(a.settings, func(i, j int) bool { return a.settings[i].key() < a.settings[j].key() })
}

func (s setting) key() string { return s.database + "\x00" + s.role + "\x00" + s.name }

// subject names whose setting it is, for people.
func (s setting) subject() string {
	switch {
	case s.role != "" && s.database != "":
		return "role " + s.role + " in database " + s.database
	case s.role != "":
		return "role " + s.role
	case s.database != "":
		return "database " + s.database
	}
	return "all roles"
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
