package render

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// StatusText draws a status: what needs attention first, with the command
// to run about it, and then what the file covers.
func StatusText(w io.Writer, lines []reconcile.StatusLine, blocks []engine.Coverage, o Options) error {
	p := newPage(o)
	width := 0
	for _, l := range lines {
		width = max(width, utf8.RuneCountInString(l.Topic))
	}
	indent := strings.Repeat(" ", width+4)
	for _, l := range lines {
		mark, t := "  ", plain
		if l.Alarm {
			mark, t = p.paint(red, "! "), red
		}
		p.para(mark+pad(reconcile.OneLine(l.Topic), width)+"  ", indent, t, l.Text)
		if l.Command != "" {
			p.line(indent + "run: " + p.paint(bold, reconcile.OneLine(l.Command)))
		}
	}
	if len(lines) > 0 {
		p.blank()
	}
	coverage(p, blocks, false)
	return p.flush(w)
}

// DriftText draws what is not as the file and the last apply left it. Nothing
// is written when there is nothing to say.
func DriftText(w io.Writer, items []reconcile.DriftItem, o Options) error {
	p := newPage(o)
	for i, d := range items {
		if i > 0 {
			p.blank()
		}
		head := p.paint(red, "✗ ") + p.paint(bold, reconcile.OneLine(d.Object))
		if at := o.where(d.Object); at != "" {
			head += p.paint(dim, " ("+at+")")
		}
		p.line(head + "  " + p.paint(dim, reconcile.OneLine(d.Class)))
		p.para("  ", "  ", plain, d.What)
		switch {
		case d.From != "" && d.To != "":
			p.para("  ", "  ", green, d.From+" → "+d.To)
		case d.From != "":
			p.para("  was:  ", "        ", green, d.From)
		case d.To != "":
			p.para("  is:   ", "        ", green, d.To)
		}
		if d.Fix != "" {
			p.para("  fix:  ", "        ", bold, d.Fix)
		}
	}
	return p.flush(w)
}
