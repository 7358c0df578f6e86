package values

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// eol is the line end used at a line.
func (d *document) eol(line int) string {
	for i := min(max(line, 0), len(d.lines)-1); i >= 0; i-- {
		if strings.HasSuffix(d.lines[i], "\r\n") {
			return "\r\n"
		}
		if strings.HasSuffix(d.lines[i], "\n") {
			return "\n"
		}
	}
	return "\n"
}

// step is how deep the file indents.
func (d *document) step() int {
	list, _ := fields(d.root)
	for _, v := range list {
		_, outer := placeOf(v.Key.GetToken())
		if m, ok := v.Value.(*ast.MappingNode); ok && m.IsFlowStyle {
			continue
		}
		if below, ok := fields(v.Value); ok && len(below) > 0 {
			if _, inner := placeOf(below[0].Key.GetToken()); inner > outer {
				return inner - outer
			}
		}
	}
	return 2
}

// end is where the first document ends: before '...', or a '---' that is not
// its own.
func (d *document) end() int {
	begun := false
	for i, l := range d.lines {
		text := strings.TrimRight(l, "\r\n")
		marker := strings.HasPrefix(text, "---") && (len(text) == 3 || text[3] == ' ' || text[3] == '\t')
		switch {
		case strings.HasPrefix(text, "...") && (len(text) == 3 || text[3] == ' '), marker && begun:
			return i
		case marker:
			begun = true
		case text != "" && text[0] != '#' && text[0] != '%' && strings.TrimSpace(text) != "":
			begun = true
		}
	}
	return len(d.lines)
}

// sibling is the entry that the chart documents nearest before path's last
// name, where the file has it.
func sibling(list []*ast.MappingValueNode, path []string) *ast.MappingValueNode {
	var before []string
	prefix := strings.Join(path[:len(path)-1], ".")
	for _, p := range server.ValuesPaths() {
		names := strings.Split(p, ".")
		if len(names) < len(path) || strings.Join(names[:len(path)-1], ".") != prefix {
			continue
		}
		if names[len(path)-1] == path[len(path)-1] {
			break
		}
		before = append(before, names[len(path)-1])
	}
	for _, name := range slices.Backward(before) {
		if i := slices.IndexFunc(list, func(v *ast.MappingValueNode) bool { return keyText(v) == name }); i >= 0 {
			return list[i]
		}
	}
	return nil
}

// lastLine is the last line of an entry of plain values, 0 for one that cannot
// be told.
func lastLine(v *ast.MappingValueNode) int {
	switch node := unanchor(v.Value).(type) {
	case *ast.MappingNode:
		if node.IsFlowStyle {
			line, _ := placeOf(node.End)
			return line
		}
		last := 0
		for _, below := range node.Values {
			n := lastLine(below)
			if n == 0 {
				return 0
			}
			last = max(last, n)
		}
		return last
	case *ast.MappingValueNode:
		return lastLine(node)
	case *ast.NullNode:
		return lineOf(v.Key)
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.StringNode, *ast.AliasNode:
		return max(lineOf(v.Key), lineOf(node))
	}
	return 0
}
