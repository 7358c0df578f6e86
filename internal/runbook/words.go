package runbook

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// plainWord are the characters that a shell takes as they are.
const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,"

// word is text as one word of a shell.
func word(text string) string {
	text = clean(text)
	if text != "" && strings.Trim(text, plainWord) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// clean keeps text on its line: a name with a line feed would end a comment or
// a heading and begin a command.
func clean(text string) string {
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

// ident is a name as SQL, literal a string.
func ident(name string) string { return `"` + strings.ReplaceAll(clean(name), `"`, `""`) + `"` }

func literal(text string) string {
	text = strings.ReplaceAll(clean(text), "'", "''")
	if strings.Contains(text, `\`) {
		return `E'` + strings.ReplaceAll(text, `\`, `\\`) + "'"
	}
	return "'" + text + "'"
}

// setting is one keyword of a libpq connection string (PostgreSQL manual,
// "Connection Strings").
func setting(keyword, value string) string {
	value = clean(value)
	if value != "" && strings.Trim(value, plainWord) == "" {
		return keyword + "=" + value
	}
	return keyword + "='" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(value) + "'"
}

// escapeURL makes text a part of a URL (RFC 3986, unreserved).
func escapeURL(text string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(text) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
	}
	return b.String()
}

// heredoc hands text to a command as it is: no character of it means anything
// to the shell. A line that would end it is told apart by a space.
func heredoc(command, text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		if strings.TrimSpace(line) == "END" {
			line = " " + line
		}
		b.WriteString(line)
	}
	return command + " <<'END'\n" + b.String() + "END"
}
