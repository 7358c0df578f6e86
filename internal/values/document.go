package values

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	helmyaml "sigs.k8s.io/yaml"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// maxBytes is more than any values file has; the parser's time grows with the
// square of the keys in one mapping.
const maxBytes = 512 << 10

const bom = "\xef\xbb\xbf"

// document is one values file.
type document struct {
	path string
	data []byte
	// tree is what Helm reads: it decides what a value is. The parser with
	// positions only says where it stands.
	tree map[string]any
	// lines are the file's, line ends included, without a byte order mark.
	lines []string
	root  ast.Node
	// unplaced is why nothing has a position: the two parsers disagree, and
	// what Helm reads counts. Such a file is read and not edited.
	unplaced error
}

func load(path string) (*document, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read values file: %w", err)
	case !info.Mode().IsRegular():
		return nil, &Refusal{File: path, What: "is not a regular file", Fix: "name the file itself in server.values"}
	case info.Size() > maxBytes:
		return nil, &Refusal{File: path, What: fmt.Sprintf("is larger than %d KiB", maxBytes>>10), Fix: "is this the right file?"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read values file: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only: nothing is lost when closing fails
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read values file: %w", err)
	}
	return parse(path, data)
}

func parse(path string, data []byte) (*document, error) {
	d := &document{path: path, data: data}
	if err := d.guard(); err != nil {
		return nil, err
	}
	d.lines = strings.SplitAfter(string(bytes.TrimPrefix(data, []byte(bom))), "\n")
	if d.lines[len(d.lines)-1] == "" {
		d.lines = d.lines[:len(d.lines)-1]
	}
	if err := helmyaml.Unmarshal(data, &d.tree); err != nil {
		return nil, d.unreadable(err)
	}
	return d, d.place()
}

// guard finds what must not reach the parsers.
func (d *document) guard() error {
	refuse := func(offset int, what, fix string) error {
		return &Refusal{File: d.path, Line: bytes.Count(d.data[:offset], []byte("\n")) + 1, What: what, Fix: fix}
	}
	switch i := bytes.IndexByte(d.data, 0); {
	case len(d.data) > maxBytes:
		return &Refusal{File: d.path, What: fmt.Sprintf("is larger than %d KiB", maxBytes>>10), Fix: "is this the right file?"}
	case bytes.HasPrefix(d.data, []byte("\xff\xfe")) || bytes.HasPrefix(d.data, []byte("\xfe\xff")):
		return refuse(0, "is UTF-16", "save it as UTF-8")
	case i >= 0:
		return refuse(i, "holds a NUL character", "is this a text file?")
	}
	if !utf8.Valid(d.data) {
		i := 0
		for {
			r, size := utf8.DecodeRune(d.data[i:])
			if r == utf8.RuneError && size == 1 {
				return refuse(i, "is not UTF-8", "save it as UTF-8")
			}
			i += size
		}
	}
	for i, b := range d.data {
		if b == '\r' && (i+1 == len(d.data) || d.data[i+1] != '\n') {
			return refuse(i, "has a carriage return that ends no line", "save it with line ends LF or CRLF")
		}
	}
	if i := bytes.IndexAny(d.data, "\u0085\u2028\u2029"); i >= 0 { // line ends to some parsers and not to others
		return refuse(i, "has a Unicode line separator", "save it with line ends LF or CRLF")
	}
	return nil
}

// place parses for positions and refuses what Helm would half ignore.
func (d *document) place() (err error) {
	// The parser has bugs; a panic is a file that cannot be read.
	defer func() {
		if r := recover(); r != nil {
			d.unplaced = &Refusal{File: d.path, What: "is valid, and written in a way that cannot be edited safely", Fix: "edit it by hand"}
		}
	}()
	text := strings.ReplaceAll(strings.Join(d.lines, ""), "\r\n", "\n")
	tokens := lexer.Tokenize(text)
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.unplaced = d.unreadable(err)
		return nil
	}
	for i, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if _, ok := doc.Body.(*ast.CommentGroupNode); ok {
			continue
		}
		if i > 0 {
			return &Refusal{File: d.path, Line: lineOf(doc.Body), What: "a second YAML document begins here, and Helm reads the first only", Fix: "keep one document per file"}
		}
		d.root = doc.Body
	}
	if d.root == nil {
		return nil
	}
	if _, null := d.root.(*ast.NullNode); null {
		d.root = nil
	}
	return nil
}

