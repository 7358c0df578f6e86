package reconcile

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// OneLine makes text from a server, a cluster or a plan file harmless for a
// terminal and for a shell's comments: one line, no control characters, nothing
// that turns the writing direction.
func OneLine(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == utf8.RuneError:
			return '?'
		}
		return r
	}, text)
}
