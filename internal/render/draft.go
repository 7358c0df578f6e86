package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
	"github.com/circleci-dr/circleci-dr/spec"
)

// The columns of a written file: where a comment behind a field begins, how long
// a line with one may be, and where a comment of its own breaks.
const (
	commentColumn = 41
	draftWidth    = 120
	commentWidth  = 100
)

// Draft writes a first spec as a file: what is known as fields, in the order of
// the schema; what is offered as comments, with the schema's examples and its
// words.
func Draft(d server.Draft) (string, error) {
	known, err := tree(d.Spec)
	if err != nil {
		return "", err
	}
	w := draftWriter{draft: d, said: map[string]bool{}}
	for _, f := range spec.Fields() {
		if f.Name != "apiVersion" && f.Name != "name" && (w.offers(f.Name) || known.ToMap()[f.Name] != nil) {
			w.line("")
		}
		w.field(f, "", "", known)
	}
	head := draftWriter{}
	head.line("# yaml-language-server: $schema=circleci-dr.v1.schema.json")
	head.comment("", strings.Join(d.Head, "\n"))
	for _, path := range slices.Sorted(maps.Keys(d.Remarks)) {
		if !w.said[path] { // about a field that is not written, not even as a comment
			head.comment("", path+": "+paragraphs(d.Remarks[path]))
		}
	}
	return head.out.String() + w.out.String(), nil
}

// tree is a spec as mappings, in the order of its fields, without what is
// empty.
func tree(s spec.Spec) (yaml.MapSlice, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write the spec: %w", err)
	}
	var out yaml.MapSlice
	if err := yaml.UnmarshalWithOptions(data, &out, yaml.UseOrderedMap()); err != nil {
		return nil, fmt.Errorf("write the spec: %w", err)
	}
	return pruned(out), nil
}

// pruned is a mapping without mappings that have nothing in them.
func pruned(m yaml.MapSlice) yaml.MapSlice {
	var out yaml.MapSlice
	for _, item := range m {
		if below, ok := item.Value.(yaml.MapSlice); ok {
			if below = pruned(below); len(below) == 0 {
				continue
			}
			item.Value = below
		}
		out = append(out, item)
	}
	return out
}

// paragraphs puts remarks one below the other, so that each ends where the next
// one begins.
func paragraphs(remarks []string) string {
	out := slices.Clone(remarks)
	for i := range len(out) - 1 {
		if lines := strings.Split(out[i], "\n"); !strings.HasPrefix(lines[len(lines)-1], "  ") { // a command
			out[i] += "."
		}
	}
	return strings.Join(out, "\n")
}

type draftWriter struct {
	draft server.Draft
	out   strings.Builder
	said  map[string]bool // remarks that were written
}

func (w *draftWriter) line(text string) { w.out.WriteString(text + "\n") }

// offers tells whether a field, or one below it, is to be filled in.
func (w *draftWriter) offers(path string) bool {
	return slices.ContainsFunc(w.draft.Offers, func(o string) bool { return o == path || strings.HasPrefix(o, path+".") })
}

// field writes a field that is known, or one that is offered. indent is what
// stands before it: spaces, and the comment sign once a block is one.
func (w *draftWriter) field(f spec.Field, parent, indent string, known yaml.MapSlice) {
	path := strings.TrimPrefix(parent+"."+f.Name, ".")
	value := known.ToMap()[f.Name]
	offered := value == nil && w.offers(path)
	if value == nil && !offered {
		return
	}
	about, outer := paragraphs(w.draft.Remarks[path]), indent
	w.said[path] = true
	if offered {
		if about == "" {
			about = f.Description
		}
		if !strings.Contains(indent, "#") {
			indent += "# "
		}
	}
	text := f.Name + ":"
	switch {
	case len(f.Fields) > 0:
	case offered:
		text += " " + scalarOrFlow(f.Example)
	default:
		text += " " + scalarOrFlow(value)
	}
	w.leaf(outer, indent+text, about)
	below, _ := value.(yaml.MapSlice)
	for _, child := range f.Fields {
		w.field(child, path, indent+"  ", below)
	}
}

// leaf writes a line with its comment: behind it where there is room, else
// above. A field that is a comment itself has it outside of that, so that
// nothing but the field is left when the sign is taken away.
func (w *draftWriter) leaf(indent, line, about string) {
	if about == "" {
		w.line(line)
		return
	}
	padded := line + strings.Repeat(" ", max(3, commentColumn-len([]rune(line)))) + "# " + about
	if len([]rune(padded)) <= draftWidth && !strings.Contains(about, "\n") {
		w.line(padded)
		return
	}
	w.comment(indent, about)
	w.line(line)
}

// comment writes text in lines of its own. A command, which is indented, stays
// on one line.
func (w *draftWriter) comment(indent, text string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		if strings.HasPrefix(paragraph, "  ") {
			w.line(indent + "# " + paragraph)
			continue
		}
		for _, word := range strings.Fields(paragraph) {
			if line != "" && len([]rune(indent+line+word)) > commentWidth {
				w.line(indent + "# " + line)
				line = ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		w.line(indent + "# " + line)
	}
}
