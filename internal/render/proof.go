package render

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/mover"
)

// ProofText draws a proof: what was compared, and every difference with both
// sides.
func ProofText(w io.Writer, proof mover.Proof, o Options) error {
	p := newPage(o)
	verdict, t := fmt.Sprintf("DIFFERENT in %s", count(len(proof.Differences), "place")), red
	switch {
	case proof.Equal():
		verdict, t = "EQUAL", green
	case len(proof.Differences) == 0 && proof.Compared["databases"] == 0:
		verdict = "NOTHING WAS COMPARED, so nothing is proven"
	case len(proof.Differences) == 0:
		verdict = "EQUAL, BUT the application's role could not write to the target"
	}
	p.line("Source and target: " + p.paint(t, verdict))
	if list := comparedCounts(proof.Compared); list != "" {
		p.para("compared  ", "          ", plain, list)
	}
	trial := "DDL and a write as the application's role worked on the target, rolled back"
	if !proof.SecureWrite {
		trial = "no DDL and write as the application's role was seen to work on the target"
	}
	p.para("trial     ", "          ", plain, trial)
	p.line(fmt.Sprintf("at        %s, in %s", when(proof.At), reconcile.Took(proof.Duration)))
	for _, d := range proof.Differences {
		p.blank()
		difference(p, d)
	}
	return p.flush(w)
}

// byWeight puts the large kinds of object before what they hold.
func byWeight(a, b string) int {
	order := []string{"databases", "schemas", "tables", "rows"}
	place := func(kind string) int {
		if i := slices.Index(order, kind); i >= 0 {
			return i
		}
		return len(order)
	}
	return cmp.Or(place(a)-place(b), strings.Compare(a, b))
}

func difference(p *page, d mover.Difference) {
	head := p.paint(bold, strings.TrimSpace(reconcile.OneLine(d.Kind+" "+d.Object)))
	if d.Database != "" {
		head += "  " + p.paint(dim, "database "+reconcile.OneLine(d.Database))
	}
	p.line(p.paint(red, "✗ ") + head)
	p.para("  ", "  ", plain, d.What)
	if d.Source != "" || d.Target != "" {
		p.para("  source  ", "          ", plain, orNothing(d.Source))
		p.para("  target  ", "          ", plain, orNothing(d.Target))
	}
	if d.Fix != "" {
		p.para("  fix     ", "          ", plain, d.Fix)
	}
}
