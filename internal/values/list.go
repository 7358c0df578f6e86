package values

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// appendTo puts entries behind those that a list has; what is there stays as it
// is written.
func (d *document) appendTo(e entry, seq *ast.SequenceNode, names []string, v any) ([]change, error) {
	list, _ := v.([]any)
	has, _ := server.ValueAt(d.tree, names...).([]any)
	if len(has) > len(list) || !slices.EqualFunc(has, list[:len(has)], server.SameValue) {
		return nil, d.byHand(e)
	}
	if seq.IsFlowStyle {
		return d.appendInFlow(e, seq, list[len(has):], len(has) == 0)
	}
	line, start, ok := d.byteAt(placeOf(seq.Start))
	if !ok || strings.Trim(d.lines[line][:start], " ") != "" {
		return nil, d.byHand(e)
	}
	last := d.lastOf(line, start)
	var lines []string
	for _, entry := range list[len(has):] {
		lines = append(lines, d.lines[line][:start]+"- "+write(entry, doubleStyle)+d.eol(last-1))
	}
	return []change{d.insert(last, lines)}, nil
}

// appendInFlow adds entries before the bracket that ends a list.
func (d *document) appendInFlow(e entry, seq *ast.SequenceNode, more []any, empty bool) ([]change, error) {
	line, end, ok := d.byteAt(placeOf(seq.End))
	if !ok || !strings.HasPrefix(d.lines[line][end:], "]") {
		return nil, d.byHand(e)
	}
	text := strings.Trim(write(more, doubleStyle), "[]")
	if !empty {
		text = ", " + text
	}
	head := d.lines[line][:end]
	if body := strings.TrimRight(head, " "); body != "" {
		head = body
	}
	return []change{{at: line, replace: true, text: []string{head + text + d.lines[line][end:]},
		old: []string{"… ]"}, added: shownLines([]string{"…" + text + "]"})}}, nil
}

// lastOf is where a list ends whose dashes stand at a column: a text of
// several lines is indented deeper than they are.
func (d *document) lastOf(first, column int) int {
	end := first + 1
	for i := end; i < len(d.lines); i++ {
		body := strings.TrimLeft(d.lines[i], " ")
		at := len(d.lines[i]) - len(body)
		switch {
		case strings.TrimSpace(body) == "" || strings.HasPrefix(body, "#"):
		case at > column || at == column && strings.HasPrefix(body, "-"):
			end = i + 1
		default:
			return end
		}
	}
	return end
}
