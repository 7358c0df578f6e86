package values

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// A document is drawn with everything people do to a values file: comments,
// quotes, anchors, brackets, odd indents, blank lines, every kind of line end.
type drawer struct {
	*rapid.T
	b    strings.Builder
	n    int
	step int
}

func (d *drawer) one(of ...string) string { return rapid.SampledFrom(of).Draw(d.T, "one") }

func (d *drawer) may() bool { return rapid.Bool().Draw(d.T, "may") }

func (d *drawer) line(indent int, text string) {
	switch d.one("", "", "", "", "comment", "blank") {
	case "comment":
		fmt.Fprintf(&d.b, "%s# %s\n", strings.Repeat(" ", rapid.IntRange(0, 6).Draw(d.T, "off")), d.one("a note", "- x: y", `quote " here`, "internal: true", "größer"))
	case "blank":
		d.b.WriteString(d.one("\n", "  \n"))
	}
	tail := d.one("", "", "", " # why", "   ", "\t# tab")
	if strings.HasSuffix(text, "|") || strings.HasSuffix(text, ">-") || strings.HasSuffix(text, "|+") {
		tail = ""
	}
	fmt.Fprintf(&d.b, "%s%s%s\n", strings.Repeat(" ", indent), text, tail)
}

func (d *drawer) name() string {
	d.n++
	return fmt.Sprintf(d.one("key%d", `"key %d"`, "k-%d", "ключ%d"), d.n)
}

func (d *drawer) scalar() string {
	return d.one("true", "no", "~", "''", `"a: b # c"`, "5432", "0x1F", "1e3", "a b c", "'it''s'", `"tab\t\"q\""`, "2026-11-25", "http://x/y#z", "[a, {b: c}]", "{a: 1, b: [x]}", "größe")
}

func (d *drawer) foreign(indent, depth int) {
	switch name := d.name(); d.one("scalar", "scalar", "block", "list", "text", "anchor") {
	case "scalar":
		d.line(indent, name+": "+d.scalar())
	case "anchor":
		d.line(indent, fmt.Sprintf("%s: &a%d %s", name, d.n, d.one("true", "x", "{internal: true}")))
		d.line(indent, fmt.Sprintf("%s: *a%d", d.name(), d.n-1))
	case "list":
		d.line(indent, name+":")
		d.line(indent+rapid.IntRange(0, 2).Draw(d.T, "dash"), "- "+d.scalar())
	case "text":
		d.line(indent, name+": "+d.one("|", ">-", "|+"))
		for range rapid.IntRange(1, 3).Draw(d.T, "lines") {
			fmt.Fprintf(&d.b, "%s%s\n", strings.Repeat(" ", indent+2), d.one("text", "internal: true", "# no comment"))
		}
		d.b.WriteString(d.one("", "\n"))
	case "block":
		d.line(indent, name+":")
		for range rapid.IntRange(1, 3).Draw(d.T, "entries") {
			if depth < 2 {
				d.foreign(indent+d.step, depth+1)
			} else {
				d.line(indent+d.step, d.name()+": "+d.scalar())
			}
		}
	}
}

// ours is a block with some of the keys that will be set.
func (d *drawer) ours(indent int) {
	if d.one("block", "block", "block", "flow") == "flow" {
		d.line(indent, d.one("postgresql: {internal: true, auth: {username: x}}", `postgresql: { "internal": true }`, "postgresql: {}", "postgresql: {internal: true,\n    primary: {a: [b]} }"))
		return
	}
	d.line(indent, d.one("postgresql:", `"postgresql":`, "postgresql: &pg"))
	in := indent + d.step
	start := d.b.Len()
	for _, key := range rapid.Permutation([]string{"internal", "postgresqlHost", "postgresqlPort", "secureMode", "auth", "primary", ""}).Draw(d.T, "order") {
		switch {
		case d.may():
		case key == "":
			d.foreign(in, 1)
		case key == "auth":
			d.line(in, d.one("auth:", "auth: {existingSecret: x, b: c}", "'auth':"))
			if strings.Contains(d.b.String()[start:], "auth: {") {
				continue
			}
			for _, k := range []string{"postgresPassword", "username", "existingSecret"} {
				if d.may() {
					d.line(in+d.step, k+": "+d.one("x", `"y"`, "'z'", ""))
				}
			}
		case key == "primary":
			d.line(in, "primary: {persistence: {size: 8Gi}}")
		default:
			d.line(in, key+": "+d.one("true", "false", `"old"`, "'o'", "old.example.com", "5433", "~", "", "\n"+strings.Repeat(" ", in+2)+"below"))
		}
	}
}

