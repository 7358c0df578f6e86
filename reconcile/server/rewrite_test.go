package server

import (
	"reflect"
	"strings"
	"testing"

	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// releaseValues are the values of a release on either side of a move.
func releaseValues(inside bool) map[string]any {
	if inside {
		return map[string]any{
			"postgresql": map[string]any{"internal": true, "postgresqlHost": "postgresql", "postgresqlPort": 5432, "secureMode": false, "auth": map[string]any{"username": ""}},
			"mongodb":    map[string]any{"internal": true, "hosts": "mongodb:27017", "ssl": false, "options": "", "auth": map[string]any{"username": "root"}},
		}
	}
	return map[string]any{
		"postgresql": map[string]any{"internal": false, "postgresqlHost": "fd00::1", "postgresqlPort": 5433, "secureMode": true,
			"auth": map[string]any{"username": "c@x", "existingSecret": "circleci-dr-postgresql"}},
		"mongodb": map[string]any{"internal": false, "hosts": "m0.example.com:27018,m1.example.com:27018", "ssl": true, "options": "replicaSet=rs0",
			"auth": map[string]any{"username": "circleci", "existingSecret": "circleci-dr-mongodb"}},
	}
}

func TestJudgeTellsSettingsByTheirTexts(t *testing.T) {
	const annotation, env = "spec.template.metadata.annotations.note", "spec.template.spec.containers[a].env[X].value"
	pg, both := []mover.Engine{mover.PostgreSQL}, []mover.Engine{mover.PostgreSQL, mover.MongoDB}
	leaf := func(field, from, to string) Leaf { return Leaf{Field: field, From: from, To: to} }
	for _, row := range []struct {
		name   string
		moving []mover.Engine
		leaf   Leaf
		want   Verdict
	}{
		{"a host", pg, leaf(env, "postgresql", "fd00::1"), Verdict{Setting: true, Address: pg}},
		{"a host in brackets and a port", pg, leaf(env, "postgresql:5432", "[fd00::1]:5433"), Verdict{Setting: true, Address: pg}},
		{"a host and the old port", pg, leaf(env, "postgresql:5432", "[fd00::1]:5432"), Verdict{Setting: true, Address: pg}},
		{"a URL", pg, leaf(env, "postgresql://postgres@postgresql:5432/postgresql?sslmode=disable", "postgresql://c%40x@[fd00::1]:5433/postgresql?sslmode=verify-full"), Verdict{Setting: true, Address: pg}},
		{"a user", pg, leaf(env, "postgres", "c@x"), Verdict{Setting: true}},
		{"a Secret's key", pg, leaf(env, "postgres-password", "password"), Verdict{Setting: true}},
		{"the Secret of the other datastore", pg, leaf(env, "postgresql", "circleci-dr-mongodb"), Verdict{}},
		{"the other datastore", pg, leaf(env, "mongodb:27017", "m0.example.com:27018,m1.example.com:27018"), Verdict{}},
		{"both datastores", both, leaf(env, "postgresql mongodb:27017", "fd00::1 m0.example.com:27018,m1.example.com:27018"), Verdict{Setting: true, Address: both}},
		{"a list in JSON", both, leaf(env, `["mongodb:27017"]`, `["m0.example.com:27018","m1.example.com:27018"]`), Verdict{Setting: true, Address: []mover.Engine{mover.MongoDB}}},
		{"options that come", both, leaf(env, "mongodb://root@mongodb:27017/x?ssl=false", "mongodb://circleci@m0.example.com:27018,m1.example.com:27018/x?ssl=true&replicaSet=rs0"), Verdict{Setting: true, Address: []mover.Engine{mover.MongoDB}}},
		{"options and a word more", both, leaf(env, "mongodb:27017/x", "m0.example.com:27018,m1.example.com:27018/x?replicaSet=rs0&w=0"), Verdict{}},
		{"an option's whole text", both, leaf(env, "", "replicaSet=rs0"), Verdict{Setting: true}},
		{"one host in two", pg, leaf(env, "postgresql, postgresql-2", "fd00::1, postgresql-2"), Verdict{Setting: true, Address: pg}},
		{"another host", pg, leaf(env, "postgresql", "db.example.com"), Verdict{}},
		{"the host, and the end cut off", pg, leaf(env, "postgresql:5432/a", "[fd00::1]:5433/"), Verdict{}},
		{"the way back, in a way out", pg, leaf(env, "fd00::1", "postgresql"), Verdict{}},
		{"a digest in an annotation", pg, leaf(annotation, strings.Repeat("a", 64), strings.Repeat("b", 64)), Verdict{Setting: true}},
		{"a digest elsewhere", pg, leaf(env, strings.Repeat("a", 64), strings.Repeat("b", 64)), Verdict{}},
		{"an annotation that was a digest", pg, leaf(annotation, strings.Repeat("a", 64), "postgresql"), Verdict{}},
		{"a flag that is no text", pg, Leaf{Field: "spec.template.spec.hostNetwork", From: "false", To: "true", Fixed: true}, Verdict{}},
		{"a value that comes", pg, Leaf{Field: env, To: "c%40x@[fd00::1]:5433", Comes: true}, Verdict{Setting: true, Address: pg}},
		{"a value that comes with more", pg, Leaf{Field: env, To: "fd00::1/x", Comes: true}, Verdict{}},
		{"a value that goes", pg, Leaf{Field: env, From: "postgresql.ci.svc:5432", Goes: true}, Verdict{Setting: true, Address: pg}},
	} {
		r := NewRewriting("ci", row.moving, releaseValues(true), releaseValues(false))
		if got := r.Judge([]Leaf{row.leaf}); !reflect.DeepEqual(got, []Verdict{row.want}) {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
}

// The internal server has its Service's name, whatever the values call it.
func TestTheServiceIsAnAddress(t *testing.T) {
	was := releaseValues(true)
	was["postgresql"].(map[string]any)["postgresqlHost"] = "alias"
	r := NewRewriting("ci", []mover.Engine{mover.PostgreSQL}, was, releaseValues(false))
	for _, from := range []string{"alias:5432", "alias.ci.svc:5432", "postgresql:5432", "postgresql.ci.svc.cluster.local:5432"} {
		got := r.Judge([]Leaf{{Field: "data.host", From: from, To: "[fd00::1]:5433"}})
		if want := []Verdict{{Setting: true, Address: []mover.Engine{mover.PostgreSQL}}}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", from, got, want)
		}
	}
}

// A name alone makes no element a setting, and one field that is none spoils it.
func TestAnElementIsASettingAsAWhole(t *testing.T) {
	const at = "spec.template.spec.containers[a].env[PGHOST]."
	r := NewRewriting("ci", []mover.Engine{mover.PostgreSQL}, releaseValues(true), releaseValues(false))
	name, value := Leaf{Field: at + "name", To: "PGHOST", Comes: true}, Leaf{Field: at + "value", To: "fd00::1", Comes: true}
	other := Leaf{Field: at + "extra", To: "more", Comes: true}
	for _, row := range []struct {
		leaves []Leaf
		want   []bool
	}{
		{[]Leaf{name, value}, []bool{true, true}},
		{[]Leaf{name}, []bool{false}},
		{[]Leaf{name, value, other}, []bool{false, true, false}},
	} {
		for i, got := range r.Judge(row.leaves) {
			if got.Setting != row.want[i] {
				t.Errorf("%+v: %v is %t", row.leaves, row.leaves[i].Field, got.Setting)
			}
		}
	}
}

// A long text with many occurrences is judged in one pass.
func TestLongTextsAreJudged(t *testing.T) {
	r := NewRewriting("ci", Engines(), releaseValues(true), releaseValues(false))
	from := strings.Repeat("server postgresql:5432 of postgresql;\n", 20000)
	to := strings.ReplaceAll(from, "postgresql:5432", "[fd00::1]:5433")
	got := r.Judge([]Leaf{{Field: "data.list", From: from, To: to}, {Field: "data.more", From: from, To: to + "x"}})
	if want := []Verdict{{Setting: true, Address: []mover.Engine{mover.PostgreSQL}}, {}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
