package render

import (
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// defaultWidth is the width of a line when the caller knows none.
const defaultWidth = 100

// Options is what the caller knows about the reader.
type Options struct {
	// Color allows escape sequences. The caller looks for a terminal and at
	// NO_COLOR; here nothing is guessed.
	Color bool
	// Width is the number of columns, 0 for 100. Long names are never cut.
	Width int
	// Details draws every detail of every step of a plan. Without it a plan
	// shows only the details that explain a change, so that an ordinary one
	// fits a screen; its JSON always has all of them.
	Details bool
	// File is the spec's file as the user named it.
	File string
	// Where says where a path of the spec stands, such as
	// "circleci-dr.yaml:21". What has no line at its end is not shown, as for
	// a field that is no path of the spec. It may be nil.
	Where func(specPath string) string
}

func (o Options) where(path string) string {
	if o.Where == nil || path == "" {
		return ""
	}
	if at := reconcile.OneLine(o.Where(path)); lineAtEnd.MatchString(at) {
		return at
	}
	return ""
}

var lineAtEnd = regexp.MustCompile(`:[0-9]+$`)

// tone is how a piece of text is to be read.
type tone string

const (
	plain tone = ""
	bold  tone = "\x1b[1m"
	dim   tone = "\x1b[2m"
	red   tone = "\x1b[1;31m"
	amber tone = "\x1b[33m"
	green tone = "\x1b[32m"
	reset      = "\x1b[0m"
)

// page collects text, so that it is written in one call or not at all.
type page struct {
	b     strings.Builder
	width int
	color bool
}

func newPage(o Options) *page {
	width := o.Width
	if width <= 0 {
		width = defaultWidth
	}
	return &page{width: max(width, 40), color: o.Color}
}

func (p *page) paint(t tone, text string) string {
	if !p.color || t == plain || text == "" {
		return text
	}
	return string(t) + text + reset
}

// line writes one line as it is; the caller has cleaned what came from
// outside.
func (p *page) line(text string) {
	p.b.WriteString(strings.TrimRight(text, " "))
	p.b.WriteByte('\n')
}

func (p *page) blank() { p.b.WriteByte('\n') }

// para writes text wrapped, first line after head, the others after indent.
// Head and indent are taken as equally wide.
func (p *page) para(head, indent string, t tone, text string) {
	for i, l := range wrap(reconcile.OneLine(text), p.width-utf8.RuneCountInString(indent)) {
		before := indent
		if i == 0 {
			before = head
		}
		p.line(before + p.paint(t, l))
	}
}

func (p *page) flush(w io.Writer) error {
	_, err := io.WriteString(w, p.b.String())
	return err
}

// wrap breaks text at spaces. A word longer than the width stays whole:
// somebody may want to copy it.
func wrap(text string, width int) []string {
	var lines []string
	var line string
	n := 0
	for word := range strings.FieldsSeq(text) {
		w := utf8.RuneCountInString(word)
		switch {
		case n == 0:
			line, n = word, w
		case n+1+w > width:
			lines = append(lines, line)
			line, n = word, w
		default:
			line, n = line+" "+word, n+1+w
		}
	}
	return append(lines, line)
}

// pad fills text with spaces up to width columns.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}
