package render

import (
	"io"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// Next is the command that is due after an apply, and why; empty where nothing
// is.
type Next struct{ Command, Why string }

// NextText draws what is due next, after a report.
func NextText(w io.Writer, n Next, o Options) error {
	if n.Command == "" {
		return nil
	}
	p := newPage(o)
	p.blank()
	p.line("Next: " + p.paint(bold, reconcile.OneLine(n.Command)))
	p.para("      ", "      ", plain, n.Why)
	return p.flush(w)
}
