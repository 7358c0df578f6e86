package spec

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxShown is how much of a value an error shows, in characters.
const maxShown = 60

// reporter collects problems and knows what is shown of a value.
type reporter struct {
	file  string
	root  *node
	items []Problem
	notes []Problem
	// broken holds the paths that have a problem: they are left out when the
	// rules across fields run, so that one mistake is reported once.
	broken map[string]bool
}

func newReporter(file string) *reporter {
	return &reporter{file: file, broken: map[string]bool{}}
}

// at reports a problem at a place. The first problem of a path is the one kept.
func (r *reporter) at(at place, p path, code Code, want, found, hint string) {
	name := p.String()
	if name != "" && r.broken[name] {
		return
	}
	r.broken[name] = true
	r.items = append(r.items, Problem{
		File: r.file, Line: at.line, Column: at.column, Path: name,
		Want: want, Found: found, Hint: hint, Code: code,
	})
}

// add reports a problem at the place of the path, or of the nearest block
// around it that stands in the file.
func (r *reporter) add(p path, code Code, want, found, hint string) {
	r.at(r.placeOf(p), p, code, want, found, hint)
}

// note keeps what is allowed and worth knowing.
func (r *reporter) note(p path, code Code, want, hint string) {
	at := r.placeOf(p)
	r.notes = append(r.notes, Problem{File: r.file, Line: at.line, Column: at.column, Path: p.String(), Want: want, Hint: hint, Code: code})
}

func (r *reporter) placeOf(p path) place {
	for ; len(p) > 0; p = p[:len(p)-1] {
		if n := r.root.lookup(p); n != nil {
			return n.at
		}
	}
	if r.root != nil {
		return r.root.at
	}
	return place{1, 1}
}

// has reports whether the path stands in the file, right or wrong.
func (r *reporter) has(p path) bool { return r.root.lookup(p) != nil || r.broken[p.String()] }

// show is what an error says about a value: the value itself when it is short
// and cannot be a secret, its kind otherwise.
func (r *reporter) show(p path, n *node) string {
	switch {
	case n == nil || n.kind == kindNull || n.kind == kindMap || n.kind == kindList:
		if n == nil {
			return string(kindNull)
		}
		return string(n.kind)
	case secretPath(p):
		return string(n.kind) + " that is not shown"
	case n.kind == kindString:
		return showText(n.text)
	}
	return cut(n.text)
}

// showText quotes a value, unless it looks like a secret.
func showText(text string) string {
	if looksSecret(text) {
		return "a value that is not shown"
	}
	return quoteShort(text)
}

func quoteShort(text string) string {
	if looksSecret(text) {
		return `"…"`
	}
	return strconv.Quote(cut(text))
}

func cut(text string) string {
	if utf8.RuneCountInString(text) <= maxShown {
		return text
	}
	return string([]rune(text)[:maxShown]) + "…"
}

// secretPath reports paths whose values are never shown: references to
// secrets, and whatever a user's own key calls one.
func secretPath(p path) bool {
	if refPath(p) >= 0 {
		return true
	}
	for _, part := range p {
		if part != "imagePullSecrets" && secretWord(part) {
			return true
		}
	}
	return false
}

// secretWord reports a key that calls its value a secret.
func secretWord(key string) bool {
	key = fold(key)
	return strings.HasSuffix(key, "pass") || slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(key, word) })
}

var secretWords = []string{"passw", "passphrase", "secret", "token", "privatekey", "credential", "apikey", "accesskey"}

var secretText = regexp.MustCompile(`(?i)://[^/\s]*@|^[^/\s@]+:[^/\s@]+@|private key|age-secret-key-|passw(or)?d\s*=|secret[a-z_-]*\s*=|token\s*=|sig(nature)?=`)

func looksSecret(text string) bool { return secretText.MatchString(text) }

// refPath is the length of the part of p that is a reference to a secret, or
// -1.
func refPath(p path) int {
	for i := 1; i <= len(p); i++ {
		if f := fieldAt(p[:i]); f != nil && f.isRef() {
			return i
		}
	}
	return -1
}
