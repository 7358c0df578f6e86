package spec

import (
	"encoding/json"
	"reflect"
	"testing"
)

// full has every block and nothing that has a default.
const full = `
apiVersion: circleci-dr/v1
name: ci-prod
servicesMachine:
  region: eu-west-1
  instanceId: i-0123456789abcdef0
  ssh: {host: h, privateKey: {env: KEY}}
datastores:
  postgresql:
    location: internal
    external: {host: h, username: u, password: {env: P}}
  mongodb:
    location: internal
    external: {hosts: [h], username: u, password: {env: P}}
backup:
  encryption: {kms: {key: alias/x}}
  store: s3://bucket
  objectives: {rpo: 26h}
`

// TestDefaultsAreTheSchemas compares what Parse fills in with what the schema
// tells editors and readers.
func TestDefaultsAreTheSchemas(t *testing.T) {
	s, err := Parse("full.yaml", []byte(full))
	if err != nil {
		t.Fatal(err)
	}
	var loaded map[string]any
	if err := json.Unmarshal(s.Canonical(), &loaded); err != nil {
		t.Fatal(err)
	}
	given, stop := readDocument([]byte(full))
	if stop != nil {
		t.Fatal(stop)
	}
	b := builder{report: newReporter("full.yaml")}
	tree := b.build(given, place{1, 1}, nil)
	filled, promised := map[string]any{}, map[string]any{}
	collectFilled(loaded, tree, nil, filled)
	collectDefaults(described(), nil, promised)
	if len(promised) < 10 || !reflect.DeepEqual(filled, promised) {
		t.Errorf("filled in %v\nthe schema promises %v", filled, promised)
	}
}

func collectFilled(v any, given *node, p path, into map[string]any) {
	m, ok := v.(map[string]any)
	if !ok {
		if given.lookup(p) == nil {
			into[p.String()] = v
		}
		return
	}
	for name, child := range m {
		collectFilled(child, given, p.key(name), into)
	}
}

func collectDefaults(f *schemaField, p path, into map[string]any) {
	if f.Default != nil {
		into[p.String()] = f.Default
	}
	for name, child := range f.Properties {
		collectDefaults(child, p.key(name), into)
	}
}

func TestWithDefaultsLeavesTheOriginalAlone(t *testing.T) {
	s := &Spec{Backup: &Backup{}, Datastores: Datastores{PostgreSQL: &PostgreSQL{External: &PostgreSQLExternal{}}}}
	filled := s.WithDefaults()
	if s.Backup.Schedule != "" || s.Datastores.PostgreSQL.External.Port != 0 {
		t.Error("WithDefaults changed its receiver")
	}
	if filled.Backup.Schedule != "daily" || filled.Datastores.PostgreSQL.External.Port != 5432 {
		t.Errorf("not filled: %+v", filled)
	}
	if again := filled.WithDefaults(); !reflect.DeepEqual(again, filled) {
		t.Error("a second WithDefaults changes something")
	}
}

// TestEveryFieldSurvives fills every field of the Go types and holds the
// result against the schema and the decoder: a field in one and not in the
// other fails here.
func TestEveryFieldSurvives(t *testing.T) {
	var paths func(typ reflect.Type, p path, into map[string]bool)
	paths = func(typ reflect.Type, p path, into map[string]bool) {
		for typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		if typ.Kind() == reflect.Slice && typ.Elem().Kind() == reflect.Struct {
			typ, p = typ.Elem(), p.index(0)
		}
		if typ.Kind() != reflect.Struct {
			return
		}
		for i := range typ.NumField() {
			f := typ.Field(i)
			if !f.IsExported() {
				continue
			}
			name, _, _ := cutTag(f.Tag.Get("json"))
			if yamlName, _, _ := cutTag(f.Tag.Get("yaml")); yamlName != name {
				t.Errorf("%s: yaml %q, json %q", f.Name, yamlName, name)
			}
			into[p.key(name).String()] = true
			paths(f.Type, p.key(name), into)
		}
	}
	inGo, inSchema := map[string]bool{}, map[string]bool{}
	paths(reflect.TypeFor[Spec](), nil, inGo)
	var walk func(f *schemaField, p path)
	walk = func(f *schemaField, p path) {
		if f.isRef() {
			f = described().Definitions["secretRef"]
		}
		if f.Items != nil {
			f, p = f.Items, p.index(0)
		}
		for name, child := range f.Properties {
			inSchema[p.key(name).String()] = true
			walk(child, p.key(name))
		}
	}
	walk(described(), nil)
	if !reflect.DeepEqual(inGo, inSchema) {
		t.Errorf("in Go: %v\nin the schema: %v", inGo, inSchema)
	}
}