var lineInText = regexp.MustCompile(`\bline (\d+)\b`)

// unreadable keeps of a parser's message the line only: the rest may be the one
// with a password.
func (d *document) unreadable(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return &Refusal{File: d.path, What: "is no mapping of Helm values", Fix: "is this the right file?"}
	}
	out := &Refusal{File: d.path, What: "is not valid YAML", Fix: "check indentation, quotes and brackets here and in the line above"}
	var located yaml.Error
	if errors.As(err, &located) && located.GetToken() != nil && located.GetToken().Position != nil {
		out.Line = located.GetToken().Position.Line
	} else if m := lineInText.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			out.Line = min(n, max(len(d.lines), 1))
		}
	}
	if i := d.tabbed(); i > 0 && (out.Line == 0 || i <= out.Line+1) {
		out.Line, out.What, out.Fix = i, "is indented with a tab, which YAML does not allow", "indent with spaces"
	}
	return out
}

var tabIndent = regexp.MustCompile(`^ *\t\s*[^\s#]`)

// tabbed is the first line indented with a tab, 0 without one.
func (d *document) tabbed() int {
	for i, l := range d.lines {
		if tabIndent.MatchString(l) {
			return i + 1
		}
	}
	return 0
}

// entry is a key of a mapping and what it took to reach it.
type entry struct {
	*ast.MappingValueNode
	flow bool // inside brackets
}

// find follows names as far as the file's own lines go. Entries are nil from
// the first name that is not there as a key of its own.
func (d *document) find(names []string) ([]entry, error) {
	var out []entry
	node, flow := d.root, false
	for i, name := range names {
		list, ok := fields(unanchor(node))
		if !ok {
			return out, nil
		}
		if m, isMap := unanchor(node).(*ast.MappingNode); isMap && m.IsFlowStyle {
			flow = true
		}
		var hit *ast.MappingValueNode
		for _, v := range list {
			if keyText(v) != name {
				continue
			}
			if hit != nil {
				return nil, &Refusal{File: d.path, Line: lineOf(v.Key), Fix: "keep one of the two",
					What: fmt.Sprintf("%s is given twice, first in line %d", strings.Join(names[:i+1], "."), lineOf(hit.Key))}
			}
			hit = v
		}
		if hit == nil {
			return out, nil
		}
		out, node = append(out, entry{hit, flow}), hit.Value
	}
	return out, nil
}

// line is where the nearest key on the way to names stands.
func (d *document) line(names []string) int {
	path, err := d.find(names)
	if err != nil || len(path) == 0 {
		return 0
	}
	return lineOf(path[len(path)-1].Key)
}

// sealed tells that SOPS encrypted the file, or parts of it. Its checksum covers
// also what can be read.
func (d *document) sealed() bool { return server.ValueAt(d.tree, "sops", "mac") != nil }

// scalar says why the value of names is none that a chart could read, and finds
// keys that stand there twice.
func (d *document) scalar(names []string) error {
	if _, err := d.find(names); err != nil {
		return err
	}
	switch v := server.ValueAt(d.tree, names...).(type) {
	case map[string]any, []any:
		return &Refusal{File: d.path, Line: d.line(names), What: strings.Join(names, ".") + " must be a plain value"}
	case string:
		if d.sealed() && strings.HasPrefix(v, "ENC[") && !slices.Contains(server.ValuesSecrets(), strings.Join(names, ".")) {
			return &Refusal{File: d.path, Line: d.line(names), What: strings.Join(names, ".") + " is encrypted with SOPS", Fix: "leave it readable (encrypted_regex): it is no secret"}
		}
	}
	return nil
}
