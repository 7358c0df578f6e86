package spec

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"
)

const refHint = `write {secret: {name: NAME, key: KEY}}, {env: NAME} or {file: PATH}`

// badRef words everything that can be wrong with a reference to a secret. It
// never shows the value, nor a key that may be the secret itself.
func (r *reporter) badRef(p path, n *node) {
	kinds := []string{"secret", "env", "file"}
	switch {
	case n == nil || n.kind == kindNull:
		r.add(p, CodeSecret, "must be a reference to a secret", string(kindNull), refHint)
	case n.kind == kindString && p[len(p)-1] == "ca":
		r.badAuthority(p, n)
	case n.kind != kindMap:
		r.add(p, CodeSecret, "must be a reference to a secret, never the secret itself", string(n.kind)+" that is not shown",
			refHint+"; if the value was a real secret, change it: it has been in this file")
	case len(n.fields) == 0:
		r.add(p, CodeSecret, "must be a reference to a secret", "an empty mapping", refHint)
	default:
		var known int
		for _, f := range n.fields {
			if slices.Contains(kinds, f.name) {
				known++
				continue
			}
			r.add(p, CodeSecret, "must be a reference to a secret, with exactly one of secret, env and file", "another key, which is not shown", refKeyHint(f.name, kinds))
		}
		if known > 1 {
			r.add(p, CodeSecret, "must have exactly one of secret, env and file", fmt.Sprintf("%d of them", known), "keep the one that is meant")
		}
	}
}

// repeated words each item of a list that is there before.
func (r *reporter) repeated(p path, n *node) {
	first := map[string]int{}
	for i, item := range n.items {
		if item == nil || item.kind != kindString {
			continue
		}
		if j, seen := first[item.text]; seen {
			r.add(p.index(i), CodeDuplicate, "must be given once", "", fmt.Sprintf("it is already given as %s; remove one of the two", p.index(j)))
			continue
		}
		first[item.text] = i
	}
}

// unknownKeys words each key that is no field here.
func (r *reporter) unknownKeys(p path, n *node, f *schemaField) {
	siblings := sortedKeys(f.Properties)
	for _, c := range n.fields {
		if f.Properties[c.name] != nil {
			continue
		}
		child := p.key(c.name)
		at := r.placeOf(p)
		if c.node != nil {
			at = c.node.at
		}
		hint := ""
		if len(r.items) < maxProblems { // nobody reads more, and looking for what was meant is not free
			hint = unknownHint(c.name, p, siblings)
		}
		r.at(at, child, CodeUnknownKey, "no such field", "", hint)
	}
}

// unknownHint says what was probably meant: a field beside it, or one that
// belongs to another block.
func unknownHint(name string, parent path, siblings []string) string {
	if near := nearest(name, siblings, 1); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	if hint := meantHint(name, parent, siblings); hint != "" {
		return hint
	}
	if homes := homesOf(name, parent); len(homes) > 0 {
		return fmt.Sprintf("it belongs to another block: %s", strings.Join(homes, ", "))
	}
	if near := Nearest(name, siblings); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	where := "here"
	if len(parent) == 0 {
		where = "at the top"
	}
	return fmt.Sprintf("the fields %s are %s", where, strings.Join(siblings, ", "))
}

// homesOf lists where a key of this name lives: the places nearest to where it
// was written, at most three.
func homesOf(name string, parent path) []string {
	var homes []path
	var walk func(f *schemaField, p path)
	walk = func(f *schemaField, p path) {
		for _, key := range sortedKeys(f.Properties) {
			child := p.key(key)
			if fold(key) == fold(name) {
				homes = append(homes, child)
			}
			walk(f.Properties[key], child)
		}
	}
	walk(described(), nil)
	best := 0
	for _, home := range homes {
		best = max(best, shared(home, parent))
	}
	homes = slices.DeleteFunc(homes, func(home path) bool { return shared(home, parent) < best })
	sort.SliceStable(homes, func(i, j int) bool { return len(homes[i]) < len(homes[j]) })
	var names []string
	for _, home := range homes[:min(3, len(homes))] {
		names = append(names, home.String())
	}
	return names
}

// shared counts the parts that two paths begin with alike.
func shared(a, b path) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

func sortedKeys(m map[string]*schemaField) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func oneOf(choices []string) string {
	if len(choices) == 1 {
		return choices[0]
	}
	return "one of " + strings.Join(choices, ", ")
}

func plural(word string, n int) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func enumHint(p path) string {
	if len(p) == 1 && p[0] == "apiVersion" {
		return "this release reads and writes " + APIVersion + "; a file of a newer version needs a newer circleci-dr"
	}
	return ""
}

// exampleHint shows how a field is written.
func exampleHint(p path) string {
	f := fieldAt(p)
	if f == nil || len(f.Examples) == 0 || len(p) == 0 {
		return ""
	}
	return fmt.Sprintf("for example %s: %s", p[len(p)-1], flow(f.Examples[0]))
}

// flow writes an example the way the spec does.
func flow(v any) string {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		parts := make([]string, 0, len(v))
		for _, k := range keys {
			parts = append(parts, k+": "+flow(v[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		parts := make([]string, 0, len(v))
		for _, one := range v {
			parts = append(parts, flow(one))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return v
	}
	out, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(out)
}

// neverBareNumbers are fields in which a quoted number would be the next error.
var neverBareNumbers = []string{"apiVersion", "version", "schedule", "store", "rpo", "rto", "location", "chart"}

func typeHint(p path, n *node, types []string) string {
	switch {
	case n.kind == kindNull:
		return "give it a value or remove the key"
	case slices.Contains(types, "string") && slices.Contains(neverBareNumbers, p[len(p)-1]):
		return exampleHint(p)
	case slices.Contains(types, "string") && (n.kind == kindNumber || n.kind == kindBool):
		if secretPath(p) {
			return "put it in quotes"
		}
		return fmt.Sprintf("put it in quotes: %s", quoteShort(n.text))
	case slices.Contains(types, "integer") && n.kind == kindString && decimal.MatchString(n.text):
		return "remove the quotes"
	case slices.Contains(types, "array") && n.kind == kindString:
		return "put it in brackets to make it a list of one"
	}
	return exampleHint(p)
}

// hintFor knows the mistakes that values of one field invite.
func hintFor(p path, n *node) string {
	if len(p) == 0 {
		return ""
	}
	switch last := p[len(p)-1]; {
	case last == "version" && strings.HasPrefix(n.text, "v"):
		return "write three numbers without a leading v, for example 4.10.0"
	case secretPath(p):
		return ""
	}
	return exampleHint(p)
}
