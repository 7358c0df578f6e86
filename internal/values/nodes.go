package values

import (
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// fields are the entries of a mapping, which the parser has two nodes for.
func fields(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

func unanchor(n ast.Node) ast.Node {
	if a, ok := n.(*ast.AnchorNode); ok {
		return a.Value
	}
	return n
}

// keyText is a key as Helm knows it, also of one written "? key"; "" for what
// is no plain word.
func keyText(v *ast.MappingValueNode) string {
	key := ast.Node(v.Key)
	for {
		switch n := key.(type) {
		case *ast.MappingKeyNode:
			key = n.Value
			continue
		case *ast.AnchorNode:
			key = n.Value
			continue
		case *ast.TagNode:
			key = n.Value
			continue
		}
		break
	}
	if k, ok := key.(ast.ScalarNode); ok && k.GetToken() != nil {
		return k.GetToken().Value
	}
	return ""
}

func placeOf(t *token.Token) (line, column int) {
	if t == nil || t.Position == nil {
		return 0, 0
	}
	return t.Position.Line, t.Position.Column
}

func lineOf(n ast.Node) int {
	switch v := n.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return lineOf(v.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return lineOf(v.Key)
	}
	line, _ := placeOf(n.GetToken())
	return line
}
