package spec

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

type kind string

const (
	kindNull   kind = "nothing"
	kindBool   kind = "true or false"
	kindNumber kind = "a number"
	kindString kind = "a string"
	kindMap    kind = "a mapping"
	kindList   kind = "a list"
)

// node is one value of the document: a detached copy of the parser's tree with
// what errors need, the places and the text as written.
type node struct {
	kind  kind
	at    place // of the key, for a field; of the value otherwise
	text  string
	value any
	// plain says that a number is written as decimal digits only.
	plain  bool
	fields []field
	byName map[string]*node
	items  []*node
}

type field struct {
	name string
	node *node
}

// field is the value of a key, nil when there is none or it could not be built.
func (n *node) field(name string) *node { return n.byName[name] }

// readDocument turns bytes into a tree, or into the reason why not. Nothing
// past a fault is looked at.
func readDocument(data []byte) (root ast.Node, stop *fault) {
	// The parser is given hostile input by design; a panic in it is a file
	// that cannot be read, not a crash of ours.
	defer func() {
		if r := recover(); r != nil {
			root, stop = nil, &fault{place{1, 1}, CodeSyntax, "not valid YAML: the parser gave up", "check indentation, quotes and brackets; start from a file in examples/"}
		}
	}()
	tokens := lexer.Tokenize(string(data))
	if f := guardTokens(tokens); f != nil {
		return nil, f
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return nil, syntaxFault(err)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			return nil, &fault{tokenPlace(doc.Body.GetToken()), CodeYAML, "the file must hold one YAML document", "one file per installation"}
		}
		root = doc.Body
	}
	return root, nil
}

func syntaxFault(err error) *fault {
	f := &fault{place{1, 1}, CodeSyntax, "not valid YAML", "check indentation, quotes and brackets here and in the line above"}
	var located yaml.Error
	if errors.As(err, &located) {
		f.at, f.want = tokenPlace(located.GetToken()), syntaxText(located.GetMessage())
	}
	return f
}

// builder copies the parser's tree and collects what it cannot accept.
type builder struct {
	report *reporter
}

func (b *builder) build(n ast.Node, at place, path path) *node {
	if len(path) > maxDepth {
		b.report.at(at, path, CodeLimit, fmt.Sprintf("must not be nested deeper than %d levels", maxDepth), "", "a spec has seven levels")
		return nil
	}
	switch n := n.(type) {
	case nil:
		return &node{kind: kindNull, at: at}
	case *ast.MappingNode:
		return b.mapping(n.Values, at, path)
	case *ast.MappingValueNode:
		return b.mapping([]*ast.MappingValueNode{n}, at, path)
	case *ast.SequenceNode:
		list := &node{kind: kindList, at: at}
		for i, item := range n.Values {
			child := path.index(i)
			list.items = append(list.items, b.build(item, startOf(item, at), child))
		}
		return list
	}
	return b.scalar(n, at, path)
}

func (b *builder) mapping(values []*ast.MappingValueNode, at place, path path) *node {
	m := &node{kind: kindMap, at: at, byName: map[string]*node{}}
	for _, v := range values {
		key, ok := v.Key.(ast.ScalarNode)
		keyAt := startOf(v.Key, at)
		if !ok {
			b.report.at(keyAt, path, CodeYAML, "a key must be a plain word", "", "write key: value")
			continue
		}
		name := key.GetToken().Value
		child := path.key(name)
		if first := m.field(name); first != nil {
			b.report.at(keyAt, child, CodeDuplicate, "must be given once", "", fmt.Sprintf("it is already given in line %d; keep one of the two", first.at.line))
			continue
		}
		value := b.build(v.Value, keyAt, child)
		m.fields = append(m.fields, field{name, value})
		m.byName[name] = value
	}
	return m
}

var (
	decimal = regexp.MustCompile(`^-?(0|[1-9][0-9]*)$`)
	// numeral finds numbers that the parser makes strings of because they are
	// too large for it.
	numeral = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?$`)
)

func (b *builder) scalar(n ast.Node, at place, path path) *node {
	out := &node{at: at}
	if t := n.GetToken(); t != nil {
		out.text = t.Value
	}
	switch n := n.(type) {
	case *ast.NullNode:
		out.kind = kindNull
	case *ast.BoolNode:
		out.kind, out.value = kindBool, n.Value
	case *ast.StringNode:
		out.kind, out.value, out.text = kindString, n.Value, n.Value
		if n.Token.Type == token.StringType && numeral.MatchString(n.Value) {
			return b.number(out, path)
		}
	case *ast.LiteralNode:
		out.kind, out.value, out.text = kindString, n.Value.Value, n.Value.Value
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return b.number(out, path)
	default:
		b.report.at(at, path, CodeYAML, "this kind of YAML is not accepted", "", "write a plain value, a mapping or a list")
		return nil
	}
	if r, found := firstHidden(out.text, path); found && refPath(path) != len(path) {
		b.report.at(at, path, CodeValue, fmt.Sprintf("must not hold the invisible or control character %U", r), "", "remove it")
		return nil
	}
	return out
}

// number reads the text itself: the parser would take 010 for eight and
// 1_000 for a thousand, and a reviewer would not.
func (b *builder) number(out *node, path path) *node {
	out.kind, out.plain = kindNumber, decimal.MatchString(out.text)
	if i, err := strconv.ParseInt(out.text, 10, 64); err == nil {
		out.value = i
		return out
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(out.text, "_", ""), 64)
	switch {
	case err == nil && !math.IsInf(f, 0) && !math.IsNaN(f):
		out.value = f
	case err == nil || errors.Is(err, strconv.ErrRange):
		b.report.at(out.at, path, CodeValue, "must be a number of ordinary size", b.report.show(path, out), "")
		return nil
	default: // hexadecimal, octal, binary: a number by type, refused by its form
		out.value = int64(1)
	}
	return out
}

// firstHidden finds what an escape (\u202e) smuggled past the guards on bytes.
// Annotations may have several lines.
func firstHidden(text string, path path) (rune, bool) {
	lines := len(path) > 1 && path[0] == "mover" && path[1] == "annotations"
	for _, r := range text {
		if lines && (r == '\n' || r == '\t') {
			continue
		}
		if hidden(r) || r == '\uFFFD' {
			return r, true
		}
	}
	return 0, false
}

// startOf is where a node begins: the parser gives a mapping the place of its
// first colon.
func startOf(n ast.Node, fallback place) place {
	switch v := n.(type) {
	case nil:
		return fallback
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return startOf(v.Values[0].Key, fallback)
		}
	case *ast.MappingValueNode:
		return startOf(v.Key, fallback)
	}
	if t := n.GetToken(); t != nil && t.Position != nil {
		return tokenPlace(t)
	}
	return fallback
}
