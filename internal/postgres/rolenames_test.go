package postgres

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestNamesOfRoles: names are changed where they stand, and what they order is in
// order again.
func TestNamesOfRoles(t *testing.T) {
	t.Parallel()
	n := naming{to: map[string]string{"app": "zeta", "postgres": "app", `o"dd`: "user", "gone": "Big One"}, spelled: map[string]string{"user": `"user"`}}
	for _, c := range []struct {
		kind       string
		have, want fact
	}{
		{"table", fact{object: "app", what: "owner", value: "\x01app"}, fact{object: "app", what: "owner", value: "zeta"}},
		{"table", fact{object: "app", what: "options", value: "\x01app"}, fact{object: "app", what: "options", value: "\x01app"}},
		{"schema", fact{object: "public", what: "owner", value: serverRole}, fact{object: "public", what: "owner", value: serverRole}},
		{"schema", fact{object: "x", what: "owner", value: "\x01" + serverRole}, fact{object: "x", what: "owner", value: serverRole}},
		{"policy", fact{what: "roles", value: "\x01app, \x01postgres, public, \x01\"o\"\"dd\", \x01\"kept, \x01app\""},
			fact{what: "roles", value: `"kept, ` + "\x01" + `app", "user", app, public, zeta`}},
		{"user mapping", fact{object: "\x01\"o\"\"dd\" on \"\x01app on x\"", what: "exists"}, fact{object: "\"user\" on \"\x01app on x\"", what: "exists"}},
		{"policy", fact{what: "roles", value: "\x01app, , x"}, fact{what: "roles", value: ", x, zeta"}},
		{"user mapping", fact{object: "\x01gone on x", what: "exists"}, fact{object: `"Big One" on x`, what: "exists"}},
		{"user mapping", fact{object: "public on x", what: "exists"}, fact{object: "public on x", what: "exists"}},
		{"default privilege", fact{object: "all schemas", what: "r by \x01app", value: " SELECT \x01app f;"}, fact{object: "all schemas", what: "r by zeta", value: " SELECT \x01\"zeta\" f;"}},
		{"privilege", fact{object: "table t", of: "\x01postgres", value: " SELECT \x01app f;\x01app SELECT \x01postgres f;\x01postgres INSERT " + serverRole + " t;"},
			fact{object: "table t", of: "app", value: " SELECT \x01\"zeta\" f;\x01\"app\" INSERT " + serverRole + " t;\x01\"zeta\" SELECT \x01\"app\" f;"}},
		{"privilege", fact{object: "table t", of: "\x01app", value: "\x01app SELECT \x01app f;\x01zeta SELECT \x01app t;\x01zeta DELETE \x01app f;"},
			fact{object: "table t", of: "zeta", value: "\x01\"zeta\" DELETE \x01\"zeta\" f;\x01\"zeta\" SELECT \x01\"zeta\" t;"}},
		{"privilege", fact{value: "\x01app SELECT \x01app f;\x01app SELECT"}, fact{value: "\x01app SELECT \x01app f;\x01app SELECT"}},
		{"privilege", fact{value: "\x01app SELECT\ton\tx\tto\ty;-- \x01app f;"}, fact{value: "\x01app SELECT\ton\tx\tto\ty;-- \x01app f;"}},
		{"comment", fact{object: "o", what: "comment", value: "\x01app"}, fact{object: "o", what: "comment", value: "\x01app"}},
	} {
		got := c.have
		if roles := catalogByName(c.kind).roles; roles != nil {
			roles(&got, n)
		}
		if got != c.want {
			t.Errorf("%s: %q became %q, want %q", c.kind, c.have, got, c.want)
		}
	}
}

// TestRolesAreNamedWhereTheyStand: a catalog whose query asks for a role gives it
// in the target's names, and no other does.
func TestRolesAreNamedWhereTheyStand(t *testing.T) {
	t.Parallel()
	for _, c := range catalogs {
		for _, version := range []int{120000, 140000, 150000, 160000, 170000, 180000} {
			query := c.query(version, version)
			if marks := strings.Contains(query, "chr(1) || "); marks != (c.roles != nil) {
				t.Errorf("%s on %d: roles are marked %t, named %t", c.kind, version, marks, c.roles != nil)
			}
			if strings.Count(query, "pg_get_userbyid(") != strings.Count(query, "chr(1) || pg_get_userbyid(")+strings.Count(query, "chr(1) || quote_ident(pg_get_userbyid(")+strings.Count(query, "= 'pg_database_owner'") {
				t.Errorf("%s on %d: a role is not marked: %s", c.kind, version, query)
			}
		}
	}
	facts := memoryFacts{"user mapping": {{object: "\x01b on s", what: "exists", value: "yes"}, {object: "\x01c on s", what: "exists", value: "yes"}}}
	c := catalogByName("user mapping")
	raw, err := facts.facts(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	named, err := c.named(raw, naming{to: map[string]string{"b": "z"}})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for f, err := named.next(); f != nil; f, err = named.next() {
		order = append(order, fmt.Sprint(f.key[0], err))
	}
	if want := []string{"c on s<nil>", "z on s<nil>"}; !slices.Equal(order, want) {
		t.Errorf("the order is %q, want %q", order, want)
	}
}
