package spec

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

// source is what a loaded Spec remembers of its file.
type source struct {
	file   string
	places map[string]place
	notes  []Problem
}

// Load reads and checks the file at path; it touches no other file. An error
// about the content is a *Problems with everything that is wrong.
func Load(path string) (*Spec, error) {
	// A pipe nobody writes to would otherwise never be opened at all.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read spec: %w (name another file with --file, or write one with circleci-dr init)", err)
	}
	defer f.Close() //nolint:errcheck // read only: nothing is lost when closing fails
	if err := f.SetReadDeadline(time.Now().Add(pipeTime)); err != nil && !errors.Is(err, os.ErrNoDeadline) {
		return nil, fmt.Errorf("read spec: %w", err)
	}
	return Read(path, f)
}

// Read reads a spec whose problems name it by name.
func Read(name string, r io.Reader) (*Spec, error) {
	data, err := io.ReadAll(io.LimitReader(r, readLimit))
	if err != nil {
		return nil, fmt.Errorf("read spec: %w (name another file with --file)", err)
	}
	return Parse(name, data)
}

// emptyHint needs nothing but the program itself.
const emptyHint = "circleci-dr init --kube-context NAME writes one from the installation that is there, once this one is removed"

// pipeTime is how long a pipe, such as the shell's <(…), may take to give the
// whole file. Other files know no deadline.
const pipeTime = 30 * time.Second

// readLimit leaves room for a byte order mark and for CRLF, and lets Parse see
// that there is more.
const readLimit = 2*maxBytes + 4

// Parse checks data, which was read from the file called name, and returns it
// with its defaults. The error is a *Problems with everything that is wrong.
func Parse(name string, data []byte) (*Spec, error) {
	r := newReporter(name)
	// The size is looked at before anything copies the bytes.
	if len(data) > readLimit {
		data = data[:readLimit]
	}
	data = normalize(data)
	stop := guardBytes(data)
	if stop == nil {
		stop = r.read(data)
	}
	if stop != nil {
		return nil, newProblems(name, []Problem{{
			File: name, Line: stop.at.line, Column: stop.at.column, Want: stop.want, Hint: stop.hint, Code: stop.code,
		}})
	}
	checkShape(r)
	s, err := r.decode()
	if err != nil {
		return nil, newProblems(name, append(r.items, Problem{File: name, Line: 1, Column: 1, Code: CodeType, Want: "does not fit the file's format"}))
	}
	checkRules(r, s)
	if len(r.items) > 0 {
		return nil, newProblems(name, r.items)
	}
	s = s.WithDefaults()
	sortProblems(r.notes)
	s.source = &source{file: name, places: map[string]place{}, notes: r.notes}
	remember(s.source.places, r.root, nil)
	return s, nil
}

// read fills r.root, or says why there is nothing to check.
func (r *reporter) read(data []byte) *fault {
	body, stop := readDocument(data)
	if stop != nil {
		return stop
	}
	if body == nil {
		return &fault{place{1, 1}, CodeFile, "the file is empty", emptyHint}
	}
	b := builder{report: r}
	root := b.build(body, startOf(body, place{1, 1}), nil)
	if root != nil && root.kind == kindNull {
		return &fault{place{1, 1}, CodeFile, "the file is empty", emptyHint}
	}
	if root == nil || root.kind != kindMap {
		return &fault{startOf(body, place{1, 1}), CodeType, "the file must be a mapping of fields", "it begins with apiVersion: " + APIVersion}
	}
	r.root = root
	return nil
}

// decode fills a Spec with everything that has no problem, so that the rules
// across fields can look at the rest in the same run.
func (r *reporter) decode() (*Spec, error) {
	data, err := json.Marshal(r.sound(r.root, nil))
	if err != nil {
		return nil, fmt.Errorf("decode spec: %w", err)
	}
	var s Spec
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, fmt.Errorf("decode spec: %w", err)
	}
	return &s, nil
}

// sound is the tree without what is broken. A broken item of a list becomes
// its zero value, so that the others keep their index.
func (r *reporter) sound(n *node, p path) any {
	if n == nil || r.broken[p.String()] && len(p) > 0 {
		return nil
	}
	switch n.kind {
	case kindMap:
		m := map[string]any{}
		for _, f := range n.fields {
			if v := r.sound(f.node, p.key(f.name)); v != nil {
				m[f.name] = v
			}
		}
		return m
	case kindList:
		list := make([]any, 0, len(n.items))
		for i, item := range n.items {
			list = append(list, r.sound(item, p.index(i)))
		}
		return list
	case kindNumber:
		// A quantity may be written as a number; it stays as written.
		if len(p) == 4 && p[0] == "mover" && p[1] == "resources" {
			return n.text
		}
	default:
	}
	return n.value
}

func remember(places map[string]place, n *node, p path) {
	if n == nil {
		return
	}
	places[p.String()] = n.at
	for _, f := range n.fields {
		remember(places, f.node, p.key(f.name))
	}
	for i, item := range n.items {
		remember(places, item, p.index(i))
	}
}

// Position is where a field stands in the file, such as
// "datastores.postgresql.location" or "server.values[0]"; both numbers count
// from 1. It is false for a field the file does not give (a default), and for a
// Spec that was not loaded.
func (s *Spec) Position(path string) (line, column int, ok bool) {
	if s.source == nil {
		return 0, 0, false
	}
	at, ok := s.source.places[path]
	return at.line, at.column, ok
}

// Where is file:line of a field, or of the nearest block around it in the file;
// the file alone when there is none, and "" for a Spec that was not loaded.
func (s *Spec) Where(path string) string {
	if s.source == nil {
		return ""
	}
	for path != "" {
		if at, ok := s.source.places[path]; ok {
			return fmt.Sprintf("%s:%d", s.source.file, at.line)
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return s.source.file
}

// File is the name the spec was loaded under.
func (s *Spec) File() string {
	if s.source == nil {
		return ""
	}
	return s.source.file
}

// Notes are what is allowed in the file and worth knowing: policy findings
// (CodeFinding) and remarks (CodeNote), in the order of the file.
func (s *Spec) Notes() []Problem {
	if s.source == nil {
		return nil
	}
	return append([]Problem(nil), s.source.notes...)
}
