package spec

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v5"

	"github.com/circleci-dr/circleci-dr/schema"
)

// schemaField is what errors need of one field of the schema: the same file
// that editors use words our messages.
type schemaField struct {
	Type                 any                     `json:"type"`
	Enum                 []string                `json:"enum"`
	Default              any                     `json:"default"`
	Examples             []any                   `json:"examples"`
	Required             []string                `json:"required"`
	Minimum              json.Number             `json:"minimum"`
	Maximum              json.Number             `json:"maximum"`
	MinItems             int                     `json:"minItems"`
	MaxItems             int                     `json:"maxItems"`
	MaxProperties        int                     `json:"maxProperties"`
	MinLength            int                     `json:"minLength"`
	MaxLength            int                     `json:"maxLength"`
	PatternErrorMessage  string                  `json:"patternErrorMessage"`
	Properties           map[string]*schemaField `json:"properties"`
	Items                *schemaField            `json:"items"`
	AdditionalProperties json.RawMessage         `json:"additionalProperties"`
	AllOf                []struct {
		Ref string `json:"$ref"`
	} `json:"allOf"`
	Definitions map[string]*schemaField `json:"definitions"`

	values *schemaField // additionalProperties, when it is a schema
}

const secretRefPointer = "#/definitions/secretRef"

func (f *schemaField) isRef() bool { return len(f.AllOf) == 1 && f.AllOf[0].Ref == secretRefPointer }

// The schema is compiled and read once, at the first file, and never for a
// command that loads none. It is embedded and tested, so failing here is a
// broken build.
var (
	compiled = sync.OnceValue(func() *jsonschema.Schema {
		c := jsonschema.NewCompiler()
		if err := c.AddResource(schema.SpecID, bytes.NewReader(schema.Spec())); err != nil {
			panic(fmt.Sprintf("embedded schema: %v", err))
		}
		return c.MustCompile(schema.SpecID)
	})
	described = sync.OnceValue(func() *schemaField {
		var root schemaField
		if err := json.Unmarshal(schema.Spec(), &root); err != nil {
			panic(fmt.Sprintf("embedded schema: %v", err))
		}
		root.link()
		root.Definitions["secretRef"].link()
		return &root
	})
)

func (f *schemaField) link() {
	if len(f.AdditionalProperties) > 0 && f.AdditionalProperties[0] == '{' {
		f.values = new(schemaField)
		if err := json.Unmarshal(f.AdditionalProperties, f.values); err != nil {
			panic(fmt.Sprintf("embedded schema: %v", err))
		}
	}
	for _, child := range f.Properties {
		child.link()
	}
	if f.Items != nil {
		f.Items.link()
	}
}

// fieldAt is the schema of a path, nil for a path it does not know.
func fieldAt(p path) *schemaField {
	f := described()
	for _, part := range p {
		if f.isRef() {
			f = described().Definitions["secretRef"]
		}
		switch {
		case f.Properties[part] != nil:
			f = f.Properties[part]
		case f.Items != nil && indexOf(part) >= 0:
			f = f.Items
		case f.values != nil:
			f = f.values
		default:
			return nil
		}
	}
	return f
}

// checkShape holds the tree against the schema and words each difference.
func checkShape(r *reporter) {
	err := compiled().Validate(r.root.plainValue())
	var invalid *jsonschema.ValidationError
	if errors.As(err, &invalid) {
		for _, leaf := range leaves(invalid, nil) {
			r.shape(leaf)
		}
	} else if err != nil {
		r.add(nil, CodeType, "does not fit the schema", "", "")
	}
	r.checkNumbers(r.root, nil)
}

func leaves(e *jsonschema.ValidationError, into []*jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return append(into, e)
	}
	for _, cause := range e.Causes {
		into = leaves(cause, into)
	}
	return into
}

// shape words one leaf of the validator's error. The validator decides; what it
// says is not used, because it may quote the value.
func (r *reporter) shape(leaf *jsonschema.ValidationError) {
	p := fromPointer(leaf.InstanceLocation, r.root)
	n, f := r.root.lookup(p), fieldAt(p)
	keyword := leaf.KeywordLocation[strings.LastIndexByte(leaf.KeywordLocation, '/')+1:]
	if ref := refPath(p); ref == len(p) {
		r.badRef(p, n)
		return
	}
	if n == nil || f == nil {
		r.add(p, CodeType, "does not fit the schema", "", "")
		return
	}
	switch keyword {
	case "additionalProperties":
		r.unknownKeys(p, n, f)
	case "required":
		r.missing(p, n, f)
	case "type":
		r.wrongType(p, n, f)
	case "uniqueItems":
		r.repeated(p, n)
	case "enum":
		r.add(p, CodeValue, "must be "+oneOf(f.Enum), r.show(p, n), didYouMean(n.text, f.Enum, enumHint(p)))
	default:
		r.add(p, CodeValue, wantFor(keyword, f), r.showFor(keyword, p, n), hintFor(p, n))
	}
}

