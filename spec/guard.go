package spec

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml/token"
)

// The limits hold before the parser sees anything: its time grows with the
// square of the keys in a mapping, and its memory with the depth. A spec in
// full is 2 KiB, 400 tokens and seven levels.
const (
	maxBytes     = 256 << 10
	maxLine      = 8 << 10
	maxTokens    = 6_000
	maxIndent    = 100
	maxDepth     = 16
	maxCompact   = 8
	maxLineCount = 10_000
)

// place is a position in the file, both counted from 1, columns in characters.
type place struct{ line, column int }

// fault is a problem that stops the reading: what comes after it could not be
// trusted.
type fault struct {
	at         place
	code       Code
	want, hint string
}

// normalize takes a byte order mark away and turns CRLF into LF, so that
// positions are the ones an editor shows.
func normalize(data []byte) []byte {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	return bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
}

// guardBytes finds what must not reach the lexer. data is normalized.
func guardBytes(data []byte) *fault {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return &fault{place{1, 1}, CodeFile, "must be UTF-8, and this is UTF-16", "save the file as UTF-8"}
	}
	if len(data) > maxBytes {
		return &fault{placeOf(data, maxBytes), CodeLimit, fmt.Sprintf("the file must not be larger than %d KiB", maxBytes>>10), "a spec has a few KiB; is this the right file?"}
	}
	if f := guardRunes(data); f != nil {
		return f
	}
	return guardLines(data)
}

func guardRunes(data []byte) *fault {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return &fault{placeOf(data, i), CodeFile, fmt.Sprintf("must be UTF-8: byte 0x%02x is not", data[i]), "save the file as UTF-8"}
		case r == 0:
			return &fault{placeOf(data, i), CodeFile, "a NUL character is not allowed", "is this a text file?"}
		case r == '\r':
			return &fault{placeOf(data, i), CodeFile, "a carriage return alone does not end a line", "save the file with line ends LF or CRLF"}
		case r != '\n' && r != '\t' && hidden(r):
			return &fault{placeOf(data, i), CodeFile, fmt.Sprintf("character %U is invisible or a control character and not allowed", r), "remove it: a reviewer cannot see it"}
		}
		i += size
	}
	return nil
}

// hidden reports characters that a reviewer does not see or that change what
// he sees: controls, line breaks that are none in YAML 1.2, marks that turn
// the direction of text, a byte order mark inside.
func hidden(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == 0x2028 || r == 0x2029
}

func guardLines(data []byte) *fault {
	number := 0
	for len(data) > 0 {
		line := data
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			line, data = data[:end], data[end+1:]
		} else {
			data = nil
		}
		number++
		if number > maxLineCount {
			return &fault{place{number, 1}, CodeLimit, fmt.Sprintf("the file must not have more than %d lines", maxLineCount), "a spec has some dozens; is this the right file?"}
		}
		if len(line) > maxLine {
			return &fault{place{number, 1}, CodeLimit, fmt.Sprintf("a line must not be longer than %d bytes", maxLine), "nothing in a spec is that long"}
		}
		if f := guardIndent(line, number); f != nil {
			return f
		}
	}
	return nil
}

func guardIndent(line []byte, number int) *fault {
	text := bytes.TrimLeft(line, " ")
	indent := len(line) - len(text)
	if len(text) == 0 || text[0] == '#' {
		return nil
	}
	if text[0] == '\t' {
		return &fault{place{number, indent + 1}, CodeFile, "a line must not begin with a tab", "YAML is indented with spaces"}
	}
	if indent > maxIndent {
		return &fault{place{number, indent + 1}, CodeLimit, fmt.Sprintf("a line must not be indented by more than %d spaces", maxIndent), "a spec has seven levels"}
	}
	compact := 0
	for len(text) > 1 && (text[0] == '-' || text[0] == '?' || text[0] == ':') && (text[1] == ' ' || text[1] == '\t') {
		compact++
		text = bytes.TrimLeft(text[1:], " \t")
	}
	if compact > maxCompact {
		return &fault{place{number, indent + 1}, CodeLimit, fmt.Sprintf("lists must not be nested deeper than %d levels in one line", maxCompact), "a spec has no list of lists"}
	}
	return nil
}

// guardTokens finds what must not reach the parser.
func guardTokens(tokens token.Tokens) *fault {
	if len(tokens) > maxTokens {
		return &fault{tokenPlace(tokens[maxTokens]), CodeLimit, fmt.Sprintf("the file must not have more than %d YAML tokens", maxTokens), "a spec has some hundreds; is this the right file?"}
	}
	depth, documents, content := 0, 0, false
	for _, t := range tokens {
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
			if depth > maxDepth {
				return &fault{tokenPlace(t), CodeLimit, fmt.Sprintf("brackets must not be nested deeper than %d levels", maxDepth), "a spec has seven levels"}
			}
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.DocumentHeaderType:
			documents++
			if documents > 1 || content {
				return &fault{tokenPlace(t), CodeYAML, "the file must hold one YAML document, and here a second one begins", "one file per installation: remove the '---' line and what follows, or move it to a file of its own"}
			}
		default:
		}
		if f := refuseToken(t); f != nil {
			return f
		}
		if t.Type != token.CommentType && t.Type != token.DocumentHeaderType {
			content = true
		}
	}
	return nil
}

// refuseToken names the YAML that is not accepted here; docs/adr has the why.
func refuseToken(t *token.Token) *fault {
	at := tokenPlace(t)
	switch t.Type {
	case token.AnchorType:
		return &fault{at, CodeYAML, "an anchor (&name) is not accepted", "write the value where it is used; quote it if it begins with '&'"}
	case token.AliasType:
		return &fault{at, CodeYAML, "an alias (*name) is not accepted", "write the value where it is used; quote it if it begins with '*'"}
	case token.MergeKeyType:
		return &fault{at, CodeYAML, "a merge key (<<) is not accepted", "write the fields where they are used"}
	case token.TagType:
		return &fault{at, CodeYAML, "a tag (!name) is not accepted", "write the plain value; quote it if it begins with '!' or must be a string"}
	case token.DirectiveType:
		return &fault{at, CodeYAML, "a directive (%NAME) is not accepted", "remove the line"}
	case token.DocumentEndType:
		if next := t.Next; next != nil {
			return &fault{tokenPlace(next), CodeYAML, "nothing may follow the end of the document (...)", "remove the '...' line"}
		}
	default:
	}
	return nil
}

func tokenPlace(t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{1, 1}
	}
	return place{max(t.Position.Line, 1), max(t.Position.Column, 1)}
}

// placeOf turns a byte offset into a place.
func placeOf(data []byte, offset int) place {
	before := data[:min(offset, len(data))]
	start := bytes.LastIndexByte(before, '\n') + 1
	return place{bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[start:]) + 1}
}

// syntaxText keeps of a parser's message what cannot hold text of the file: the
// line may be the one with a password.
func syntaxText(message string) string {
	if cut := strings.IndexAny(message, ":\"`"); cut >= 0 {
		message = message[:cut]
	}
	message = strings.TrimSpace(message)
	if strings.Count(message, "'")%2 != 0 || message == "" || len(message) > 100 {
		return "not valid YAML"
	}
	return "not valid YAML: " + message
}
