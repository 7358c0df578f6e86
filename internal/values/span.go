package values

import (
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// span is where a value stands: bytes start to end of a line counted from 0.
type span struct {
	line, start, end int
	style            style
	// missing tells that nothing stands there: a value goes after the colon.
	missing bool
}

// byteAt turns the parser's line and column (characters, from 1) into ours.
func (d *document) byteAt(line, column int) (int, int, bool) {
	if line < 1 || line > len(d.lines) || column < 1 {
		return 0, 0, false
	}
	at := 0
	for i := range d.lines[line-1] {
		if at++; at == column {
			return line - 1, i, true
		}
	}
	return 0, 0, false
}

// spanOf finds the value of an entry in the text itself. The parser says where
// the key is and of what kind the value; a value of several lines, a tag and a
// block of text are refused.
func (d *document) spanOf(e entry) (span, error) {
	line, start, ok := d.byteAt(placeOf(e.Key.GetToken()))
	if !ok {
		return span{}, d.byHand(e)
	}
	colon := afterKey(d.lines[line], start, keyText(e.MappingValueNode))
	if colon < 0 {
		return span{}, d.byHand(e)
	}
	node := unanchor(e.Value)
	at := skip(d.lines[line], colon+1)
	if !begins(d.lines[line], at) {
		if _, null := node.(*ast.NullNode); null || node == nil {
			return span{line: line, start: colon + 1, end: colon + 1, missing: true}, nil
		}
		if line, at, ok = d.byteAt(placeOf(node.GetToken())); !ok { // the value has a line of its own
			return span{}, d.byHand(e)
		}
	}
	text := d.lines[line]
	if text[at] == '&' { // the anchor stays
		name := strings.IndexAny(text[at:], " \t\r\n")
		if at = skip(text, at+name); name < 0 || !begins(text, at) {
			return span{}, d.byHand(e)
		}
	}
	if _, null := node.(*ast.NullNode); null && strings.ContainsRune(",}", rune(text[at])) && e.flow {
		return span{line: line, start: colon + 1, end: colon + 1, missing: true}, nil
	}
	end, st := scan(text, at, e.flow)
	if end <= at {
		return span{}, d.byHand(e)
	}
	return span{line: line, start: at, end: end, style: st}, nil
}

// afterKey is the index of the colon after a key that begins at start, -1 when
// it does not stand there.
func afterKey(line string, start int, name string) int {
	quoted := line[start] == '"' || line[start] == '\''
	if !quoted && start > 0 && (line[start-1] == '"' || line[start-1] == '\'') {
		start, quoted = start-1, true
	}
	end := start + len(name)
	if quoted {
		end += 2
	}
	if end > len(line) || !strings.Contains(line[start:end], name) {
		return -1
	}
	if at := skip(line, end); at < len(line) && line[at] == ':' {
		return at
	}
	return -1
}

func skip(line string, at int) int {
	for at < len(line) && (line[at] == ' ' || line[at] == '\t') {
		at++
	}
	return at
}

// begins tells whether something but a comment stands at an index.
func begins(line string, at int) bool {
	return at < len(line) && line[at] != '\r' && line[at] != '\n' && (line[at] != '#' || at > 0 && line[at-1] != ' ' && line[at-1] != '\t')
}

// scan gives the end of a scalar or an alias that begins at start, or 0 for
// what it cannot tell.
func scan(line string, start int, flow bool) (int, style) {
	switch line[start] {
	case '"', '\'':
		quote := line[start]
		for i := start + 1; i < len(line); i++ {
			switch {
			case line[i] == '\\' && quote == '"':
				i++
			case line[i] == quote && quote == '\'' && i+1 < len(line) && line[i+1] == quote:
				i++
			case line[i] == quote:
				return i + 1, style(quote)
			}
		}
		return 0, plainStyle
	case '{':
		if at := skip(line, start+1); at < len(line) && line[at] == '}' { // an empty mapping
			return at + 1, plainStyle
		}
		return 0, plainStyle
	case '|', '>', '!', '[', '%', '@', '`', ',', ']', '}', '?':
		return 0, plainStyle
	}
	end := len(strings.TrimRight(line, "\r\n"))
	for i := start; i < end; i++ {
		comment := line[i] == '#' && i > 0 && (line[i-1] == ' ' || line[i-1] == '\t')
		if comment || flow && strings.IndexByte(",[]{}", line[i]) >= 0 {
			end = i
		}
	}
	return start + len(strings.TrimRight(line[start:end], " \t")), plainStyle
}

// sensitive finds words around which people write secrets.
var sensitive = regexp.MustCompile(`(?i)passw|secret|token|credential|key|@`)

// shownComment is the rest of a line as far as it may be shown.
func shownComment(rest string) string {
	if i := strings.IndexByte(rest, '#'); i >= 0 && sensitive.MatchString(rest[i:]) {
		return rest[:i] + "# …"
	}
	return rest
}

// shownValue is a value as far as it may be shown.
func shownValue(text string) string {
	if strings.ContainsAny(text, "=@") && sensitive.MatchString(text) {
		return "…"
	}
	return text
}
