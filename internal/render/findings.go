package render

import (
	"io"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/engine"
)

// FindingsText draws findings of preflight: id, what, where in the file, how
// to fix it and where the rule comes from.
func FindingsText(w io.Writer, list []engine.Finding, o Options) error {
	p := newPage(o)
	findings(p, o, list)
	return p.flush(w)
}

// showAll is how to see what a text leaves out.
const showAll = "circleci-dr plan --details shows all"

// what is a finding's sentence, with its lists cut unless details are asked for.
func (o Options) what(f engine.Finding) string {
	if o.Details || f.Brief == "" {
		return f.What
	}
	return f.Brief + " (" + showAll + ")"
}

func findings(p *page, o Options, list []engine.Finding) {
	for _, f := range list {
		p.blank()
		head := reconcile.OneLine(f.ID)
		if f.Field != "" {
			head += "  " + p.paint(dim, reconcile.OneLine(f.Field))
		}
		if at := o.where(f.Field); at != "" {
			head += p.paint(dim, " ("+at+")")
		}
		p.line(p.paint(red, "✗ ") + head)
		p.para("  ", "  ", plain, o.what(f))
		if f.Fix != "" {
			p.para("  fix:  ", "        ", bold, f.Fix)
		}
		if f.Source != "" {
			p.para("  from: ", "        ", dim, f.Source)
		}
	}
}
