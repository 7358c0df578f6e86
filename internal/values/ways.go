package values

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// ways are the edits that may bring the value to names, the nicest first. Each
// is only a proposal: set takes the one that reads back right.
func (d *document) ways(names []string, v any) ([]change, error) {
	path, err := d.find(names)
	if err != nil {
		return nil, err
	}
	n := len(path)
	refuse := func(what, fix string) ([]change, error) {
		return nil, &Refusal{File: d.path, Line: lineOf(path[n-1].Key), What: strings.Join(names[:n], ".") + " " + what, Fix: fix}
	}
	if _, depth := d.reach(names); n < depth {
		block := d.root
		if n > 0 {
			block = path[n-1].Value
		}
		// Helm sees it, and it is no key of its own: merged in, or a key that
		// is an alias. What is merged in, a key of its own wins over.
		if list, ok := fields(unanchor(block)); ok && !merges(list) {
			return nil, &Refusal{File: d.path, Line: d.line(names), Fix: "edit it by hand: circleci-dr values prints the block",
				What: strings.Join(names[:n+1], ".") + " is written in a way that cannot be edited safely"}
		}
	}
	if n == 0 {
		if m, ok := d.root.(*ast.MappingNode); ok && m.IsFlowStyle {
			return d.intoFlow(m, names, n, v), nil
		}
		list, _ := fields(unanchor(d.root)) // nil for an empty file
		return d.intoBlock(nil, list, names, v)
	}
	if n == len(names) {
		if seq, ok := unanchor(path[n-1].Value).(*ast.SequenceNode); ok {
			return d.appendTo(path[n-1], seq, names, v)
		}
		return d.replaceValue(path[n-1], v)
	}
	switch node := unanchor(path[n-1].Value).(type) {
	case *ast.AliasNode:
		return refuse("is an alias", "write the block itself there")
	case *ast.NullNode, nil:
		return d.intoNothing(path[n-1], names[n:], v)
	case *ast.MappingNode:
		if node.IsFlowStyle && len(node.Values) == 0 && !path[n-1].flow {
			return d.intoNothing(path[n-1], names[n:], v)
		}
		if node.IsFlowStyle {
			return d.intoFlow(node, names, n, v), nil
		}
		return d.intoBlock(path, node.Values, names, v)
	case *ast.MappingValueNode:
		return d.intoBlock(path, []*ast.MappingValueNode{node}, names, v)
	}
	return refuse("is no mapping", "write it as a block")
}

// replaceValue writes another value after a key.
func (d *document) replaceValue(e entry, v any) ([]change, error) {
	at, err := d.spanOf(e)
	if err != nil {
		return nil, err
	}
	line := d.lines[at.line]
	text := write(v, at.style)
	if at.missing {
		text = " " + text
	}
	c := change{at: at.line, replace: true, text: []string{line[:at.start] + text + line[at.end:]}}
	key := keyText(e.MappingValueNode)
	if e.flow { // the line may hold anything, also a password
		was := strings.TrimSpace(line[at.start:at.end])
		c.old, c.added = []string{"… " + key + ": " + shownValue(was) + " …"}, []string{"… " + key + ": " + strings.TrimSpace(text) + " …"}
		return []change{c}, nil
	}
	rest := shownComment(line[at.end:])
	c.old = []string{line[:at.start] + shownValue(line[at.start:at.end]) + rest}
	c.added = shownLines([]string{line[:at.start] + text + rest})
	return []change{c}, nil
}

// intoNothing puts a block under a key that has no value yet, or an empty one.
func (d *document) intoNothing(e entry, rest []string, v any) ([]change, error) {
	at, err := d.spanOf(e)
	if err != nil {
		return nil, err
	}
	line := d.lines[at.line]
	if e.flow {
		text := "{" + flowText(rest, v, false) + "}"
		if at.missing {
			text = " " + text
		}
		return []change{{at: at.line, replace: true, text: []string{line[:at.start] + text + line[at.end:]},
			added: []string{"… " + keyText(e.MappingValueNode) + ": " + strings.TrimSpace(text) + " …"}}}, nil
	}
	keyLine, column := placeOf(e.Key.GetToken())
	if keyLine-1 != at.line {
		return nil, d.byHand(e)
	}
	block := d.blockLines(rest, v, column-1+d.step(), at.line)
	if at.missing {
		return []change{d.insert(at.line+1, block)}, nil
	}
	head := strings.TrimRight(line[:at.start], " ") + line[at.end:]
	if !strings.HasSuffix(head, "\n") {
		head += d.eol(at.line)
	}
	return []change{{at: at.line, replace: true, text: append([]string{head}, block...),
		old: []string{line[:at.end] + shownComment(line[at.end:])}, added: append([]string{strings.TrimRight(line[:at.start], " ") + shownComment(line[at.end:])}, block...)}}, nil
}

