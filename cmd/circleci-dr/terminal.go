package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// isTerminal tells whether w is a terminal a person looks at.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// wantsColor decides about colour: never in a file or a CI log, never with
// NO_COLOR, unless asked for.
func (p *program) wantsColor(choice string) (bool, error) {
	switch choice {
	case "always":
		return true, nil
	case "never":
		return false, nil
	case "auto":
		_, no := p.env("NO_COLOR")
		return !no && isTerminal(p.out), nil
	}
	return false, usagef("--color must be auto, always or never (got %q)", choice)
}

// columns is the width of the terminal w is, 0 where it is none. Very wide
// lines are hard to read, so it ends at 120.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return min(max(width, 60), 120)
}