func drawn(t *rapid.T) []byte {
	d := &drawer{T: t, step: rapid.SampledFrom([]int{2, 4}).Draw(t, "step")}
	if d.may() {
		d.b.WriteString(d.one("", "# values\n", "---\n", "# a\n---\n"))
	}
	there := d.one("yes", "yes", "yes", "no") == "yes"
	for range rapid.IntRange(0, 3).Draw(t, "before") {
		d.foreign(0, 0)
	}
	if there {
		d.ours(0)
	}
	for range rapid.IntRange(0, 3).Draw(t, "after") {
		d.foreign(0, 0)
	}
	text := d.b.String() + d.one("", "", "...\n", "# end\n")
	switch d.one("", "", "crlf", "bare", "bom") {
	case "crlf":
		text = strings.ReplaceAll(text, "\n", "\r\n")
	case "bare":
		text = strings.TrimSuffix(text, "\n")
	case "bom":
		text = bom + text
	}
	return []byte(text)
}

// holds checks everything an edit promises. It returns whether there was one.
func holds(t interface{ Fatalf(string, ...any) }, data []byte) bool {
	d, err := parse("values.yaml", data)
	if err != nil {
		refusal(t, err)
		return false
	}
	e, err := plan([]*document{d}, wanted)
	if err != nil {
		refusal(t, err)
		return false
	}
	after := e.after[0]
	was, is := d.tree, after.tree
	for _, st := range wanted {
		names := strings.Split(st.Path, ".")
		if got := fmt.Sprint(server.ValueAt(after.tree, names...)); got != fmt.Sprint(st.Value) {
			t.Fatalf("%s is %s, want %v, in\n%s\nmade of\n%s", st.Path, got, st.Value, after.data, data)
		}
		was, is = with(was, names, nil), with(is, names, nil)
	}
	if !reflect.DeepEqual(was, is) {
		t.Fatalf("something else has changed from\n%s\nto\n%s", data, after.data)
	}
	kept(t, d.lines, after.lines, e)
	again, err := plan(e.after, wanted)
	if err != nil || len(again.Changes) != 0 || string(again.after[0].data) != string(after.data) {
		t.Fatalf("a second edit changes %+v, error %v", again, err)
	}
	return true
}

// kept checks that the lines outside the hunks are the same, byte by byte; only
// the last one may have got a line end.
func kept(t interface{ Fatalf(string, ...any) }, before, after []string, e *Edit) {
	before, after = append([]string(nil), before...), append([]string(nil), after...)
	const gone = "\x00"
	for _, c := range e.Changes {
		for _, h := range c.Hunks {
			for i := range h.Lines {
				before[h.Line-1+i] = gone
			}
			for i := range h.NewLines {
				after[h.NewLine-1+i] = gone
			}
		}
	}
	outside := func(lines []string) string { return strings.ReplaceAll(strings.Join(lines, ""), gone, "") }
	was, is := outside(before), outside(after)
	if is != was && strings.TrimRight(is, "\r\n") != was {
		t.Fatalf("outside of the hunks is\n%q\nand was\n%q", is, was)
	}
}

func refusal(t interface{ Fatalf(string, ...any) }, err error) {
	var r *Refusal
	if !errors.As(err, &r) || r.What == "" || r.File == "" {
		t.Fatalf("refused with %T %v", err, err)
	}
}

func TestEditsOfAnyFileChangeNothingElse(t *testing.T) {
	edited, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		all++
		if holds(t, drawn(t)) {
			edited++
		}
	})
	if edited*10 < all*7 { // refusing everything would hold as well
		t.Errorf("only %d of %d files could be edited", edited, all)
	}
}

// FuzzEdit: whatever the bytes, no panic, and an edit holds what it promises.
func FuzzEdit(f *testing.F) {
	files, err := filepath.Glob("testdata/edit/*.in.yaml")
	if err != nil || len(files) == 0 {
		f.Fatal(err, files)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) { holds(t, data) })
}
