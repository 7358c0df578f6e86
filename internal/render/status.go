package render

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// Status is what status says: where things are, and what the file covers.
type Status struct {
	Name     string
	Lines    []reconcile.StatusLine
	Coverage []reconcile.Coverage
}

// StatusText draws a status: what wants somebody now first, with the command
// to run about it.
func StatusText(w io.Writer, s Status, o Options) error {
	p := newPage(o)
	width := 0
	for _, l := range s.Lines {
		width = max(width, utf8.RuneCountInString(l.Topic))
	}
	indent := strings.Repeat(" ", width+4)
	for _, l := range s.Lines {
		mark, t := "  ", plain
		if l.Alarm {
			mark, t = p.paint(red, "! "), red
		}
		p.para(mark+pad(clean(l.Topic), width)+"  ", indent, t, l.Text)
		if l.Command != "" {
			p.line(indent + "run: " + p.paint(bold, clean(l.Command)))
		}
	}
	p.blank()
	coverage(p, s.Coverage, false)
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
		head := p.paint(red, "✗ ") + p.paint(bold, clean(d.Object))
		if at := o.where(d.Object); at != "" {
			head += p.paint(dim, " ("+at+")")
		}
		p.line(head + "  " + p.paint(dim, clean(d.Class)))
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