// intoFlow adds a key between brackets.
func (d *document) intoFlow(m *ast.MappingNode, names []string, n int, v any) []change {
	quoted := len(m.Values) > 0 && m.Values[0].Key.GetToken().Type == token.DoubleQuoteType // JSON stays JSON
	text := flowText(names[n:], v, quoted)
	var out []change
	if before := sibling(m.Values, names[:n+1]); before != nil {
		if at, err := d.spanOf(entry{before, true}); err == nil {
			line := d.lines[at.line]
			out = append(out, change{at: at.line, replace: true, text: []string{line[:at.end] + ", " + text + line[at.end:]}, added: []string{"… " + text + " …"}})
		}
	}
	if line, start, ok := d.byteAt(placeOf(m.Start)); ok && strings.HasPrefix(d.lines[line][start:], "{") {
		l := d.lines[line]
		head, rest := l[:start+1], l[start+1:]
		body := strings.TrimLeft(rest, " ")
		pad := rest[:len(rest)-len(body)]
		switch {
		case len(m.Values) == 0:
			head += text + rest
		case strings.TrimSpace(rest) == "": // the entries begin on the next line
			head += " " + text + "," + body
		default:
			head += pad + text + ", " + body
		}
		out = append(out, change{at: line, replace: true, text: []string{head}, added: []string{"… " + text + " …"}})
	}
	return out
}

// flowText is a value as it stands between brackets.
func flowText(rest []string, v any, quoted bool) string {
	was, quote := plainStyle, ""
	if _, isString := v.(string); quoted && isString {
		was = doubleStyle
	}
	if quoted {
		quote = `"`
	}
	text := quote + rest[len(rest)-1] + quote + ": " + write(v, was)
	for _, name := range slices.Backward(rest[:len(rest)-1]) {
		text = quote + name + quote + ": {" + text + "}"
	}
	return text
}

// intoBlock adds a line, or a block of them, to a mapping; without entries it
// is the file's own.
func (d *document) intoBlock(path []entry, list []*ast.MappingValueNode, names []string, v any) ([]change, error) {
	n := len(path)
	indent := 0
	if len(list) > 0 {
		line, start, ok := d.byteAt(placeOf(list[0].Key.GetToken()))
		if !ok || strings.Trim(strings.TrimRight(d.lines[line][:start], `"'`), " ") != "" {
			return nil, d.byHand(entry{MappingValueNode: list[0]})
		}
		indent = len(d.lines[line]) - len(strings.TrimLeft(d.lines[line], " "))
	}
	var out []change
	put := func(at int, blank bool) {
		block := d.blockLines(names[n:], v, indent, at-1)
		if blank {
			block = append([]string{d.eol(at - 1)}, block...)
		}
		out = append(out, d.insert(at, block))
	}
	if before := sibling(list, names[:n+1]); before != nil {
		if last := lastLine(before); last > 0 {
			put(last, false)
		}
	}
	if n > 0 && len(list) > 0 && merges(list) { // what is merged in wins over what stands before it
		put(lastLine(list[len(list)-1]), false)
	}
	if n > 0 {
		if line, _ := placeOf(path[n-1].Key.GetToken()); len(list) > 0 && lineOf(list[0].Key) > line {
			put(line, false)
		}
	} else {
		end := d.end()
		if end > 0 && strings.TrimSpace(d.lines[end-1]) != "" && slices.ContainsFunc(d.lines, func(l string) bool { return strings.TrimSpace(l) == "" }) {
			put(end, true)
		}
		put(end, false)
	}
	if len(list) > 0 {
		put(lineOf(list[0].Key)-1, false)
	}
	return out, nil
}

// insert puts lines before line at, behind a last line that has no end too.
func (d *document) insert(at int, lines []string) change {
	c := change{at: at, text: lines, added: shownLines(lines)}
	if at > 0 && !strings.HasSuffix(d.lines[at-1], "\n") {
		last := len(lines) - 1
		c.at, c.replace, c.same = at-1, true, true
		c.text = append([]string{d.lines[at-1] + d.eol(at-1)}, lines...)
		c.text[last+1] = strings.TrimRight(c.text[last+1], "\r\n") // the file keeps its bare end
	}
	return c
}

func (d *document) blockLines(rest []string, v any, indent, near int) []string {
	var out []string
	for i, name := range rest {
		at, lines := strings.Repeat(" ", indent+i*d.step()), []string(nil)
		if i == len(rest)-1 {
			lines = keyLines(at, strings.Repeat(" ", d.step()), name, v)
		} else {
			lines = []string{at + name + ":"}
		}
		for _, text := range lines {
			out = append(out, text+d.eol(near))
		}
	}
	return out
}

func merges(list []*ast.MappingValueNode) bool {
	return slices.ContainsFunc(list, func(v *ast.MappingValueNode) bool { return v.Key.Type() == ast.MergeKeyType })
}

func (d *document) byHand(e entry) error {
	return &Refusal{File: d.path, Line: lineOf(e.Key), Fix: "edit it by hand: circleci-dr values prints the block",
		What: fmt.Sprintf("%s is written in a way that cannot be edited safely", keyText(e.MappingValueNode))}
}
