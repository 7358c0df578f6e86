package render

import (
	"fmt"
	"io"

	"github.com/circleci-dr/circleci-dr/spec"
)

// ProblemsText draws what is wrong in a file, or worth knowing about it, in
// the form editors and CI systems turn into links: file:line:column: path:
// message, with the hint below.
func ProblemsText(w io.Writer, list []spec.Problem, o Options) error {
	p := newPage(o)
	for _, x := range list {
		head := fmt.Sprintf("%s:%d:%d: ", x.File, x.Line, x.Column)
		if x.Path != "" {
			head += x.Path + ": "
		}
		p.line(p.paint(bold, clean(head)) + clean(x.Message()))
		if x.Hint != "" {
			p.line(p.paint(dim, "  hint: ") + clean(x.Hint))
		}
	}
	return p.flush(w)
}
