package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v5"
)

// fields is the schema in its own order.
func fields(t *testing.T) yaml.MapSlice {
	t.Helper()
	var root yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(Spec(), &root, yaml.UseOrderedMap()); err != nil {
		t.Fatal(err)
	}
	return root
}

func get(m yaml.MapSlice, key string) any {
	for _, item := range m {
		if item.Key == key {
			return item.Value
		}
	}
	return nil
}

func sub(m yaml.MapSlice, key string) yaml.MapSlice {
	child, ok := get(m, key).(yaml.MapSlice)
	if !ok {
		return nil
	}
	return child
}

func text(m yaml.MapSlice, key string) string {
	s, ok := get(m, key).(string)
	if !ok {
		return ""
	}
	return s
}

// walk calls visit for every field with its path; items of lists are visited
// under the list's path.
func walk(block yaml.MapSlice, path string, visit func(path string, required bool, field yaml.MapSlice)) {
	eachField(block, func(name string, required bool, field yaml.MapSlice) {
		child := strings.TrimPrefix(path+"."+name, ".")
		visit(child, required, field)
		walk(field, child, visit)
		if items := sub(field, "items"); items != nil {
			walk(items, child+"[]", visit)
		}
	})
}

// eachField calls visit for the fields of one block.
func eachField(block yaml.MapSlice, visit func(name string, required bool, field yaml.MapSlice)) {
	var required []any
	if list, ok := get(block, "required").([]any); ok {
		required = list
	}
	for _, item := range sub(block, "properties") {
		if field, ok := item.Value.(yaml.MapSlice); ok {
			visit(fmt.Sprint(item.Key), slices.Contains(required, item.Key), field)
		}
	}
}

func TestSchemaIsValidDraft7(t *testing.T) {
	c := jsonschema.NewCompiler()
	if err := c.AddResource(SpecID, bytes.NewReader(Spec())); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Compile(SpecID); err != nil {
		t.Fatal(err)
	}
	root := fields(t)
	if text(root, "$id") != SpecID || text(root, "$schema") != "http://json-schema.org/draft-07/schema#" {
		t.Errorf("$id %q, $schema %q", text(root, "$id"), text(root, "$schema"))
	}
}

// TestEveryFieldIsExplained wants a title, a description and an example that
// fits on every field, a default that fits, and no block that takes unknown
// keys.
func TestEveryFieldIsExplained(t *testing.T) {
	count := 0
	check := func(path string, _ bool, field yaml.MapSlice) {
		count++
		for _, key := range []string{"title", "description"} {
			if text(field, key) == "" {
				t.Errorf("%s has no %s", path, key)
			}
		}
		examples, ok := get(field, "examples").([]any)
		if !ok || len(examples) == 0 {
			t.Errorf("%s has no example", path)
		}
		if get(field, "properties") != nil && get(field, "additionalProperties") != false {
			t.Errorf("%s takes unknown keys", path)
		}
		fits(t, path, field, examples)
		if value := get(field, "default"); value != nil {
			fits(t, path+" (default)", field, []any{value})
		}
	}
	root := fields(t)
	check("(the file)", false, root)
	walk(root, "", check)
	ref := sub(sub(root, "definitions"), "secretRef")
	check("secretRef", false, ref)
	walk(ref, "secretRef", check)
	if count < 60 {
		t.Errorf("only %d fields were visited", count)
	}
}

// fits validates examples with the field's own schema.
func fits(t *testing.T, path string, field yaml.MapSlice, values []any) {
	t.Helper()
	own := append(yaml.MapSlice{}, field...)
	if get(own, "definitions") == nil {
		own = append(own, yaml.MapItem{Key: "definitions", Value: sub(fields(t), "definitions")})
	}
	own = slices.DeleteFunc(own, func(item yaml.MapItem) bool { return item.Key == "$id" || item.Key == "$schema" })
	own = append(own, yaml.MapItem{Key: "$schema", Value: "http://json-schema.org/draft-07/schema#"})
	data, err := yaml.MarshalWithOptions(own, yaml.JSON())
	if err != nil {
		t.Fatal(err)
	}
	compiled, err := jsonschema.CompileString("field.json", string(data))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, value := range values {
		data, err := yaml.MarshalWithOptions(value, yaml.JSON())
		if err != nil {
			t.Fatal(err)
		}
		var plain any
		if err := json.Unmarshal(data, &plain); err != nil {
			t.Fatal(err)
		}
		if err := compiled.Validate(plain); err != nil {
			t.Errorf("%s: %s does not fit: %v", path, data, err)
		}
	}
}
