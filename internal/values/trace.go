package values

import (
	"errors"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// trace remembers where each line of a document comes from while edits shift
// them.
type trace struct {
	lines []traced
}

// traced is one line as it is now.
type traced struct {
	from       int      // its line in the original, 0 for one that was added
	paths      []string // of the values that changed in it
	old, added []string // what to show of the changes
}

func newTrace(n int) *trace {
	t := &trace{}
	for i := range n {
		t.lines = append(t.lines, traced{from: i + 1})
	}
	return t
}

func (t *trace) apply(c change, path string) {
	at, added := c.at, c.added
	if c.same {
		at++
	} else if c.replace {
		l := &t.lines[at]
		l.paths, l.old = append(l.paths, path), append(l.old, c.old...)
		n := len(added) - len(c.text) + 1
		l.added = append(l.added, added[:n]...)
		at, added = at+1, added[n:]
	}
	var lines []traced
	for _, text := range added {
		lines = append(lines, traced{paths: []string{path}, added: []string{text}})
	}
	t.lines = slices.Insert(t.lines, at, lines...)
}

// original gives a refusal the line that the file on disk has.
func (t *trace) original(err error) error {
	var r *Refusal
	if !errors.As(err, &r) || r.Line < 1 || r.Line > len(t.lines) {
		return err
	}
	at := *r
	for i := r.Line - 1; i >= 0; i-- {
		if at.Line = t.lines[i].from; at.Line > 0 {
			break
		}
	}
	return &at
}

// hunks gives the changes in the order of the file. Lines that follow each
// other are one hunk.
func (t *trace) hunks() []server.ValuesHunk {
	var out []server.ValuesHunk
	var paths []string
	last, prev := 0, -2 // line of the original so far; index of the last changed line
	for i, l := range t.lines {
		if l.from > 0 {
			last = l.from
		}
		if len(l.paths) == 0 {
			continue
		}
		if prev != i-1 {
			out, paths = append(out, server.ValuesHunk{Line: last, NewLine: i + 1}), nil
		}
		h := &out[len(out)-1]
		if h.NewLines++; l.from > 0 {
			if h.Lines++; h.Lines == 1 {
				h.Line = l.from
			}
		}
		paths = append(paths, l.paths...)
		h.Path, h.Old, h.New, prev = common(paths), append(h.Old, bare(l.old)...), append(h.New, bare(l.added)...), i
	}
	return out
}

// common is the path around all paths.
func common(paths []string) string {
	names := strings.Split(paths[0], ".")
	for _, p := range paths[1:] {
		other := strings.Split(p, ".")
		n := 0
		for n < min(len(names), len(other)) && names[n] == other[n] {
			n++
		}
		names = names[:n]
	}
	return strings.Join(names, ".")
}

func bare(lines []string) []string {
	var out []string
	for _, l := range lines {
		out = append(out, strings.TrimRight(l, "\r\n"))
	}
	return out
}
