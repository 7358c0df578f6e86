package values

import (
	"errors"
	"reflect"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// Edit is what has to change in the files; nothing is written yet.
type Edit struct {
	// Changes are the files that change, in the order Helm reads them.
	Changes []server.ValuesEdit
	before  []*document
	after   []*document
}

// Plan works out how the files come to agree with settings. It changes each
// value in the file that decides it today. The error joins every refusal.
func (f *Files) Plan(settings []server.Setting) (*Edit, error) {
	docs, err := f.load()
	if err != nil {
		return nil, err
	}
	return plan(docs, settings)
}

// Facts is what the files say once they are written.
func (e *Edit) Facts() (server.DeclaredValues, error) { return facts(e.after) }

func plan(docs []*document, settings []server.Setting) (*Edit, error) {
	e := &Edit{before: slices.Clone(docs), after: slices.Clone(docs)}
	traces := make([]*trace, len(docs))
	for i, d := range docs {
		traces[i] = newTrace(len(d.lines))
	}
	var failed []error
	for _, st := range settings {
		names := strings.Split(st.Path, ".")
		if d, how := decider(e.after, names); how == sets && server.SameValue(st.Value, server.ValueAt(d.tree, names...)) {
			continue
		}
		i := home(e.after, names)
		next, change, err := e.after[i].set(names, st.Value)
		if err = traces[i].original(err); err != nil {
			if !slices.ContainsFunc(failed, func(e error) bool { return e.Error() == err.Error() }) {
				failed = append(failed, err)
			}
			continue
		}
		e.after[i] = next
		traces[i].apply(change, st.Path)
	}
	if err := errors.Join(failed...); err != nil {
		return nil, err
	}
	if err := onlyThese(e.before, e.after, settings); err != nil {
		return nil, err
	}
	for i, d := range docs {
		if hunks := traces[i].hunks(); len(hunks) > 0 {
			e.Changes = append(e.Changes, server.ValuesEdit{File: d.path, Hunks: hunks})
		}
	}
	return e, nil
}

// onlyThese checks the outcome the way Helm would read it: every setting is as
// wanted, and nothing else has another value than before.
func onlyThese(before, after []*document, settings []server.Setting) error {
	was, is := merged(before), merged(after)
	for _, st := range settings {
		names := strings.Split(st.Path, ".")
		if !server.SameValue(st.Value, server.ValueAt(is, names...)) {
			return &Refusal{File: after[home(after, names)].path, What: st.Path + " cannot be brought to its value safely", Fix: "edit it by hand"}
		}
		was, is = with(was, names, nil), with(is, names, nil)
	}
	if !reflect.DeepEqual(was, is) {
		return &Refusal{File: after[len(after)-1].path, Fix: "edit them by hand: circleci-dr values prints the block",
			What: "the files cannot be edited without changing what else Helm reads from them"}
	}
	return nil
}

// with is a tree with one value set, blocks made where there are none. The
// tree itself is not changed.
func with(tree map[string]any, names []string, v any) map[string]any {
	out := make(map[string]any, len(tree)+1)
	for name, old := range tree {
		out[name] = old
	}
	if len(names) == 1 {
		out[names[0]] = v
		return out
	}
	below, _ := out[names[0]].(map[string]any)
	out[names[0]] = with(below, names[1:], v)
	return out
}

// change is one edit of a document's lines, counted from 0.
type change struct {
	at int
	// replace takes line at away; without it text is put before line at.
	replace bool
	text    []string
	// same tells that text begins with the replaced line itself, which only
	// gets a line end.
	same bool
	// old and added are what to show of it.
	old, added []string
}

// set gives the document with the value at names. Of several ways to write it
// the first one is taken that changes nothing but this value.
func (d *document) set(names []string, v any) (*document, change, error) {
	if d.unplaced != nil {
		return nil, change{}, d.unplaced
	}
	if d.sealed() {
		return nil, change{}, &Refusal{File: d.path, What: "is encrypted with SOPS, whose checksum an edit from outside would break",
			Fix: "edit it with sops: circleci-dr values prints the block"}
	}
	ways, err := d.ways(names, v)
	if err != nil {
		return nil, change{}, err
	}
	want := with(d.tree, names, nil)
	for _, c := range ways {
		next, err := parse(d.path, d.spliced(c))
		if err != nil || next.unplaced != nil {
			continue
		}
		if server.SameValue(v, server.ValueAt(next.tree, names...)) && reflect.DeepEqual(with(next.tree, names, nil), want) {
			return next, c, nil
		}
	}
	return nil, change{}, &Refusal{File: d.path, Line: d.line(names), Fix: "edit it by hand: circleci-dr values prints the block",
		What: strings.Join(names, ".") + " cannot be edited without changing what else the file says"}
}

func (d *document) spliced(c change) []byte {
	var b strings.Builder
	if strings.HasPrefix(string(d.data), bom) {
		b.WriteString(bom)
	}
	end := c.at
	if c.replace {
		end++
	}
	for _, part := range [][]string{d.lines[:c.at], c.text, d.lines[end:]} {
		for _, l := range part {
			b.WriteString(l)
		}
	}
	return []byte(b.String())
}
