package runbook

import (
	"strings"

	"github.com/circleci-dr/circleci-dr/reconcile"
)

// plainWord are the characters that a shell takes as they are.
const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+=,"

// word is text as one word of a shell.
func word(text string) string {
	text = reconcile.OneLine(text)
	if text != "" && strings.Trim(text, plainWord) == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// ident is a name as SQL, literal a string.
func ident(name string) string {
	return `"` + strings.ReplaceAll(reconcile.OneLine(name), `"`, `""`) + `"`
}

func literal(text string) string {
	text = strings.ReplaceAll(reconcile.OneLine(text), "'", "''")
	if strings.Contains(text, `\`) {
		return `E'` + strings.ReplaceAll(text, `\`, `\\`) + "'"
	}
	return "'" + text + "'"
}

// setting is one keyword of a libpq connection string (PostgreSQL manual,
// "Connection Strings").
func setting(keyword, value string) string {
	value = reconcile.OneLine(value)
	if value != "" && strings.Trim(value, plainWord) == "" {
		return keyword + "=" + value
	}
	return keyword + "='" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(value) + "'"
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