func (r *reporter) showFor(keyword string, p path, n *node) string {
	switch keyword {
	case "minLength":
		return "an empty string"
	case "maxLength":
		return fmt.Sprintf("%d", len([]rune(n.text)))
	case "minItems", "maxItems":
		return fmt.Sprintf("%d", len(n.items))
	case "maxProperties":
		return fmt.Sprintf("%d", len(n.fields))
	}
	return r.show(p, n)
}

func wantFor(keyword string, f *schemaField) string {
	switch keyword {
	case "minimum":
		return "must be at least " + f.Minimum.String()
	case "maximum":
		return "must be at most " + f.Maximum.String()
	case "minLength":
		return "must not be empty"
	case "maxLength":
		return fmt.Sprintf("must not be longer than %d characters", f.MaxLength)
	case "minItems":
		return fmt.Sprintf("must have at least %d %s", f.MinItems, plural("item", f.MinItems))
	case "maxItems":
		return fmt.Sprintf("must not have more than %d items", f.MaxItems)
	case "maxProperties":
		return fmt.Sprintf("must not have more than %d keys", f.MaxProperties)
	case "pattern":
		return f.PatternErrorMessage
	}
	return "does not fit the schema (" + keyword + ")"
}

func (r *reporter) missing(p path, n *node, f *schemaField) {
	for _, name := range f.Required {
		if n.field(name) == nil && !misspelt(name, n, f) && !wrapped(p, n, name) {
			child := p.key(name)
			r.at(r.placeOf(p), child, CodeMissing, "is required", "", exampleHint(child))
		}
	}
}

// misspelt reports that an unknown key beside it is this field with a typing
// error: the unknown key is reported, and once is enough.
func misspelt(name string, n *node, f *schemaField) bool {
	for _, c := range n.fields[:min(len(n.fields), maxProblems)] {
		if f.Properties[c.name] == nil && (nearest(c.name, []string{name}, 2) != "" || otherNames[fold(c.name)] == name) {
			return true
		}
	}
	return false
}

func (r *reporter) wrongType(p path, n *node, f *schemaField) {
	types := typesOf(f)
	want := make([]string, 0, len(types))
	for _, t := range types {
		want = append(want, typeWords[t])
	}
	found := r.show(p, n)
	if slices.Contains(types, "object") {
		found = string(n.kind) // a scalar in the place of a block may be anything, a secret too
	} else if n.kind != kindNull && n.kind != kindMap && n.kind != kindList && !secretPath(p) {
		found = strings.TrimPrefix(found, string(n.kind)+" ")
		if n.kind == kindNumber {
			found = "the number " + found
		}
	}
	r.add(p, CodeType, "must be "+strings.Join(want, " or "), found, typeHint(p, n, types))
}

var typeWords = map[string]string{
	"string": "a string", "integer": "a whole number", "number": "a number",
	"boolean": "true or false", "object": "a mapping", "array": "a list",
}

func typesOf(f *schemaField) []string {
	switch t := f.Type.(type) {
	case string:
		return []string{t}
	case []any:
		var out []string
		for _, one := range t {
			out = append(out, fmt.Sprint(one))
		}
		return out
	}
	return nil
}

// checkNumbers refuses what is a whole number to the validator and something
// else to a reader: 010, 0x1f, 1_000, 5432.0.
func (r *reporter) checkNumbers(n *node, p path) {
	if n == nil {
		return
	}
	if n.kind == kindNumber && !n.plain {
		if f := fieldAt(p); f != nil && slices.Contains(typesOf(f), "integer") {
			r.add(p, CodeType, "must be a whole number in plain decimal digits", "the number "+r.show(p, n), "")
		}
	}
	for _, c := range n.fields {
		r.checkNumbers(c.node, p.key(c.name))
	}
	for i, item := range n.items {
		r.checkNumbers(item, p.index(i))
	}
}

// plainValue is the tree as the validator takes it. What could not be built is
// left out; it has its problem already.
func (n *node) plainValue() any {
	if n == nil {
		return nil
	}
	switch n.kind {
	case kindMap:
		m := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			if f.node != nil {
				m[f.name] = f.node.plainValue()
			}
		}
		return m
	case kindList:
		list := make([]any, 0, len(n.items))
		for _, item := range n.items {
			list = append(list, item.plainValue())
		}
		return list
	default:
		return n.value
	}
}
