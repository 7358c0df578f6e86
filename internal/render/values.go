package render

import (
	"fmt"
	"io"

	"github.com/circleci-dr/circleci-dr/reconcile"
	"github.com/circleci-dr/circleci-dr/reconcile/server"
)

// ValuesFormat is the format of what values prints as JSON.
const ValuesFormat = "circleci-dr/values/v1"

// Values is what the command values found out and did.
type Values struct {
	// Settings are the wanted values; Block is the same as a block of YAML.
	Settings []server.Setting
	Block    string
	// Files are the files that were compared, none when none is declared.
	Files []string
	// Agree tells that the files carry the block, now.
	Agree bool
	Edits []server.ValuesEdit
	// Written are the files that were changed.
	Written []string
	// Notes are worth knowing and ask for nothing.
	Notes []string
}

// ValuesDiff draws edits as a unified diff without context: a line that does
// not change may hold a password.
func ValuesDiff(w io.Writer, edits []server.ValuesEdit, o Options) error {
	p := newPage(o)
	for _, e := range edits {
		p.line(p.paint(bold, "--- "+reconcile.OneLine(e.File)))
		p.line(p.paint(bold, "+++ "+reconcile.OneLine(e.File)))
		for _, h := range e.Hunks {
			p.line(p.paint(dim, fmt.Sprintf("@@ -%s +%s @@ %s", lines(h.Line, h.Lines), lines(h.NewLine, h.NewLines), reconcile.OneLine(h.Path))))
			for _, l := range h.Old {
				p.exact(red, "-"+l)
			}
			for _, l := range h.New {
				p.exact(green, "+"+l)
			}
		}
	}
	return p.flush(w)
}

// lines is a place in a unified diff: a length of one is left out.
func lines(first, n int) string {
	if n == 1 {
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d,%d", first, n)
}

// exact writes a line with the spaces at its end, which belong to the file.
func (p *page) exact(t tone, text string) {
	p.b.WriteString(p.paint(t, reconcile.OneLine(text)))
	p.b.WriteByte('\n')
}

type valuesDoc struct {
	Format   string              `json:"format"`
	Agree    bool                `json:"agree"`
	Settings []server.Setting    `json:"settings"`
	Block    string              `json:"block"`
	Files    []string            `json:"files"`
	Edits    []server.ValuesEdit `json:"edits"`
	Written  []string            `json:"written"`
	Notes    []string            `json:"notes"`
}

// ValuesJSON writes the same as versioned JSON.
func ValuesJSON(w io.Writer, v Values) error {
	return writeJSON(w, valuesDoc{
		Format: ValuesFormat, Agree: v.Agree, Block: v.Block,
		Settings: append([]server.Setting{}, v.Settings...), Files: append([]string{}, v.Files...),
		Edits: append([]server.ValuesEdit{}, v.Edits...), Written: append([]string{}, v.Written...), Notes: append([]string{}, v.Notes...),
	})
}
